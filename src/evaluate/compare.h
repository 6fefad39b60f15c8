// Runs against one another: the values of each query that `weir eval --write-runs` left, tested for
// significance (`weir eval compare`).
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "evaluate/lines.h"
#include "evaluate/significance.h"

namespace weir::evaluate {

// query -> metric -> value
using QueryValues = std::map<std::string, std::map<std::string, double>>;

// A heading "query<TAB>metric..." and a line of finite numbers a query. kDataLoss for anything
// else; a query that comes twice is kDataLoss.
absl::StatusOr<QueryValues> ReadQueryValues(LineReader& lines);

struct Comparison {
  std::string run;   // the file that is compared with the first one
  std::string metric;
  int64_t queries = 0, better = 0, worse = 0;
  double base = 0, mean = 0;  // of the first run and of this one
  PairedTest test;            // of this one minus the first
  double holm_p = 1;          // over the runs, for this metric
};

// One list of values a set, each in the same order of queries; means are over sets of the means
// over queries. `run` and `metric` are left to the caller.
Comparison CompareOverSets(const std::vector<std::vector<double>>& base,
                           const std::vector<std::vector<double>>& run,
                           const SignificanceOptions& options);

// Fills holm_p over all rows.
void CorrectByHolm(std::span<Comparison> rows);

// Each of the other files against the first. kInvalidArgument when the files do not hold the same
// queries, or no file holds a metric.
absl::StatusOr<std::vector<Comparison>> CompareRuns(const std::vector<std::string>& files,
                                                    const std::vector<std::string>& metrics,
                                                    const SignificanceOptions& options);

// {version, base, trials, seed, rows: [{run, metric, queries, better, worse, base, mean,
// difference, low, high, p, holm_p}]}
std::string ComparisonsToJson(const std::string& base, const std::vector<Comparison>& rows,
                              const SignificanceOptions& options);

}  // namespace weir::evaluate
