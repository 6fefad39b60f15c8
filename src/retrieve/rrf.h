// Technique: rrf
// Source: Cormack, Clarke and Buettcher, Reciprocal Rank Fusion outperforms Condorcet and
//   individual rank learning methods, SIGIR 2009
// Idea: Fuses ranked lists by rank alone, so the scores need no common scale.
// Formulas: score(p) = sum over lists that hold p of w_list / (60 + rank(p)), rank from 1
// Cost: O(n log n) in the number of candidates
// Differs: lists have weights of sum 1; where they weigh alike they rank as in the paper
// Checked by: FusionTest.ReciprocalRankByHand
// Measured by: weir eval --fusion rrf
#pragma once

#include "base/registry.h"
#include "retrieve/stage.h"

namespace weir::retrieve {

inline constexpr double kReciprocalRankConstant = 60;  // section 3 of the paper

class RrfStage : public RetrievalStage {
 public:
  absl::Status Run(Query& query, const Resources& resources, const Context& context) const override;
};

}  // namespace weir::retrieve
