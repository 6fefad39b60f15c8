// The Unicode properties that decide where tokenizers split. Token ids must not change with the ICU
// of the machine, and each reference froze another version, so the tables are our own and every
// question names its version. Immutable after the first call; thread-safe.
#pragma once

#include <cstdint>

namespace weir::model {

// kV8: the punctuation, control and mark sets of Hugging Face's BERT code; kV15_1: llama.cpp;
// kV16: the regular expressions of Hugging Face tokenizers; kV17: its Rust standard library.
enum class UnicodeVersion : uint8_t { kV8 = 0, kV15_1 = 1, kV16 = 2, kV17 = 3 };

enum class Category : uint8_t {
  kUnassigned = 0,
  kLetter = 1,
  kMark = 2,  // Mc, Me
  kNumber = 3,
  kPunctuation = 4,
  kSymbol = 5,
  kSeparator = 6,
  kNonspacingMark = 7,  // Mn
  kControl = 8,         // Cc
  kFormat = 9,          // Cf
  kPrivate = 10,        // Co
  kSurrogate = 11,      // Cs
};

// General category group as of `version`; code points assigned later are kUnassigned.
Category CategoryOf(char32_t c, UnicodeVersion version);

// White_Space, which has been the same set since Unicode 6.3.
bool IsWhiteSpace(char32_t c);

// Simple lower-case mapping (U+0130 becomes 'i' alone).
char32_t ToLower(char32_t c, UnicodeVersion version);

// The blocks that BERT treats as one word a character. Its range of Extension E starts late
// (0x2B920) in the references, so it does here.
bool IsBertHan(char32_t c);

// Written by tests/peers/make_unicode_tables.py. A row is start << 8 | age << 4 | category.
struct LowerRun {
  uint32_t start;
  uint16_t count, stride;
  int32_t delta;
};
extern const uint32_t kCategoryRows[];
extern const int kCategoryRowsCount;
extern const LowerRun kLowerRuns[];
extern const int kLowerRunsCount;

}  // namespace weir::model
