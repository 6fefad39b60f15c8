// The generation loop of one completion alone; streams/streams.h runs several together.
#pragma once

#include "absl/status/statusor.h"
#include "base/context.h"
#include "generate/completion_writer.h"
#include "generate/session.h"
#include "generate/speculate/speculation.h"
#include "text/ports.h"

namespace weir::generate {

// Continues `prompt`, which `writer` was made for, on the session. `speculation` has begun with the
// prompt; the tokens and what the session holds afterwards are the same with it on or off. Checks
// cancellation between tokens and between prefill chunks; a cancelled completion is a result
// (finish "cancelled"), not an error.
absl::StatusOr<text::Completion> RunCompletion(std::span<const int32_t> prompt,
                                               CompletionWriter& writer, Session& session,
                                               Speculation& speculation, const Context& context);

}  // namespace weir::generate
