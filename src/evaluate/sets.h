// Several collections measured in one run: pipelines against the best single one, for each set and
// for the mean over the sets. A set counts the same whatever its number of queries, as in BEIR's
// average.
//
// The baseline is the best of the pipelines that fuse nothing, by the same figures that are tested.
// A fused pipeline that beats it beats all of its inputs, so its p value is on the safe side; that
// of a single pipeline against the best one is not, being chosen after the fact.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "evaluate/retrieval.h"
#include "evaluate/significance.h"

namespace weir::evaluate {

struct SetsOptions {
  std::string metric = "ndcg@10";
  std::string baseline;  // "": the best single pipeline
  SignificanceOptions significance;
  template <class V>
  void Visit(V& v) {
    v(metric, {.name = "metric", .help = "Metric that pipelines are ranked and tested by.",
               .choices = {"ndcg@10", "recall@100", "map", "mrr@10", "p@10"},
               .fingerprint = false});
    v(baseline, {.name = "baseline",
                 .help = "Pipeline that the others are tested against; else the best single one.",
                 .fingerprint = false});
    significance.Visit(v);
  }
};

struct FailedSet {
  std::string folder, reason;
};

struct SetsRecord {
  std::vector<EvalRecord> sets;  // all with the same pipelines; those that were measured
  std::vector<FailedSet> failed;
  std::vector<EvalRun> mean;  // over sets; queries and took_s are sums, per_query is empty
  PipelineTests tests;        // of the mean
  double took_s = 0;
  std::string recommended;          // a pipeline; "" where nobody asked (own.h)
  std::vector<std::string> advice;  // a line each
};

// Whether nothing is fused in it.
bool IsSingle(std::string_view pipeline);

// Fills tests of each set, the mean and its tests. kInvalidArgument when the baseline was not
// measured.
absl::Status CompareSets(const SetsOptions& options, SetsRecord& record);

// Whether a row differs by more than chance: its Holm-corrected p value is below .05.
bool IsSignificant(const Comparison& row);

// Of a pipeline in a table of sets: ".4170" with "+" or "-" behind it when it is significantly
// better or worse than the baseline, "=" for the baseline itself.
std::string MarkOf(const PipelineTests& tests, std::string_view pipeline);

// docs/formats/json.md, Eval sets.
std::string SetsToJson(const SetsRecord& record, const SetsOptions& options,
                       const EvalOrigin& origin);

}  // namespace weir::evaluate
