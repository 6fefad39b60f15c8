// Technique: paired-randomisation
// Source: Smucker, Allan, Carterette, A Comparison of Statistical Significance Tests for
//   Information Retrieval Evaluation, CIKM 2007; Efron, Tibshirani, An Introduction to the
//   Bootstrap, 1993 (percentile intervals); Holm, A Simple Sequentially Rejective Multiple Test
//   Procedure, 1979
// Idea: If two systems were the same, each query's difference could as well have had the other
//   sign; the share of random signs that give a mean as far from 0 as the one seen is the p value.
// Formulas: p = (1 + #{trials: |mean of signed differences| >= |mean difference|}) / (1 + trials);
//   interval = quantiles .025 and .975 of the mean over queries drawn with replacement; Holm: the
//   i-th smallest of m p values becomes max over j <= i of (m - j + 1) p_j, at most 1
//   Over several sets, signs are flipped and queries drawn within each set, and the statistic is
//   the mean of the sets' means, so that a set counts the same whatever its number of queries.
// Cost: O(trials * queries)
// Differs: nothing; two-sided
// Checked by: SignificanceTest.ExactByHand, SignificanceTest.SetsByHand,
//   SignificanceTest.HolmByHand
// Measured by: weir eval compare
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/options.h"

namespace weir::evaluate {

struct SignificanceOptions {
  int64_t trials = 10000;
  uint64_t seed = 0;  // the caller's
  template <class V>
  void Visit(V& v) {
    v(trials, {.name = "trials",
               .help = "Random sign flips of the test, and draws of the interval.",
               .min = 100,
               .max = 10'000'000});
  }
};

struct PairedTest {
  double mean = 0;       // of the differences
  double p = 1;          // two-sided
  double low = 0, high = 0;  // 95% interval of the mean
};

// Of one difference a query. Deterministic for a seed.
PairedTest TestPaired(std::span<const double> differences, const SignificanceOptions& options);

// The same for the mean over sets: one list of differences a set. Sets without queries do not
// count.
PairedTest TestPairedOverSets(std::span<const std::vector<double>> sets,
                              const SignificanceOptions& options);

// p values corrected for being several, in the given order.
std::vector<double> Holm(std::span<const double> p);

}  // namespace weir::evaluate
