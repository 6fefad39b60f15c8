#include "model/tokenizer/scan.h"

#include <array>

#include "text/unicode.h"

namespace weir::model {
namespace {

Scan::Class ClassOf(char32_t c, UnicodeVersion version) {
  if (IsWhiteSpace(c)) return Scan::kSpace;
  switch (CategoryOf(c, version)) {
    case Category::kLetter:
      return Scan::kLetter;
    case Category::kNumber:
      return Scan::kNumber;
    default:
      return Scan::kOther;
  }
}

const std::array<uint8_t, 128>& AsciiClasses() {
  static const auto& table = *new std::array<uint8_t, 128>([] {
    std::array<uint8_t, 128> t;
    for (char32_t c = 0; c < 128; ++c) t[c] = ClassOf(c, UnicodeVersion::kV15_1);
    return t;
  }());
  return table;
}

}  // namespace

Scan::Scan(std::string_view text, UnicodeVersion version) : text_(text), version_(version) {
  code_points_.reserve(text.size());
  offsets_.reserve(text.size() + 1);
  classes_.reserve(text.size());
  const std::array<uint8_t, 128>& ascii = AsciiClasses();
  size_t at = 0;
  while (at < text.size()) {
    offsets_.push_back(static_cast<uint32_t>(at));
    const char32_t c = text::NextCodePoint(text, at);
    code_points_.push_back(c);
    classes_.push_back(c < 128 ? ascii[c] : static_cast<uint8_t>(ClassOf(c, version)));
  }
  offsets_.push_back(static_cast<uint32_t>(text.size()));
}

std::string_view ValidText(std::string_view text, std::string& storage) {
  if (text::IsValidUtf8(text)) return text;
  storage.clear();
  storage.reserve(text.size() + text.size() / 2);
  for (size_t at = 0; at < text.size();) {
    const uint8_t lead = static_cast<uint8_t>(text[at]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    const std::string_view sequence = text.substr(at, length);
    if (lead < 0x80 || (lead >= 0xC0 && sequence.size() == length && text::IsValidUtf8(sequence))) {
      storage.append(sequence);
      at += length;
    } else {
      storage.append("\xEF\xBF\xBD");
      ++at;
    }
  }
  return storage;
}

}  // namespace weir::model
