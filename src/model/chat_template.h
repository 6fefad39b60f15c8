// The chat template inside a model file, run by a small Jinja interpreter of our own. The template
// is hostile: no attribute access beyond plain values, bounded steps, depth and output.
// Errors: kDataLoss (syntax, an operation without meaning), kUnimplemented (unknown construct),
// kResourceExhausted (a limit), kInvalidArgument (the template refuses the conversation). Page:
// docs/chat-templates.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "text/ports.h"

namespace weir::model {

struct TemplateLimits {
  int64_t steps = 1'000'000;
  int64_t output_bytes = 16 << 20;
  int depth = 64;
  int64_t source_bytes = 1 << 20;
};

class ChatTemplate {
 public:
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  static absl::StatusOr<ChatTemplate> Compile(std::string_view source,
                                              const TemplateLimits& limits = {});
  absl::StatusOr<std::string> Render(const std::vector<text::ChatMessage>& messages,
                                     bool add_generation_prompt, std::string_view bos,
                                     std::string_view eos) const;

 private:
  struct Program;
  explicit ChatTemplate(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

}  // namespace weir::model
