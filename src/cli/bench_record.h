// The Bench record of design: one row a measured part, with its baseline from the same process or
// run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/context.h"

namespace weir::cli {

struct BenchRow {
  std::string name, unit;
  double weir = 0, baseline = 0;
  std::string baseline_name;
  double ratio = 0;  // above 1: Weir is better
  double limit = 0;  // what the machine allows, 0 when unknown
  int64_t rounds = 0;
  double spread = 0;  // (max - min) / median of Weir's rounds
};

std::string BenchToJson(const std::vector<BenchRow>& rows);
std::string BenchToText(const std::vector<BenchRow>& rows);

// Runs `ours` and `theirs` in turn, `rounds` times each, and fills the medians of what they return.
// `lower_is_better` turns the ratio round.
BenchRow Compare(std::string name, std::string unit, int64_t rounds, bool lower_is_better,
                 const std::function<double()>& ours, std::string baseline_name,
                 const std::function<double()>& theirs);

}  // namespace weir::cli
