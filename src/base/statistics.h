// Small statistics for benches and reports.
#pragma once

#include <span>

namespace weir {

double Median(std::span<const double> values);                  // 0 for none
double Quantile(std::span<const double> values, double q);      // linear interpolation, q in [0, 1]
double Mean(std::span<const double> values);
double Spread(std::span<const double> values);                  // (max - min) / median

}  // namespace weir
