// Technique: likelihood
// Source: Sachan et al., Improving Passage Retrieval with Zero-Shot Question Generation (UPR),
//   EMNLP 2022; Ponte and Croft, A Language Modeling Approach to Information Retrieval, SIGIR 1998
// Idea: A passage answers the question if the language model, having read the passage, finds the
//   question likely.
// Formulas: score = sum over tokens t of the question of log p(q_t | instruction, passage, q_<t);
//   score = w z(likelihood) + (1 - w) z(before), z over the first `rerank-depth` candidates
// Cost: a prefill of depth * (passage + question) tokens; the instruction before the passages is
//   computed once
// Differs: the sum is not divided by the question's length, which is the same for all passages;
//   the old score keeps a share; instruction models are asked through their chat template
// Checked by: RerankTest.LikelihoodAsksForTheQuestion
// Measured by: weir eval passages --rerank likelihood
#pragma once

#include "base/registry.h"
#include "retrieve/stage.h"

namespace weir::retrieve {

class LikelihoodStage : public RetrievalStage {
 public:
  // kFailedPrecondition without a language model.
  absl::Status Run(Query& query, const Resources& resources, const Context& context) const override;
};

}  // namespace weir::retrieve
