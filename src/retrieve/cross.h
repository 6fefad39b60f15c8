// Technique: cross
// Source: Nogueira and Cho, Passage Re-ranking with BERT, 2019, arXiv 1901.04085
// Idea: Reads the question and each of the first candidates together with a small BERT, whose
//   attention sees both, and puts what answers the question first. The model is minilm-l6 with an
//   adapter (LoRA) that is part of the program.
// Formulas: score = w z(cross) + (1 - w) z(before), z over the first `rerank-depth` candidates
// Cost: one run of the encoder over depth * (question + passage) tokens
// Differs: the old score keeps a share, because a model of this size misjudges rare names; the
//   adapter was trained with a listwise loss on few questions (models/README.md)
// Checked by: RerankTest.CrossPutsTheAnswerFirst, CrossEncoderTest
// Measured by: weir eval passages; weir eval --rerank cross
#pragma once

#include "base/registry.h"
#include "retrieve/stage.h"

namespace weir::retrieve {

class CrossStage : public RetrievalStage {
 public:
  // kFailedPrecondition without a scorer.
  absl::Status Run(Query& query, const Resources& resources, const Context& context) const override;
};

}  // namespace weir::retrieve
