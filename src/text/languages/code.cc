// Source code and texts about it. An identifier is kept whole (lower case) and split where case
// changes, at underscores and between letters and digits, all at one position; parts and single
// words lose English stop words and are stemmed (Porter). Words that code joins (a call and its
// name, a type and its variable: only punctuation or operators between them) are a term together,
// which is what tells code from a text with the same words. Operators of two characters or more
// are terms. All of this was chosen on cosqa-dev, mbpp and java-to-csharp
// (docs/retrieval-quality.md).
#include <unicode/uchar.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "text/case_folder.h"
#include "text/language.h"
#include "text/stemmer.h"
#include "text/stop_words.h"
#include "text/unicode.h"

namespace weir::text::languages {
namespace {

constexpr float kPartWeight = 0.6f, kOperatorWeight = 0.5f;  // of a query's terms
constexpr size_t kLongestJoint = 4;                          // bytes between two joined words
constexpr size_t kLongestOperator = 3;                       // longer ones are rulers
constexpr size_t kLongestIdentifier = 512;                   // bytes; the rest is another word

enum class Letter { kOther, kLower, kUpper, kDigit, kUnderscore };

Letter LetterOf(char32_t c) {
  if (c < 128) {
    if (c >= 'a' && c <= 'z') return Letter::kLower;
    if (c >= 'A' && c <= 'Z') return Letter::kUpper;
    if (c >= '0' && c <= '9') return Letter::kDigit;
    return c == '_' ? Letter::kUnderscore : Letter::kOther;
  }
  const UChar32 u = static_cast<UChar32>(c);
  if (u_isdigit(u)) return Letter::kDigit;
  if (u_isupper(u)) return Letter::kUpper;
  const bool mark = (U_GET_GC_MASK(u) & U_GC_M_MASK) != 0;
  return u_isalpha(u) || mark ? Letter::kLower : Letter::kOther;
}

bool IsOperator(char c) {
  return std::string_view("-+*/%<>=!&|^~?:").find(c) != std::string_view::npos;
}

// The parts of an identifier: "_fooBarHTTP2" is foo, Bar, HTTP, 2.
std::vector<std::string_view> PartsOf(std::string_view word) {
  struct Piece {
    Letter letter;
    size_t start;
  };
  std::vector<Piece> pieces;  // a code point each
  for (size_t at = 0; at < word.size();) {
    const size_t start = at;
    pieces.push_back({LetterOf(NextCodePoint(word, at)), start});
  }
  pieces.push_back({Letter::kUnderscore, word.size()});
  std::vector<std::string_view> parts;
  size_t begin = 0;  // of the part, in pieces
  for (size_t i = 0; i + 1 < pieces.size(); ++i) {
    const Letter here = pieces[i].letter, next = pieces[i + 1].letter;
    if (here == Letter::kUnderscore) {
      begin = i + 1;
      continue;
    }
    const bool hump = here == Letter::kLower && next == Letter::kUpper;
    // HTTPServer: the last capital belongs to the word that follows
    const bool acronym = here == Letter::kUpper && next == Letter::kUpper &&
                         i + 2 < pieces.size() && pieces[i + 2].letter == Letter::kLower;
    const bool number = (here == Letter::kDigit) != (next == Letter::kDigit);
    if (!hump && !acronym && !number && next != Letter::kUnderscore) continue;
    parts.push_back(word.substr(pieces[begin].start, pieces[i + 1].start - pieces[begin].start));
    begin = i + 1;
  }
  return parts;
}

// Whether what stands between two words is how code joins them: not white space alone, nor a
// sentence's punctuation before white space.
bool Joins(std::string_view gap) {
  if (gap.empty() || gap.size() > kLongestJoint) return false;
  if (gap.find_first_of(" \t\r\n") == gap.npos) return true;
  return gap.find_first_not_of(" \t\r\n.,;:!?'\"-") != gap.npos;
}

class CodeAnalyzer final : public Analyzer {
 public:
  CodeAnalyzer(const Language& language, CaseFolder folder, Stemmer stemmer, StopWords stop_words)
      : language_(language),
        folder_(folder),
        stemmer_(std::move(stemmer)),
        stop_words_(std::move(stop_words)) {}

