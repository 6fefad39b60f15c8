// The generation loop: sample, constrain, stream, stop.
#pragma once

#include "absl/status/statusor.h"
#include "base/context.h"
#include "generate/constrain/constraint.h"
#include "generate/sample/sampler.h"
#include "generate/session.h"
#include "generate/speculate/speculation.h"
#include "model/tokenizer.h"
#include "text/ports.h"

namespace weir::generate {

// Continues `prompt` on the session. `constraint` may be null. `speculation` has begun with the
// prompt; the tokens and what the session holds afterwards are the same with it on or off. Checks
// cancellation between tokens and between prefill chunks; a cancelled completion is a result
// (finish "cancelled"), not an error.
absl::StatusOr<text::Completion> RunCompletion(std::span<const int32_t> prompt,
                                               const text::CompletionRequest& request,
                                               const SampleOptions& sampling,
                                               Constraint* constraint,
                                               const model::Tokenizer& tokenizer, Session& session,
                                               Speculation& speculation, const Context& context);

}  // namespace weir::generate
