// Passkey retrieval (Mohtashami and Jaggi, Landmark Attention, 2023): a five-digit number hidden at
// a random place in repeated filler, asked for at the end. What a cache format loses of old tokens
// shows here sooner than in perplexity.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "text/ports.h"

namespace weir::evaluate {

struct PasskeyOptions {
  int64_t prompts = 100;
  int64_t tokens = 4096;  // of a prompt with its answer, at most
};

struct PasskeyResult {
  int64_t prompts = 0, right = 0;
  int64_t least_tokens = 0, most_tokens = 0;  // of the prompts
};

// The key of one prompt and the text around it, of `sentences` filler sentences.
struct PasskeyPrompt {
  std::string key, text;
};
PasskeyPrompt MakePasskeyPrompt(uint64_t seed, int64_t index, int64_t sentences);

// Each prompt is answered greedily under a grammar of five digits; right means all five. The same
// seed (context.seed) gives the same prompts. Errors: kInvalidArgument (no prompts, or too few
// tokens for the question), those of the completer.
absl::StatusOr<PasskeyResult> RunPasskey(text::Completer& completer, const PasskeyOptions& options,
                                         const Context& context);

}  // namespace weir::evaluate
