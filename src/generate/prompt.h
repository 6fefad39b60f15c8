// Chat messages to token ids through the model's own template.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/chat_template.h"
#include "model/gguf.h"
#include "model/tokenizer.h"
#include "text/ports.h"

namespace weir::generate {

// Immutable, thread-safe; borrows the tokenizer.
class PromptWriter {
 public:
  // A file without a template has contents joined by blank lines.
  PromptWriter(const model::GgufFile& file, const model::Tokenizer* tokenizer);

  // Documents are hostile: text in a message that spells a control token (<|im_end|>) becomes
  // ordinary tokens. Errors: kDataLoss (the template is malformed or breaks a limit),
  // kInvalidArgument (it refuses the conversation).
  absl::StatusOr<std::vector<int32_t>> Tokens(const std::vector<text::ChatMessage>& messages) const;

  // The tokens before and after text::kPassageSlot, which the last message holds once. Both ends
  // are encoded by themselves, so the head is the same whatever follows it. kInvalidArgument
  // without the slot.
  struct Frame {
    std::vector<int32_t> head, tail;
  };
  absl::StatusOr<Frame> Around(std::vector<text::ChatMessage> messages) const;

 private:
  absl::StatusOr<std::string> Render(const std::vector<text::ChatMessage>& messages) const;
  std::vector<int32_t> EncodeTemplate(std::string_view rendered) const;
  bool SpellsControl(std::string_view content) const;
  absl::StatusOr<std::vector<int32_t>> TokensGuarded(std::vector<text::ChatMessage> messages) const;
  // Marks where the contents begin and end, and renders.
  absl::StatusOr<std::string> RenderMarked(std::vector<text::ChatMessage> messages) const;
  // Appends the tokens of marked text: what is outside of the marks is the template's.
  void EncodeMarked(std::string_view rendered, std::vector<int32_t>& ids) const;

  absl::Status OfTheFile(const absl::Status& status) const;

  std::string file_;  // named by errors
  const model::Tokenizer* tokenizer_;
  absl::Status compiled_;
  std::optional<model::ChatTemplate> template_;
};

}  // namespace weir::generate