  std::string_view name() const override { return language_.name; }

  void Analyze(std::string_view utf8, std::vector<Token>& out) override {
    out.clear();
    position_ = 0;
    before_.clear();
    size_t before_end = 0;
    for (size_t at = 0; at < utf8.size();) {
      const size_t start = at;
      const Letter letter = LetterOf(NextCodePoint(utf8, at));
      if (letter == Letter::kOther) {
        if (IsOperator(utf8[start])) at = AddOperator(utf8, start, out);
        continue;
      }
      at = EndOfWord(utf8, at, letter);
      const std::string_view gap = utf8.substr(before_end, start - before_end);
      AddWord(utf8, {static_cast<int64_t>(start), static_cast<int64_t>(at)}, Joins(gap), out);
      before_end = at;
    }
  }

 private:
  // Letters, digits and underscores; a point between digits belongs to a number.
  static size_t EndOfWord(std::string_view utf8, size_t at, Letter last) {
    const size_t limit = at + kLongestIdentifier;
    while (at < utf8.size() && at < limit) {
      size_t next = at;
      const Letter letter = LetterOf(NextCodePoint(utf8, next));
      if (letter != Letter::kOther) {
        last = letter;
        at = next;
        continue;
      }
      const bool point = utf8[at] == '.' && last == Letter::kDigit && at + 1 < utf8.size() &&
                         utf8[at + 1] >= '0' && utf8[at + 1] <= '9';
      if (!point) break;
      ++at;
    }
    return at;
  }

  size_t AddOperator(std::string_view utf8, size_t start, std::vector<Token>& out) {
    size_t end = start;
    while (end < utf8.size() && IsOperator(utf8[end])) ++end;
    if (end - start < 2 || end - start > kLongestOperator) return end;
    out.push_back({std::string(utf8.substr(start, end - start)),
                   {static_cast<int64_t>(start), static_cast<int64_t>(end)},
                   position_++,
                   kOperatorWeight});
    return end;
  }

  void AddWord(std::string_view utf8, Span span, bool joined, std::vector<Token>& out) {
    const std::string_view word = utf8.substr(span.start, span.size());
    const std::vector<std::string_view> parts = PartsOf(word);
    if (parts.empty()) return;  // underscores
    folder_.Fold(word, false, whole_);
    while (whole_.starts_with('_')) whole_.erase(0, 1);
    while (whole_.ends_with('_')) whole_.pop_back();
    const size_t first = out.size();
    const auto add = [&](std::string_view term, float weight) {
      const bool known = std::any_of(out.begin() + static_cast<long>(first), out.end(),
                                     [&](const Token& t) { return t.term == term; });
      if (!known) out.push_back({std::string(term), span, position_, weight});
    };
    if (parts.size() > 1) add(whole_, 1);
    for (std::string_view part : parts) {
      folder_.Fold(part, false, part_);
      if (part_.empty() || part_ == "." || stop_words_.Contains(part_)) continue;
      stemmer_.Stem(part_);
      add(part_, parts.size() > 1 ? kPartWeight : 1);
    }
    if (joined && !before_.empty()) add(absl::StrCat(before_, " ", whole_), 1);
    before_ = whole_;
    if (out.size() > first || parts.size() == 1) ++position_;
  }

  const Language& language_;
  const CaseFolder folder_;
  Stemmer stemmer_;
  const StopWords stop_words_;
  int32_t position_ = 0;
  std::string before_;  // the word before, whole
  std::string whole_, part_;
};

absl::StatusOr<std::unique_ptr<Analyzer>> Make(const Language& language, std::string_view variant) {
  if (!variant.empty()) return absl::InvalidArgumentError("language: code has no variants");
  WEIR_ASSIGN_OR_RETURN(CaseFolder folder, CaseFolder::Make());
  const Language* const english = FindLanguage("english");
  WEIR_ASSIGN_OR_RETURN(Stemmer stemmer, Stemmer::Make(english->stemmer));
  return std::make_unique<CodeAnalyzer>(language, folder, std::move(stemmer),
                                        StopWords(english->stop_words, folder));
}

}  // namespace

Language Code() { return {.name = "code", .make = Make}; }

}  // namespace weir::text::languages
