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

// A difference as its share of the statistic: divided by the number of queries of its set and by
// the number of sets.
using Shares = std::vector<std::vector<double>>;

Shares SharesOf(std::span<const std::vector<double>> sets) {
  const auto full =
      std::count_if(sets.begin(), sets.end(), [](const auto& s) { return !s.empty(); });
  Shares shares;
  for (const std::vector<double>& set : sets) {
    if (set.empty()) continue;
    const double weight = 1.0 / (static_cast<double>(set.size()) * static_cast<double>(full));
    std::vector<double>& out = shares.emplace_back();
    for (double d : set) out.push_back(d * weight);
  }
  return shares;
}

double RandomSignsP(const Shares& shares, double sum, int64_t trials, std::mt19937_64& random) {
  std::vector<double> moving;  // zeros add nothing, whatever their sign
  for (const std::vector<double>& set : shares) {
    for (double d : set) {
      if (d != 0) moving.push_back(d);
    }
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
  const std::vector<double> set(differences.begin(), differences.end());
  return TestPairedOverSets({&set, 1}, options);
}

PairedTest TestPairedOverSets(std::span<const std::vector<double>> sets,
                              const SignificanceOptions& options) {
  PairedTest out;
  const Shares shares = SharesOf(sets);
  if (shares.empty()) return out;
  std::mt19937_64 random(options.seed);
  for (const std::vector<double>& set : shares) {
    out.mean = std::accumulate(set.begin(), set.end(), out.mean);
  }
  out.p = RandomSignsP(shares, out.mean, options.trials, random);
  std::vector<double> means;
  means.reserve(static_cast<size_t>(options.trials));
  for (int64_t trial = 0; trial < options.trials; ++trial) {
    double drawn = 0;
    for (const std::vector<double>& set : shares) {
      for (size_t i = 0; i < set.size(); ++i) drawn += set[random() % set.size()];
    }
    means.push_back(drawn);
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
