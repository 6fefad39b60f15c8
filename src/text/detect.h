// Which language a text is in.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace weir::text {

// Texts with fewer letters have no language of their own.
inline constexpr int kLeastLetters = 20;

// The name of the entry of Languages() for the text's language; "plain" for a language that is
// recognised and has none; "" when the text is too short, too mixed or no prose at all. Looks at
// the first 4 KB. Deterministic, thread-safe. REQUIRES: valid UTF-8.
std::string_view DetectLanguage(std::string_view utf8);

// The same for the passages of one document. A passage without a language of its own gets that
// of most of the document's text, else `otherwise`.
std::vector<std::string_view> DetectLanguages(std::span<const std::string_view> passages,
                                              std::string_view otherwise);

}  // namespace weir::text
