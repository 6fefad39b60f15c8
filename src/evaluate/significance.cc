#include "evaluate/significance.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "base/statistics.h"

namespace weir::evaluate {
namespace {

// Sums in another order differ in their last digits; a tie must count as one.
constexpr double kTie = 1e-12;

double RandomSignsP(std::span<const double> differences, double sum, int64_t trials,
                    std::mt19937_64& random) {
  std::vector<double> moving;  // zeros add nothing, whatever their sign
  for (double d : differences) {
    if (d != 0) moving.push_back(d);
  }
  int64_t as_far = 0;
  for (int64_t trial = 0; trial < trials; ++trial) {
    double signed_sum = 0;
    uint64_t bits = 0;
    for (size_t i = 0; i < moving.size(); ++i) {
      if (i % 64 == 0) bits = random();
      signed_sum += (bits & 1) != 0 ? moving[i] : -moving[i];
      bits >>= 1;
    }
    as_far += std::abs(signed_sum) >= std::abs(sum) - kTie;
  }
  return static_cast<double>(as_far + 1) / static_cast<double>(trials + 1);
}

}  // namespace

PairedTest TestPaired(std::span<const double> differences, const SignificanceOptions& options) {
  PairedTest out;
  if (differences.empty()) return out;
  std::mt19937_64 random(options.seed);
  const double n = static_cast<double>(differences.size());
  const double sum = std::accumulate(differences.begin(), differences.end(), 0.0);
  out.mean = sum / n;
  out.p = RandomSignsP(differences, sum, options.trials, random);
  std::vector<double> means;
  means.reserve(static_cast<size_t>(options.trials));
  for (int64_t trial = 0; trial < options.trials; ++trial) {
    double drawn = 0;
    for (size_t i = 0; i < differences.size(); ++i) {
      drawn += differences[random() % differences.size()];
    }
    means.push_back(drawn / n);
  }
  out.low = Quantile(means, 0.025);
  out.high = Quantile(means, 0.975);
  return out;
}

std::vector<double> Holm(std::span<const double> p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  std::vector<double> out(p.size());
  double least = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    least = std::max(least, std::min(1.0, static_cast<double>(p.size() - i) * p[order[i]]));
    out[order[i]] = least;
  }
  return out;
}

}  // namespace weir::evaluate
