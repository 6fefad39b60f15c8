// Technique: bm25
// Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, FnTIR
//   3(4), 2009
// Idea: Fetches the passages that score highest by BM25. The index walks block-max postings and
//   skips blocks that cannot reach the current top k.
// Formulas: score = sum_t idf(t) * f / (f + k1 * (1 - b + b * dl / avgdl)), as src/index/lexical
//   computes it
// Cost: bounded by the postings of the query's terms; O(fetch) memory
// Differs: the factor (k1 + 1) is left out, as Lucene does; it does not change the order
// Checked by: PipelineTest.LexicalEqualsStore
// Measured by: weir bench search
#pragma once

#include "base/registry.h"
#include "retrieve/stage.h"

namespace weir::retrieve {

class Bm25Stage : public RetrievalStage {
 public:
  absl::Status Run(Query& query, const Resources& resources, const Context& context) const override;
  absl::StatusOr<std::vector<double>> Score(std::span<const int64_t> passages, Query& query,
                                            const Resources& resources,
                                            const Context& context) const override;
};

}  // namespace weir::retrieve
