// Technique: convex
// Source: Bruch, Gai and Ingber, An Analysis of Fusion Functions for Hybrid Retrieval, ACM TOIS
//   42(1), 2023
// Idea: Sums the scores of all kinds of search after bringing each to mean 0 and deviation 1 over
//   the candidates. A candidate that only some indexes returned gets its exact score from the
//   others.
// Formulas: score = sum over kinds of w_kind * z(score of the kind), z(s) = (s - mean) / deviation
// Cost: a stored vector, an explanation or the codes of the tokens per candidate and kind that
//   lacks a score
// Differs: any number of kinds, which weigh alike unless told; missing scores are computed, not
//   taken as zero; z-scores instead of min-max, chosen on cisi, cranfield, bioasq, pubmedqa and
//   csfcube (bm25 and dense, mean nDCG@10 .6211 against .6170)
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
