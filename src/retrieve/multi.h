// Technique: multi
// Source: Khattab and Zaharia, ColBERT: Efficient and Effective Passage Search via Contextualized
//   Late Interaction over BERT, SIGIR 2020; Dhulipala, Hadian, Jayaram, Lee and Mirrokni, MUVERA:
//   Multi-Vector Retrieval via Fixed Dimensional Encodings, NeurIPS 2024, arXiv 2405.19504
// Idea: Each query token is matched with the passage's token that is most like it. One encoding of
//   a passage's tokens proposes candidates, their tokens decide.
// Formulas: score = sum over query tokens of max over passage tokens of q . p, both of unit length
// Cost: one scan of all encodings in 4 bits, then query tokens times tokens of the candidates
// Differs: token vectors are those of an ordinary sentence encoder, compressed (see
//   index/multi/token_quantiser.h); candidates come from a scan instead of a graph; the query's
//   vectors are not clustered before the scoring.
// Checked by: PipelineTest.MultiEqualsStore, MultiTest.ExactEqualsExhaustive
// Measured by: weir bench search --multi; weir eval --pipelines lexical,dense,multi
#pragma once

#include "base/registry.h"
#include "retrieve/stage.h"

namespace weir::retrieve {

class MultiStage : public RetrievalStage {
 public:
  absl::Status Run(Query& query, const Resources& resources, const Context& context) const override;
  absl::StatusOr<std::vector<double>> Score(std::span<const int64_t> passages, Query& query,
                                            const Resources& resources,
                                            const Context& context) const override;
};

}  // namespace weir::retrieve
