// Technique: convex
// Source: Bruch, Gai and Ingber, An Analysis of Fusion Functions for Hybrid Retrieval, ACM TOIS
//   42(1), 2023
// Idea: Sums the lexical and the dense score after bringing both to mean 0 and deviation 1 over the
//   candidates. A candidate that only one index returned gets its exact score from the other one.
// Formulas: score = alpha * z(dense) + (1 - alpha) * z(bm25), z(s) = (s - mean) / deviation
// Cost: one stored vector and one explanation per candidate that lacks a score
// Differs: missing scores are computed, not taken as zero; z-scores instead of min-max, chosen with
//   alpha on cisi, cranfield, bioasq, pubmedqa and csfcube (mean nDCG@10 .6211 against .6170)
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
