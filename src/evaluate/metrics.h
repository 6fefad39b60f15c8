// Ranking metrics over judgements and a run, equal to trec_eval's (checked on 1,000 random runs
// against pytrec_eval to 1e-6; see tests/data/metrics).
//
// A query's documents are ordered by score (as a float, which is what trec_eval keeps) descending,
// then by document name descending, whatever order the run lists them in. With gain(d) = max(0,
// judgement of d), 0 for a document without judgement, rank i from 1, and R = number of documents
// with judgement > 0:
//   ndcg@k   = sum_{i<=k} gain_i / log2(i + 1), divided by the same sum over the ideal order
//   recall@k = |relevant in the first k| / R         p@k = |relevant in the first k| / k
//   map      = sum over relevant documents at rank i of p@i, divided by R (the whole run counts)
//   mrr@k    = 1 / rank of the first relevant document, 0 if it is not among the first k
// Each is 0 when nothing relevant is judged (R = 0).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::evaluate {

// query -> document -> judgement; > 0 is relevant, and linear gain
using Qrels = std::map<std::string, std::map<std::string, int>>;

struct Ranked {
  std::string document;
  double score = 0;
};
// query -> documents in any order, each once
using RankedRun = std::map<std::string, std::vector<Ranked>>;

enum class Measure { kNdcg, kRecall, kMap, kMrr, kPrecision };

struct MetricSpec {
  Measure measure = Measure::kNdcg;
  int64_t cutoff = 10;  // ignored by map
  std::string Name() const;  // "ndcg@10", "map", ...
};

// "ndcg@10", "recall@100", "map", "mrr@10", "p@10". kInvalidArgument for anything else.
absl::StatusOr<MetricSpec> ParseMetric(std::string_view name);
// The five of the Eval record, in its order.
const std::vector<MetricSpec>& StandardMetrics();

// Which queries the average is over.
enum class Averaging {
  // judged queries that the run names, as pytrec_eval and BEIR; one with no documents counts 0
  kRetrieved,
  kJudged,     // every judged query, 0 for those the run does not name: trec_eval -c
};

struct Evaluation {
  std::map<std::string, double> mean;                              // by metric name
  std::map<std::string, std::map<std::string, double>> per_query;  // query -> metric name -> value
  int64_t queries = 0;                                             // that the mean is over
};

// Queries of the run without judgements are ignored. O(n log n) per query.
Evaluation Evaluate(const Qrels& qrels, const RankedRun& run,
                    const std::vector<MetricSpec>& metrics,
                    Averaging averaging = Averaging::kRetrieved);

}  // namespace weir::evaluate
