#include "answer/verify/claims.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "text/analysis.h"

namespace weir::answer {
namespace {

bool IsWordByte(unsigned char c) { return std::isalnum(c) != 0 || c >= 0x80; }

// A run of letters, digits and the joiners that stand between them ("COVID-19", "p.m", "1,200.5").
struct Word {
  std::string text;
  bool starts_sentence = false;
};

std::vector<Word> Words(std::string_view text) {
  std::vector<Word> words;
  bool sentence_start = true;
  size_t i = 0;
  while (i < text.size()) {
    // ".05" is a number that starts with its point.
    const bool point = text[i] == '.' && i + 1 < text.size() && std::isdigit(text[i + 1]);
    if (!IsWordByte(text[i]) && !point) {
      if (text[i] == '.' || text[i] == '!' || text[i] == '?' || text[i] == ':')
        sentence_start = true;
      ++i;
      continue;
    }
    size_t end = i + (point ? 1 : 0);
    while (end < text.size()) {
      const bool joiner =
          (text[end] == '-' || text[end] == '.' || text[end] == ',' || text[end] == '\'') &&
          end + 1 < text.size() && IsWordByte(text[end + 1]);
      const bool list_comma = joiner && text[end] == ',' &&
                              !(std::isdigit(text[end - 1]) && std::isdigit(text[end + 1]));
      if (list_comma || !(IsWordByte(text[end]) || joiner)) break;
      ++end;
    }
    if (end == i) ++end;
    words.push_back({std::string(text.substr(i, end - i)), sentence_start});
    sentence_start = false;
    i = end;
  }
  return words;
}

const std::map<std::string, std::string, std::less<>>& NumberWords() {
  static const auto& map = *new std::map<std::string, std::string, std::less<>>{
      {"two", "2"},         {"three", "3"},        {"four", "4"},     {"five", "5"},
      {"six", "6"},         {"seven", "7"},        {"eight", "8"},    {"nine", "9"},
      {"ten", "10"},        {"eleven", "11"},      {"twelve", "12"},  {"thirteen", "13"},
      {"fourteen", "14"},   {"fifteen", "15"},     {"sixteen", "16"}, {"twenty", "20"},
      {"thirty", "30"},     {"forty", "40"},       {"fifty", "50"},   {"sixty", "60"},
      {"seventy", "70"},    {"eighty", "80"},      {"ninety", "90"},  {"hundred", "100"},
      {"thousand", "1000"}, {"million", "1000000"}};
  return map;
}

// "1,200.50" -> "1200.5"; "" when the word is not a plain number.
std::string CanonicalNumber(std::string_view word) {
  std::string digits;
  int dots = 0;
  for (char c : word) {
    if (c == ',') continue;
    if (c == '.') ++dots;
    else if (!std::isdigit(static_cast<unsigned char>(c))) return "";
    digits.push_back(c);
  }
  if (dots > 1 || digits.empty()) return "";
  if (digits[0] == '.') digits.insert(0, "0");
  if (dots == 1) {
    while (digits.back() == '0') digits.pop_back();
    if (digits.back() == '.') digits.pop_back();
  }
  size_t zeros = 0;
  while (zeros + 1 < digits.size() && digits[zeros] == '0' && digits[zeros + 1] != '.') ++zeros;
  return digits.substr(zeros);
}

// Splits "60mg", "95%", "1-3", "p<.05" into digit runs, so that units and ranges do not hide a
// number.
void AddNumbers(std::string_view word, std::set<std::string>& numbers) {
  size_t i = 0;
  while (i < word.size()) {
    const bool point = word[i] == '.' && i == 0 && word.size() > 1 &&
                       std::isdigit(static_cast<unsigned char>(word[1]));
    if (!point && !std::isdigit(static_cast<unsigned char>(word[i]))) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < word.size() && (std::isdigit(static_cast<unsigned char>(word[end])) ||
                                 ((word[end] == '.' || word[end] == ',') && end + 1 < word.size() &&
                                  std::isdigit(static_cast<unsigned char>(word[end + 1]))))) {
      ++end;
    }
    if (std::string n = CanonicalNumber(word.substr(i, end - i)); !n.empty()) numbers.insert(n);
    i = end;
  }
  auto it = NumberWords().find(absl::AsciiStrToLower(word));
  if (it != NumberWords().end()) numbers.insert(it->second);
}

bool HasUpperInside(std::string_view word) {
  for (size_t i = 1; i < word.size(); ++i) {
    if (absl::ascii_isupper(word[i])) return true;
  }
  return false;
}

bool IsName(const Word& word) {
  const std::string& w = word.text;
  if (w.size() < 2 || !absl::ascii_isalpha(w[0]))
    return HasUpperInside(w) && !absl::ascii_isdigit(w[0]);
  if (HasUpperInside(w)) return true;  // acronyms, MiniLM
  if (!absl::ascii_isupper(w[0]) || word.starts_sentence) return false;
  return !text::IsStopWord(absl::AsciiStrToLower(w));
}

// "Smith's" -> "smith"; plural acronyms "LMWHs" -> "lmwh".
std::string FoldName(std::string_view name) {
  std::string folded(name);
  if (folded.size() > 2 && folded.ends_with("'s")) folded.resize(folded.size() - 2);
  if (folded.size() > 2 && folded.back() == 's' && absl::ascii_isupper(folded[folded.size() - 2])) {
    folded.pop_back();
  }
  return absl::AsciiStrToLower(folded);
}

constexpr std::array<std::string_view, 14> kNegations = {
    "not",  "no",     "never",  "none",    "neither", "nor",    "without", "cannot",
    "lack", "lacked", "lacks",  "failed",  "absent",  "unable"};

bool IsNegation(std::string_view lower) {
  for (std::string_view n : kNegations) {
    if (lower == n) return true;
  }
  return lower.ends_with("n't");
}

// English pronouns, auxiliaries, prepositions, conjunctions and adverbs of no content that the
// analyser's short list of stop words leaves in.
constexpr std::string_view kFunctionWords[] = {
    "about",   "above",  "according", "after",   "again",    "against", "all",    "also",
    "although", "am",    "among",     "any",     "because",  "been",    "before", "being",
    "below",   "between", "both",     "can",     "could",    "did",     "do",     "does",
    "doing",   "down",   "due",       "during",  "each",     "either",  "few",    "from",
    "further", "had",    "has",       "have",    "having",   "he",      "her",    "here",
    "him",     "his",    "how",       "however", "i",        "its",     "itself", "like",
    "may",     "me",     "might",     "more",    "most",     "must",    "my",     "nor",
    "off",     "once",   "only",      "other",   "our",      "out",     "over",   "own",
    "same",    "shall",  "she",       "should",  "since",    "so",      "some",   "such",
    "than",    "them",   "themselves", "those",  "through",  "thus",    "too",    "under",
    "until",   "up",     "upon",      "us",      "very",     "we",      "were",   "what",
    "when",    "where",  "whether",   "which",   "while",    "who",     "whom",   "whose",
    "why",     "within", "would",     "you",     "your"};

static_assert(std::is_sorted(std::begin(kFunctionWords), std::end(kFunctionWords)));

bool IsFunctionWord(std::string_view lower) {
  return std::binary_search(std::begin(kFunctionWords), std::end(kFunctionWords), lower);
}

void AddStems(std::string_view text, Claims& claims) {
  auto analyzer = text::Analyzer::Make("english");
  if (!analyzer.ok()) return;
  std::vector<text::Token> tokens;
  (*analyzer)->Analyze(text, tokens);
  int64_t end = 0;  // of the token before
  for (text::Token& token : tokens) {
    const std::string_view before = text.substr(end, token.span.start - end);
    if (claims.clauses.empty() || before.find_first_of(",;:()[]") != std::string_view::npos) {
      claims.clauses.emplace_back();
    }
    end = token.span.end;
    const std::string_view surface = text.substr(token.span.start, token.span.size());
    if (!IsFunctionWord(absl::AsciiStrToLower(surface))) {
      claims.clauses.back().push_back(token.term);
    }
    claims.stems.insert(std::move(token.term));
  }
}

}  // namespace

Claims ReadClaims(std::string_view text, bool is_quote) {
  Claims claims;
  for (const Word& word : Words(text)) {
    AddNumbers(word.text, claims.numbers);
    const std::string lower = absl::AsciiStrToLower(word.text);
    if (IsNegation(lower)) ++claims.negations;
    if (!is_quote && !IsName(word)) continue;
    claims.names.insert(FoldName(word.text));
    if (!is_quote) continue;
    // A quote offers the parts of a compound too: "VTE-related" supports "VTE".
    for (std::string_view part : absl::StrSplit(word.text, absl::ByAnyChar("-./'"))) {
      if (part.size() > 1) claims.names.insert(FoldName(part));
    }
  }
  AddStems(text, claims);
  return claims;
}

}  // namespace weir::answer
