// Technique: sparse
// Source: Formal, Piwowarski and Clinchant, SPLADE: Sparse Lexical and Expansion Model for First
//   Stage Ranking, SIGIR 2021; Bruch, Nardini, Rulli and Venturini, Efficient Inverted Indexes for
//   Approximate Retrieval over Learned Sparse Representations (Seismic), SIGIR 2024
// Idea: Fetches the passages whose weighted terms fit the query's best; the encoder gives both
//   terms that their texts do not hold. Exact, or approximate: the heaviest postings of the
//   heaviest query terms propose, the forward index decides. Queries need no model where they are
//   the bag of their word pieces, weighted by rarity (Geng et al., Towards Competitive Search
//   Relevance for Inference-Free Learned Sparse Retrievers, 2024, arXiv 2411.04403).
// Formulas: score = sum_t w(query, t) * w(passage, t), w in 8 bits, w_t = max over tokens of
//   log(1 + relu(logit_t)); by words w(query, t) = ln(1 + (N - df_t + 0.5) / (df_t + 0.5)), df_t
//   passages of N with t in their vector, or 1
// Cost: exact: the postings of the query's rare terms, and windows of 64 passages of its frequent
//   ones where their largest impacts can matter; approximate: the heavy postings of the terms that
//   make up 60% of the query's weight, and max(50, 5 k) rows
// Differs: exact search adds sums for windows of 64 instead of walking blocks of documents. The
//   approximate one adds the kept postings instead of testing summaries of clustered blocks;
//   Seismic's own layout was not built, so the two were not compared within Weir. Rarity is counted
//   in the store's vectors, not in the texts of a training set, and no encoder was trained for such
//   queries.
// Checked by: PipelineTest.SparseEqualsStore, PipelineTest.SparseQueriesByWords,
//   SparseTest.ExactEqualsExhaustive
// Measured by: weir bench search; weir eval --pipelines lexical,sparse
#pragma once

#include <string>
#include <vector>

#include "base/registry.h"
#include "retrieve/stage.h"

namespace weir::retrieve {

// A term that a query shares with a passage, and its part of the score.
struct SharedTerm {
  std::string name;
  float query = 0, passage = 0;  // weights, as the search multiplies them
  float score = 0;
};
// Largest part first. They sum to the score of the sparse search.
absl::StatusOr<std::vector<SharedTerm>> ExplainSparse(Query& query, int64_t passage,
                                                      const Resources& resources,
                                                      const Context& context);

class SparseStage : public RetrievalStage {
 public:
  absl::Status Run(Query& query, const Resources& resources, const Context& context) const override;
  absl::StatusOr<std::vector<double>> Score(std::span<const int64_t> passages, Query& query,
                                            const Resources& resources,
                                            const Context& context) const override;
};

}  // namespace weir::retrieve
