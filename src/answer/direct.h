// Technique: direct
// Source: Lewis et al., Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks, NeurIPS
//   2020
// Idea: One retrieval, one prompt, one draft. Each sentence of the draft gets spans that Weir finds
//   and stays only if the verifier confirms it; the best evidence is quoted beside it.
// Formulas: keep(s) = verified(s, cite(s)); refuse when logistic(a + b logit(answerable) + c judge)
//   < risk
// Cost: prefill of the packed windows, one scored word, the draft; three encoder batches
// Differs: the model's own source numbers are never read; refusal is decided before the draft, from
//   the evidence and the model's log odds of "Yes" (judge.h)
// Checked by: PlannersTest.DropsWhatIsNotSupported, PlannersTest.PacksTheBestPassageFirst
// Measured by: weir eval answers
#pragma once

#include "answer/ask.h"

namespace weir::answer {

class DirectPlanner : public Planner {
 public:
  bool needs_model() const override { return true; }
  absl::StatusOr<text::Answer> Work(std::string_view question, const AnswerPorts& ports,
                                    const AnswerOptions& options,
                                    const Context& context) const override;
};

}  // namespace weir::answer
