#include "model/chat_template.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/template/machine.h"
#include "model/template/parser.h"
#include "model/tokenizer/scan.h"
#include "text/unicode.h"

namespace weir::model {

struct ChatTemplate::Program {
  TemplateLimits limits;
  std::vector<jinja::NodePtr> body;
};

ChatTemplate::ChatTemplate(std::unique_ptr<Program> program) : program_(std::move(program)) {}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;

absl::StatusOr<ChatTemplate> ChatTemplate::Compile(std::string_view source,
                                                   const TemplateLimits& limits) {
  if (static_cast<int64_t>(source.size()) > limits.source_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "chat template: ", source.size(), " bytes; expected at most ", limits.source_bytes));
  }
  if (!text::IsValidUtf8(source)) return absl::DataLossError("chat template: not UTF-8");
  auto program = std::make_unique<Program>();
  program->limits = limits;
  WEIR_ASSIGN_OR_RETURN(program->body, jinja::Parse(source, limits.depth));
  return ChatTemplate(std::move(program));
}

absl::StatusOr<std::string> ChatTemplate::Render(const std::vector<text::ChatMessage>& messages,
                                                 bool add_generation_prompt, std::string_view bos,
                                                 std::string_view eos) const {
  using jinja::Value;
  const auto valid = [](std::string_view text) {
    std::string storage;
    return Value(std::string(ValidText(text, storage)));
  };
  jinja::List list;
  for (const text::ChatMessage& message : messages) {
    list.emplace_back(jinja::Dict{{Value("role"), valid(message.role)},
                                  {Value("content"), valid(message.content)}});
  }
  jinja::Machine machine(program_->limits, {{"messages", Value(std::move(list))},
                                            {"add_generation_prompt", Value(add_generation_prompt)},
                                            {"bos_token", valid(bos)},
                                            {"eos_token", valid(eos)},
                                            {"tools", Value(jinja::None{})},
                                            {"documents", Value(jinja::None{})}});
  return machine.Run(program_->body);
}

}  // namespace weir::model
