// Speed of the kernels against lower targets and against the limits of the machine, measured in the
// same process: read bandwidth, the rate of int8 dot instructions and of f32 multiply-adds.
#pragma once

#include <string>
#include <vector>

#include "base/threads.h"
#include "tensor/dtype.h"

namespace weir::tensor {

struct BenchRow {
  std::string name, unit;
  double weir = 0;      // best of `rounds`
  double baseline = 0;  // the lower target's kernel, same data; 0 if none was run
  std::string baseline_name;
  double ratio = 0;  // weir / baseline, > 1 is better
  double limit = 0;  // what the machine allows, measured here
  int rounds = 0;
  double spread = 0;  // (max - min) / median over the rounds
};

struct KernelBenchOptions {
  int rounds = 5;
  bool baselines = true;  // also run AVX2 (or scalar) kernels
  std::string filter;     // substring of the names to run; empty: all
  // Only these formats' products and attention, without the small operations; empty: everything.
  std::vector<DType> types = {};
};

std::vector<BenchRow> BenchKernels(const KernelBenchOptions& options, Threads* threads);

}  // namespace weir::tensor
