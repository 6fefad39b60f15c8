// Word boundaries of UAX #29 as far as search needs them: only spans that hold a letter or a digit
// are reported (so no trailing Hebrew quote), each ideograph and Hiragana letter is a word, scripts
// without spaces (Thai, Khmer) run together, and ':' never joins letters. Words longer than
// kMaxWordCodePoints are cut.
#pragma once

#include <string_view>

#include "text/records.h"

namespace weir::text {

inline constexpr int kMaxWordCodePoints = 255;

// Finds the next word at or after `at`; moves `at` past it. False at the end. `ascii` tells whether
// the word is pure ASCII. REQUIRES: valid UTF-8, `at` on a code point boundary.
bool NextWord(std::string_view utf8, size_t& at, Span& word, bool& ascii);

}  // namespace weir::text
