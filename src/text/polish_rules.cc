#include "text/polish_rules.h"

#include <array>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace weir::text {
namespace {

constexpr size_t kLongestEnding = 7;  // letters
constexpr size_t kShortestLemma = 3;  // letters

bool BeginsLetter(char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }

size_t Letters(std::string_view word) {
  size_t letters = 0;
  for (char c : word) letters += BeginsLetter(c);
  return letters;
}

}  // namespace

PolishRules::PolishRules(std::string_view text) {
  for (std::string_view rule : absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    const size_t first = rule.find(':'), second = rule.find(':', first + 1);
    size_t strip = 0;
    if (!absl::SimpleAtoi(rule.substr(first + 1, second - first - 1), &strip)) continue;
    rules_[rule.substr(0, first)] = {strip, rule.substr(second + 1)};
  }
}

const PolishRules& PolishRules::Get() {
  static const auto* const kRules = new PolishRules(kPolishRules);
  return *kRules;
}

std::string PolishRules::Lemma(std::string_view word) const {
  // Where the last letters begin: starts[n] of an ending of n letters.
  std::array<size_t, kLongestEnding + 1> starts{};
  size_t known = 0;
  starts[0] = word.size();
  for (size_t at = word.size(); at > 1 && known < kLongestEnding;) {
    if (BeginsLetter(word[--at])) starts[++known] = at;
  }
  for (size_t n = known + 1; n-- > 0;) {
    const auto rule = rules_.find(word.substr(starts[n]));
    if (rule == rules_.end() || rule->second.strip >= word.size()) continue;
    std::string lemma =
        absl::StrCat(word.substr(0, word.size() - rule->second.strip), rule->second.added);
    return Letters(lemma) >= kShortestLemma ? lemma : std::string(word);
  }
  return std::string(word);
}

}  // namespace weir::text
