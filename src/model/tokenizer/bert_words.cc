#include "model/tokenizer/bert_words.h"

#include <cstdint>

#include "model/tokenizer/normal_forms.h"
#include "model/tokenizer/unicode_tables.h"
#include "text/unicode.h"

namespace weir::model {
namespace {

bool IsAscii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<uint8_t>(c) >= 0x80) return false;
  }
  return true;
}

bool Cleaned(char32_t c) {
  if (c == 0 || c == 0xFFFD) return true;
  if (c == '\t' || c == '\n' || c == '\r') return false;
  switch (CategoryOf(c, UnicodeVersion::kV8)) {
    case Category::kControl:
    case Category::kFormat:
    case Category::kPrivate:
    case Category::kSurrogate:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string BertNormalize(std::string_view text, const BertOptions& options) {
  std::string clean;
  clean.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const char32_t c = text::NextCodePoint(text, at);
    if (options.clean_text && Cleaned(c)) continue;
    if (options.clean_text && IsWhiteSpace(c)) {
      clean.push_back(' ');
    } else if (options.separate_han && IsBertHan(c)) {
      clean.push_back(' ');
      text::AppendUtf8(c, clean);
      clean.push_back(' ');
    } else {
      text::AppendUtf8(c, clean);
    }
  }
  if (!options.strip_accents && !options.lower_case) return clean;
  if (options.strip_accents && !IsAscii(clean)) clean = Normalize(NormalForm::kNfd, clean);
  std::string out;
  out.reserve(clean.size());
  for (size_t at = 0; at < clean.size();) {
    const char32_t c = text::NextCodePoint(clean, at);
    if (options.strip_accents && CategoryOf(c, UnicodeVersion::kV8) == Category::kNonspacingMark) {
      continue;
    }
    if (options.lower_case) {
      AppendLower(c, out);
    } else {
      text::AppendUtf8(c, out);
    }
  }
  return out;
}

bool IsBertPunctuation(char32_t c) {
  if (c < 0x80) {
    return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
           (c >= 0x7B && c <= 0x7E);
  }
  return CategoryOf(c, UnicodeVersion::kV8) == Category::kPunctuation;
}

std::vector<std::string> GgufBertWords(std::string_view text, const BertOptions& options) {
  constexpr UnicodeVersion kVersion = UnicodeVersion::kV15_1;
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (size_t at = 0; at < text.size();) {
    char32_t c = text::NextCodePoint(text, at);
    if (options.strip_accents) c = FirstOfNfd(c);
    if (IsWhiteSpace(c)) {
      finish();
      continue;
    }
    const Category category = CategoryOf(c, kVersion);
    const bool control = category == Category::kControl || category == Category::kFormat ||
                         category == Category::kPrivate || category == Category::kSurrogate;
    if (c == 0 || c == 0xFFFD || control) continue;
    const bool mark = category == Category::kMark || category == Category::kNonspacingMark;
    if (options.strip_accents && mark) continue;
    // llama.cpp tests for symbols below 0x7F, so '~' (a symbol, 0x7E) counts and U+007F is a
    // control.
    const bool alone = category == Category::kPunctuation ||
                       (c < 0x7F && category == Category::kSymbol) || IsBertHan(c);
    if (alone) finish();
    text::AppendUtf8(options.lower_case ? ToLower(c, kVersion) : c, word);
    if (alone) finish();
  }
  finish();
  return words;
}

}  // namespace weir::model
