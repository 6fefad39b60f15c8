// UTF-8 at the boundary: validation, repair and walking. Inside Weir all text is valid UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::text {

bool IsValidUtf8(std::string_view bytes);
// Replaces each malformed sequence by U+FFFD; NUL becomes U+FFFD too.
std::string RepairUtf8(std::string_view bytes);
// Code point at `at` (valid UTF-8), moving `at` past it. REQUIRES: at < text.size().
char32_t NextCodePoint(std::string_view text, size_t& at);
// Whether a reader sees a character begin at `at`: no code point that joins the one before it (an
// accent of its own, a vowel sign, a variation selector) stands there. True at the end. REQUIRES:
// valid UTF-8, a code point boundary.
bool BeginsCharacter(std::string_view text, size_t at);
// At most `max_bytes` from the start, cut between code points.
std::string_view CutUtf8(std::string_view text, size_t max_bytes);
void AppendUtf8(char32_t code_point, std::string& out);

}  // namespace weir::text
