// Technique: mmr
// Source: Carbonell and Goldstein, The Use of MMR, Diversity-Based Reranking for Reordering
//   Documents and Producing Summaries, SIGIR 1998
// Idea: Picks passages one after the other, each for its score and against what is already picked,
//   so that the first ones do not all say the same.
// Formulas: next = argmax over the rest of  l * relevance(p) - (1 - l) * max over picked q of
//   cos(p, q), with relevance the score scaled to [0, 1] over the candidates
// Cost: the vectors of the candidates; O(picked * candidates * dimensions)
// Differs: nothing; a passage without a vector is like none
// Checked by: RerankTest.MmrByHand
// Measured by: weir eval passages --mmr; weir eval --mmr
#pragma once

#include "base/registry.h"
#include "retrieve/stage.h"

namespace weir::retrieve {

class MmrStage : public RetrievalStage {
 public:
  // Orders the first max(top-k, rerank-depth) candidates; drops those below. The score becomes that
  // of the formula when the passage was picked, which never rises.
  absl::Status Run(Query& query, const Resources& resources, const Context& context) const override;
};

}  // namespace weir::retrieve
