#include "generate/prompt.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"

namespace weir::generate {
namespace {

// Private-use characters that mark where a message begins and ends in the rendered text.
constexpr std::string_view kOpen = "\xEE\x80\x91", kClose = "\xEE\x80\x92";  // U+E011, U+E012

std::string_view TemplateOf(const model::GgufFile& file) {
  const auto source = file.String("tokenizer.chat_template");
  return source.ok() ? *source : std::string_view();
}

}  // namespace

PromptWriter::PromptWriter(const model::GgufFile& file, const model::Tokenizer* tokenizer)
    : file_(file.path()), tokenizer_(tokenizer) {
  const std::string_view source = TemplateOf(file);
  if (source.empty()) return;
  absl::StatusOr<model::ChatTemplate> compiled = model::ChatTemplate::Compile(source);
  compiled_ = OfTheFile(compiled.status());
  if (compiled.ok()) template_.emplace(*std::move(compiled));
}

// A template that breaks a limit is a fault of the file, not a want of memory.
absl::Status PromptWriter::OfTheFile(const absl::Status& status) const {
  const auto code =
      absl::IsResourceExhausted(status) ? absl::StatusCode::kDataLoss : status.code();
  return absl::Status(code, absl::StrCat(file_, ": ", status.message()));
}

absl::StatusOr<std::string> PromptWriter::Render(
    const std::vector<text::ChatMessage>& messages) const {
  WEIR_RETURN_IF_ERROR(compiled_);
  if (!template_.has_value()) {
    std::string joined;
    for (const text::ChatMessage& m : messages)
      absl::StrAppend(&joined, joined.empty() ? "" : "\n\n", m.content);
    return joined;
  }
  const auto special = [this](int32_t id) {
    return id < 0 ? std::string() : tokenizer_->Piece(id, true);
  };
  auto rendered = template_->Render(messages, /*add_generation_prompt=*/true,
                                    special(tokenizer_->bos()), special(tokenizer_->eos()));
  if (!rendered.ok()) return OfTheFile(rendered.status());
  return rendered;
}

// The model's own BOS rule applies unless the template wrote the token already.
std::vector<int32_t> PromptWriter::EncodeTemplate(std::string_view rendered) const {
  std::vector<int32_t> ids =
      tokenizer_->Encode(rendered, {.add_special = true, .parse_special = true});
  if (!ids.empty() && ids.back() == tokenizer_->eos()) {
    const std::vector<int32_t> plain = tokenizer_->Encode(rendered, {.parse_special = true});
    if (plain.empty() || plain.back() != tokenizer_->eos())
      ids.pop_back();  // an added EOS would end it
  }
  if (ids.size() > 1 && ids[0] == tokenizer_->bos() && ids[1] == ids[0]) ids.erase(ids.begin());
  return ids;
}

bool PromptWriter::SpellsControl(std::string_view content) const {
  return tokenizer_->Encode(content, {.parse_special = true}) != tokenizer_->Encode(content, {});
}

absl::StatusOr<std::vector<int32_t>> PromptWriter::Tokens(
    const std::vector<text::ChatMessage>& messages) const {
  for (const text::ChatMessage& m : messages) {
    if (SpellsControl(m.content) || SpellsControl(m.role)) return TokensGuarded(messages);
  }
  WEIR_ASSIGN_OR_RETURN(const std::string rendered, Render(messages));
  return EncodeTemplate(rendered);
}

// Messages are marked, rendered, cut out again and encoded as plain text. Only hostile or very odd
// input comes here, so that ordinary prompts keep the exact tokens of the whole rendered text.
absl::StatusOr<std::vector<int32_t>> PromptWriter::TokensGuarded(
    std::vector<text::ChatMessage> messages) const {
  WEIR_ASSIGN_OR_RETURN(const std::string rendered, RenderMarked(std::move(messages)));
  std::vector<int32_t> ids;
  EncodeMarked(rendered, ids);
  return ids;
}

absl::StatusOr<std::string> PromptWriter::RenderMarked(
    std::vector<text::ChatMessage> messages) const {
  for (text::ChatMessage& m : messages) {
    for (std::string* part : {&m.content, &m.role}) {
      *part = absl::StrReplaceAll(*part, {{kOpen, "?"}, {kClose, "?"}});
    }
    m.content = absl::StrCat(kOpen, m.content, kClose);
    if (SpellsControl(m.role))
      return absl::InvalidArgumentError("chat: a role that spells a control token");
  }
  return Render(messages);
}

void PromptWriter::EncodeMarked(std::string_view rendered, std::vector<int32_t>& ids) const {
  const auto append = [&](const std::vector<int32_t>& more) {
    ids.insert(ids.end(), more.begin(), more.end());
  };
  std::string_view rest = rendered;
  while (!rest.empty()) {
    const size_t open = rest.find(kOpen);
    const std::string_view outside = rest.substr(0, open);
    append(ids.empty() ? EncodeTemplate(outside)
                       : tokenizer_->Encode(outside, {.parse_special = true}));
    if (open == std::string_view::npos) break;
    rest.remove_prefix(open + kOpen.size());
    const size_t close = rest.find(kClose);
    append(tokenizer_->Encode(rest.substr(0, close), {}));
    rest.remove_prefix(close == std::string_view::npos ? rest.size() : close + kClose.size());
  }
}

absl::StatusOr<PromptWriter::Frame> PromptWriter::Around(
    std::vector<text::ChatMessage> messages) const {
  const std::string_view slot = text::kPassageSlot;
  if (messages.empty() || messages.back().content.find(slot) == std::string::npos) {
    return absl::InvalidArgumentError("chat: the last message has no place for passages");
  }
  // Another message that spells the slot, or the last one a second time, is text like any other.
  for (text::ChatMessage& m : messages) {
    const size_t keep = &m == &messages.back() ? m.content.find(slot) + slot.size() : 0;
    m.content = absl::StrCat(m.content.substr(0, keep),
                             absl::StrReplaceAll(m.content.substr(keep), {{slot, "?"}}));
    m.role = absl::StrReplaceAll(m.role, {{slot, "?"}});
  }
  WEIR_ASSIGN_OR_RETURN(const std::string rendered, RenderMarked(std::move(messages)));
  const size_t at = rendered.find(slot);
  if (at == std::string::npos || rendered.find(slot, at + 1) != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(file_, ": the chat template does not give the last message back once"));
  }
  Frame frame;
  EncodeMarked(absl::StrCat(std::string_view(rendered).substr(0, at), kClose), frame.head);
  // Behind the head, so that no BOS is written again.
  std::vector<int32_t> tail = frame.head;
  EncodeMarked(absl::StrCat(kOpen, std::string_view(rendered).substr(at + slot.size())), tail);
  frame.tail.assign(tail.begin() + static_cast<std::ptrdiff_t>(frame.head.size()), tail.end());
  return frame;
}

}  // namespace weir::generate
