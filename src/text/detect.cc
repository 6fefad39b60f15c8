#include "text/detect.h"

#include <cld2/public/compact_lang_det.h>
#include <cld2/public/encodings.h>
#include <unicode/uchar.h>

#include <algorithm>
#include <array>
#include <map>

#include "text/language.h"
#include "text/unicode.h"

namespace weir::text {
namespace {

constexpr size_t kMostBytes = 4096;
constexpr size_t kEnglishBytes = 1024;  // that the short cut for English looks at
constexpr int kLeastPercent = 60;       // of the text, in the language it is said to be in

bool HasLetters(std::string_view utf8, int wanted) {
  for (size_t at = 0; at < utf8.size() && wanted > 0;) {
    const char32_t c = NextCodePoint(utf8, at);
    const bool letter = c < 128 ? (c | 32) >= 'a' && (c | 32) <= 'z' : u_isalpha(c) != 0;
    wanted -= letter;
  }
  return wanted <= 0;
}

// Words that no other language in Latin letters has often, beside some that it may.
bool IsEnglishMark(std::string_view w) {
  switch (w.size()) {
    case 2:
      return w == "of" || w == "to" || w == "is" || w == "by" || w == "it" || w == "as";
    case 3:
      return w == "the" || w == "and" || w == "for" || w == "are" || w == "was" || w == "not";
    case 4:
      return w == "that" || w == "with" || w == "this" || w == "from" || w == "were";
    case 5:
      return w == "which" || w == "these" || w == "their";
    default:
      return false;
  }
}

// A short cut that costs a hundredth of the detector: ASCII in which one word of six is an English
// function word, in at least 12 words. True only for English.
bool IsPlainlyEnglish(std::string_view utf8) {
  constexpr int kLeastWords = 12, kShare = 6;
  const std::string_view head = utf8.substr(0, kEnglishBytes);
  int words = 0, marks = 0, foreign = 0, the = 0;
  size_t start = 0;
  for (size_t at = 0; at <= head.size(); ++at) {
    const uint8_t c = at < head.size() ? static_cast<uint8_t>(head[at]) : ' ';
    foreign += c >= 0x80;
    if ((c | 32) >= 'a' && (c | 32) <= 'z') continue;
    if (at > start) {
      const std::string_view word = head.substr(start, at - start);
      ++words;
      marks += IsEnglishMark(word);
      the += word == "the" || word == "of" || word == "and" || word == "that" || word == "with";
    }
    start = at + 1;
  }
  return words >= kLeastWords && marks * kShare >= words && the >= 2 &&
         foreign * 32 <= static_cast<int>(head.size());
}

}  // namespace

std::string_view DetectLanguage(std::string_view utf8) {
  const std::string_view text = CutUtf8(utf8, kMostBytes);
  if (!HasLetters(text, kLeastLetters)) return "";
  if (IsPlainlyEnglish(text)) return "english";
  const CLD2::CLDHints hints = {nullptr, nullptr, CLD2::UNKNOWN_ENCODING, CLD2::UNKNOWN_LANGUAGE};
  std::array<CLD2::Language, 3> languages;
  std::array<int, 3> percent;
  std::array<double, 3> scores;
  int bytes = 0;
  int valid = 0;
  bool reliable = false;
  CLD2::ExtDetectLanguageSummaryCheckUTF8(
      text.data(), static_cast<int>(text.size()), /*is_plain_text=*/true, &hints, /*flags=*/0,
      languages.data(), percent.data(), scores.data(), /*resultchunkvector=*/nullptr, &bytes,
      &reliable, &valid);
  if (valid < static_cast<int>(text.size())) return "";  // it would read past bad bytes
  if (!reliable || percent[0] < kLeastPercent) return "";
  const std::string_view code = CLD2::LanguageCode(languages[0]);
  if (code == "un") return "";
  const Language* const found = FindLanguage(code);
  return found == nullptr ? "plain" : found->name;
}

std::vector<std::string_view> DetectLanguages(std::span<const std::string_view> passages,
                                              std::string_view otherwise) {
  std::vector<std::string_view> out;
  std::map<std::string_view, size_t> bytes;  // by language, in a fixed order
  for (std::string_view passage : passages) {
    out.push_back(DetectLanguage(passage));
    if (!out.back().empty()) bytes[out.back()] += passage.size();
  }
  const auto most =
      std::max_element(bytes.begin(), bytes.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most != bytes.end()) otherwise = most->first;
  for (std::string_view& language : out) {
    if (language.empty()) language = otherwise;
  }
  return out;
}

}  // namespace weir::text
