// Unicode normal forms (ICU) and lower case for tokenizers.
#pragma once

#include <string>
#include <string_view>

namespace weir::model {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// `text` is valid UTF-8.
std::string Normalize(NormalForm form, std::string_view text);

// The code point that is canonically a followed by b; 0 when there is none.
char32_t Composed(char32_t a, char32_t b);

// First code point of the canonical decomposition of c.
char32_t FirstOfNfd(char32_t c);

// \w of regular expressions: Alphabetic, M, Nd, Pc, Join_Control.
bool IsWordCharacter(char32_t c);

// Full lower case of one code point without context: U+0130 gives "i̇", a final sigma is as any
// other.
void AppendLower(char32_t c, std::string& out);

}  // namespace weir::model
