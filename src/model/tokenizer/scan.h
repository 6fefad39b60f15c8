// A text as code points with the classes that split patterns ask for. Made once for a text, then
// walked by index; every scan is linear.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/unicode_tables.h"

namespace weir::model {

// Half-open range of code points (of a Scan) or of bytes, as the function says.
struct Range {
  uint32_t begin = 0, end = 0;
};

class Scan {
 public:
  enum Class : uint8_t { kOther = 0, kLetter = 1, kNumber = 2, kSpace = 3, kOutside = 4 };

  // `text` is valid UTF-8 of less than 2^31 bytes and outlives the object.
  Scan(std::string_view text, UnicodeVersion version);

  uint32_t size() const { return static_cast<uint32_t>(classes_.size()); }
  char32_t at(uint32_t i) const { return code_points_[i]; }
  Class class_at(uint32_t i) const { return static_cast<Class>(classes_[i]); }
  // kOutside at and past `end`.
  Class class_at(uint32_t i, uint32_t end) const { return i < end ? class_at(i) : kOutside; }
  bool newline_at(uint32_t i) const { return code_points_[i] == '\n' || code_points_[i] == '\r'; }
  Category category_at(uint32_t i) const { return CategoryOf(code_points_[i], version_); }
  UnicodeVersion version() const { return version_; }
  // Byte offset of code point i; offset(size()) is the length of the text.
  uint32_t offset(uint32_t i) const { return offsets_[i]; }
  std::string_view Text(Range r) const {
    return text_.substr(offsets_[r.begin], offsets_[r.end] - offsets_[r.begin]);
  }

 private:
  std::string_view text_;
  UnicodeVersion version_;
  std::vector<char32_t> code_points_;
  std::vector<uint32_t> offsets_;
  std::vector<uint8_t> classes_;
};

// Text that is not UTF-8 gets U+FFFD for each byte that begins no well-formed sequence; NUL stays.
// Returns `text` itself when it is valid, else a view into `storage`.
std::string_view ValidText(std::string_view text, std::string& storage);

}  // namespace weir::model
