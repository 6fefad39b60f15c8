#include "answer/question.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "text/analysis.h"

namespace weir::answer {
namespace {

struct Cue {
  std::string_view words;
  AnswerType type;
};

// The first cue found anywhere in the question decides; longer ones stand first.
constexpr Cue kCues[] = {
    {"how many", AnswerType::kNumber},     {"how much", AnswerType::kNumber},
    {"how long", AnswerType::kNumber},     {"how old", AnswerType::kNumber},
    {"how often", AnswerType::kNumber},    {"how large", AnswerType::kNumber},
    {"how big", AnswerType::kNumber},      {"how far", AnswerType::kNumber},
    {"how high", AnswerType::kNumber},     {"how tall", AnswerType::kNumber},
    {"how fast", AnswerType::kNumber},     {"how heavy", AnswerType::kNumber},
    {"what percentage", AnswerType::kNumber}, {"what proportion", AnswerType::kNumber},
    {"what share", AnswerType::kNumber},   {"what fraction", AnswerType::kNumber},
    {"what number", AnswerType::kNumber},  {"what rate", AnswerType::kNumber},
    {"what age", AnswerType::kNumber},     {"sample size", AnswerType::kNumber},
    {"in which year", AnswerType::kDate},  {"what year", AnswerType::kDate},
    {"which year", AnswerType::kDate},     {"what date", AnswerType::kDate},
    {"when ", AnswerType::kDate},          {"who ", AnswerType::kPerson},
    {"whom ", AnswerType::kPerson},        {"whose ", AnswerType::kPerson},
    {"why ", AnswerType::kReason},         {"what is meant by", AnswerType::kDefinition},
    {"definition of", AnswerType::kDefinition}};

constexpr std::string_view kQuestionWords[] = {
    "what", "which", "who",  "whom", "whose", "when", "where", "why",  "how",  "many",
    "much", "does",  "did",  "do",   "has",   "have", "had",   "was",  "were", "been",
    "can",  "could", "would", "should", "paper", "study", "author", "authors", "document",
    "according", "tell", "me", "give", "about", "i", "you", "we", "they", "he", "she"};

bool HasDigit(std::string_view s) {
  return std::any_of(s.begin(), s.end(), [](char c) { return absl::ascii_isdigit(c); });
}

bool HasNumberWord(std::string_view lower) {
  static constexpr std::string_view kWords[] = {
      " two ",  " three ", " four ",  " five ",    " six ",     " seven ",  " eight ",
      " nine ", " ten ",   " twelve ", " hundred ", " thousand ", " million ", " half ",
      " one ",  " once ",  " twice ", " third ",   " quarter ", " eleven ", " twenty "};
  const std::string padded = absl::StrCat(" ", lower, " ");
  for (std::string_view w : kWords) {
    if (absl::StrContains(padded, w)) return true;
  }
  return false;
}

bool HasYearOrDate(std::string_view s) {
  int run = 0;
  for (size_t i = 0; i <= s.size(); ++i) {
    if (i < s.size() && absl::ascii_isdigit(s[i])) {
      ++run;
      continue;
    }
    if (run == 4 && (s[i - 4] == '1' || s[i - 4] == '2')) return true;
    run = 0;
  }
  static constexpr std::string_view kMonths[] = {"January", "February", "March",     "April",
                                                 "May ",    "June",     "July",      "August",
                                                 "September", "October", "November", "December",
                                                 "century"};
  for (std::string_view m : kMonths) {
    if (absl::StrContains(s, m)) return true;
  }
  return false;
}

int CapitalisedInside(std::string_view s) {
  int count = 0;
  bool first = true;
  for (std::string_view w : absl::StrSplit(s, ' ', absl::SkipEmpty())) {
    if (!first && absl::ascii_isupper(w[0])) ++count;
    first = false;
  }
  return count;
}

}  // namespace

std::vector<std::string> ContentStems(std::string_view text) {
  std::vector<std::string> stems;
  auto analyzer = text::Analyzer::Make("english");
  if (!analyzer.ok()) return stems;
  std::vector<text::Token> tokens;
  (*analyzer)->Analyze(text, tokens);
  for (text::Token& token : tokens) stems.push_back(std::move(token.term));
  return stems;
}

Question ReadQuestion(std::string_view text) {
  Question q;
  q.text = std::string(text);
  const std::string lower = absl::StrCat(absl::AsciiStrToLower(text), " ");
  for (const Cue& cue : kCues) {
    if (absl::StrContains(lower, cue.words)) {
      q.type = cue.type;
      break;
    }
  }
  std::string content;
  bool first = true;
  for (std::string_view word : absl::StrSplit(text, absl::ByAnyChar(" \t\n"), absl::SkipEmpty())) {
    std::string_view bare = word;
    while (!bare.empty() && absl::ascii_ispunct(bare.back())) bare.remove_suffix(1);
    while (!bare.empty() && absl::ascii_ispunct(bare.front())) bare.remove_prefix(1);
    if (bare.empty()) continue;
    const std::string folded = absl::AsciiStrToLower(bare);
    const bool asks = std::find(std::begin(kQuestionWords), std::end(kQuestionWords), folded) !=
                      std::end(kQuestionWords);
    if (!asks) absl::StrAppend(&content, bare, " ");
    const bool upper_inside = std::any_of(bare.begin() + 1, bare.end(),
                                          [](char c) { return absl::ascii_isupper(c); });
    if (!asks && ((!first && absl::ascii_isupper(bare[0])) || upper_inside || HasDigit(bare))) {
      q.names.emplace_back(bare);
    }
    first = false;
  }
  q.stems = ContentStems(content);
  return q;
}

bool HoldsType(AnswerType type, std::string_view sentence) {
  switch (type) {
    case AnswerType::kNumber:
      return HasDigit(sentence) || HasNumberWord(absl::AsciiStrToLower(sentence));
    case AnswerType::kDate:
      return HasYearOrDate(sentence);
    case AnswerType::kPerson:
      return CapitalisedInside(sentence) >= 1;
    case AnswerType::kReason: {
      const std::string lower = absl::AsciiStrToLower(sentence);
      for (std::string_view cue :
           {"because", "due to", "since ", "therefore", "in order to", "owing", "as a result",
            "so that", "reason", " to avoid", " to ensure"}) {
        if (absl::StrContains(lower, cue)) return true;
      }
      return false;
    }
    case AnswerType::kDefinition: {
      const std::string lower = absl::AsciiStrToLower(sentence);
      return absl::StrContains(lower, " is ") || absl::StrContains(lower, " are ") ||
             absl::StrContains(lower, "defined") || absl::StrContains(lower, "refers to");
    }
    case AnswerType::kAny:
      return true;
  }
  return true;
}

std::set<std::string> ContentStemSet(std::string_view text) {
  std::vector<std::string> stems = ContentStems(text);
  return {stems.begin(), stems.end()};
}

}  // namespace weir::answer
