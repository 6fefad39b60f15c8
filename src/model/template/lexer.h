// A template's source as tokens: text, and what stands inside {{ }} and {% %}. Whitespace control
// as the chat templates of Hugging Face models expect it (trim_blocks and lstrip_blocks on, as
// Jinja2 does it).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::model::jinja {

enum class Lex : uint8_t {
  kText,
  kOutputBegin,  // {{
  kOutputEnd,
  kBlockBegin,  // {%
  kBlockEnd,
  kName,
  kString,   // text holds the unescaped value
  kInteger,
  kReal,
  kOperator,
  kEnd,
};

struct Token {
  Lex kind;
  std::string text;
  int line;
};

// kDataLoss on syntax errors, with the line. The last token is kEnd.
absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source);

}  // namespace weir::model::jinja
