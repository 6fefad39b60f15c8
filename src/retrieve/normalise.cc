#include "retrieve/normalise.h"

#include <cmath>

namespace weir::retrieve {

void Normalise(std::span<double> scores) {
  double mean = 0, squares = 0;
  const double n = static_cast<double>(scores.size());
  for (double s : scores) mean += s / n;
  for (double s : scores) squares += (s - mean) * (s - mean) / n;
  const double deviation = std::sqrt(squares);
  for (double& s : scores) s = deviation > 0 ? (s - mean) / deviation : 0;
}

}  // namespace weir::retrieve
