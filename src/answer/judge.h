// A model's opinion on whether the best evidence answers the question: the log odds of "Yes"
// against "No" as the next word. Cheap beside a draft (one short prompt, no generated token) and
// comparable across questions. Asked once the draft has ranked the evidence, so that the right
// windows are few.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "answer/ask.h"
#include "answer/evidence.h"
#include "text/ports.h"

namespace weir::answer {

// ln P("Yes") - ln P("No") of the model after reading the best windows of `set` and the question.
absl::StatusOr<double> Judge(std::string_view question, const EvidenceSet& set,
                             AnswerOptions options, text::Completer& completer,
                             const Context& context);

// The probability that `set` holds an answer: by the judge where `completer` is there and
// calibrated, else from the encoder and the words alone.
absl::StatusOr<double> Answerable(std::string_view question, const EvidenceSet& set,
                                  const AnswerOptions& options, text::Completer* completer,
                                  const Context& context);

}  // namespace weir::answer
