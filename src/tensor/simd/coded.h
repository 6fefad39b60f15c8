// Attention of a tile of query rows over coded blocks (coded_kv.h), for each target; the same bytes
// on all of them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/coded_kv.h"
#include "tensor/kernels.h"

namespace weir::tensor {

// As Int8Tile, but q is f32.
struct CodedTile {
  int rows = 0;
  int head_dim = 0;
  CodedForm form;
  const std::byte* const* heads = nullptr;  // [blocks + kAheadBlocks]
  size_t blocks = 0;
  int64_t first_key = 0;
  const float* q = nullptr;        // [rows][head_dim], times scale * log2(e)
  const int64_t* begin = nullptr;  // [rows]
  const int64_t* end = nullptr;
  float* acc = nullptr;
  float* peak = nullptr;
  float* sums = nullptr;
};

using CodedKernel = void (*)(const CodedTile& tile);

extern const CodedKernel kScalarCoded, kAvx2Coded, kAvx512Coded;

// The one of a set's target.
inline CodedKernel CodedKernelOf(const KernelSet& kernels) {
  if (&kernels == &kAvx512Kernels) return kAvx512Coded;
  return &kernels == &kAvx2Kernels ? kAvx2Coded : kScalarCoded;
}

}  // namespace weir::tensor
