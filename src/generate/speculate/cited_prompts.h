// Prompts of `weir ask`, kept for measurements: what the model reads for a question over the
// passages that were found for it. One JSON object a line, as `weir ask --show-prompt` prints it:
// {"question": .., "messages": [{"role": .., "content": ..}, ..], "quotable": [..]}.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "text/ports.h"

namespace weir::generate {

struct CitedPrompt {
  std::string question;
  std::vector<text::ChatMessage> messages;
  std::vector<std::string> quotable;
};

// Without a newline. Fields that are no UTF-8 come out with U+FFFD.
std::string CitedPromptLine(const CitedPrompt& prompt);

// Empty lines are left out. `name` is for messages. Errors: kDataLoss with name and line (not such
// an object, no message), kResourceExhausted above 10,000 prompts.
absl::StatusOr<std::vector<CitedPrompt>> ParseCitedPrompts(std::string_view name,
                                                           std::string_view lines);

}  // namespace weir::generate
