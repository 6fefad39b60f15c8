// Technique: convex
// Source: Bruch, Gai and Ingber, An Analysis of Fusion Functions for Hybrid Retrieval, ACM TOIS 42(1), 2023
// Idea: Sums the lexical and the dense score after bringing both to [0, 1] over the candidates. A
//   candidate that only one index returned gets its exact score from the other one.
// Formulas: score = alpha * norm(dense) + (1 - alpha) * norm(bm25), norm(s) = (s - min) / (max - min)
// Cost: one stored vector and one explanation per candidate that lacks a score
// Differs: missing scores are computed, not taken as zero
// Checked by: FusionTest.ConvexByHand, FusionTest.ConvexFillsMissingScores
// Measured by: weir eval --fusion convex
#pragma once

#include "base/registry.h"
#include "retrieve/stage.h"

namespace weir::retrieve {

class ConvexStage : public RetrievalStage {
 public:
  absl::Status Run(Query& query, const Resources& resources, const Context& context) const override;
};

}  // namespace weir::retrieve
