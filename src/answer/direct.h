// Technique: direct
// Source: Lewis et al., Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks, NeurIPS 2020
// Idea: One retrieval, one prompt, one draft. Each sentence of the draft gets spans that Weir finds and stays
//   only if the verifier confirms it; the best evidence is quoted beside it.
// Formulas: keep(s) = verified(s, cite(s)); refuse when answerable < risk and nothing of the draft is kept
// Cost: prefill of the packed passages plus the draft; two encoder batches
// Differs: the model's own source numbers are never read; refusal is decided from evidence and draft together
// Checked by: DirectTest.DropsWhatIsNotSupported, DirectTest.RefusesWhenModelAndEvidenceAgree
// Measured by: weir eval answers
#pragma once

#include "answer/ask.h"

namespace weir::answer {

class DirectPlanner : public Planner {
 public:
  bool needs_model() const override { return true; }
  absl::StatusOr<text::Answer> Work(std::string_view question, const AnswerPorts& ports,
                                    const AnswerOptions& options, const Context& context) const override;
};

}  // namespace weir::answer
