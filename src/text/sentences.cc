#include "text/sentences.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "text/unicode.h"

// How it decides: every full stop, question or exclamation mark (with the quotes, brackets and
// citation marks that close behind it) is a candidate. A candidate before white space ends the
// sentence unless the word before it is an abbreviation or an initial, or what follows cannot begin
// a sentence. Blank lines, form feeds and the ends of table rows ("a | b") always end one.

namespace weir::text {
namespace {

enum class Abbreviation {
  kNone,
  kInside,  // never last: "Dr.", "Fig.", "e.g."
  kEither,  // last when a word follows that usually begins a sentence: "etc.", "et al.", "U.S."
  kNumber,  // inside before a digit, else a word of its own: "no."
};

// Lower case, without the last full stop.
Abbreviation KindOf(std::string_view word) {
  using A = Abbreviation;
  static const auto* const kTable = new absl::flat_hash_map<std::string_view, A>{
      {"dr", A::kInside},     {"mr", A::kInside},     {"mrs", A::kInside},   {"ms", A::kInside},
      {"prof", A::kInside},   {"st", A::kInside},     {"messrs", A::kInside}, {"gen", A::kInside},
      {"sen", A::kInside},    {"rep", A::kInside},    {"gov", A::kInside},   {"capt", A::kInside},
      {"lt", A::kInside},     {"col", A::kInside},    {"sgt", A::kInside},   {"rev", A::kInside},
      {"hon", A::kInside},    {"mt", A::kInside},     {"vs", A::kInside},    {"v", A::kInside},
      {"e.g", A::kInside},    {"i.e", A::kInside},    {"eg", A::kInside},    {"ie", A::kInside},
      {"cf", A::kInside},     {"viz", A::kInside},    {"ca", A::kInside},    {"approx", A::kInside},
      {"fig", A::kInside},    {"figs", A::kInside},   {"eq", A::kInside},    {"eqs", A::kInside},
      {"eqn", A::kInside},    {"ref", A::kInside},    {"refs", A::kInside},  {"sec", A::kInside},
      {"sect", A::kInside},   {"tab", A::kInside},    {"chap", A::kInside},  {"ch", A::kInside},
      {"vol", A::kInside},    {"vols", A::kInside},   {"pp", A::kInside},    {"ed", A::kInside},
      {"eds", A::kInside},    {"suppl", A::kInside},  {"thm", A::kInside},   {"prop", A::kInside},
      {"lem", A::kInside},    {"def", A::kInside},    {"alg", A::kInside},   {"resp", A::kInside},
      {"jan", A::kInside},    {"feb", A::kInside},    {"apr", A::kInside},   {"aug", A::kInside},
      {"sept", A::kInside},   {"sep", A::kInside},    {"oct", A::kInside},   {"nov", A::kInside},
      {"dec", A::kInside},    {"univ", A::kInside},   {"dept", A::kInside},  {"est", A::kInside},
      {"w.r.t", A::kInside},  {"s.t", A::kInside},    {"i.v", A::kInside},   {"incl", A::kInside},
      {"al", A::kEither},     {"etc", A::kEither},    {"inc", A::kEither},   {"ltd", A::kEither},
      {"corp", A::kEither},   {"co", A::kEither},     {"jr", A::kEither},    {"sr", A::kEither},
      {"a.m", A::kEither},    {"p.m", A::kEither},    {"ph.d", A::kEither},  {"m.d", A::kEither},
      {"b.sc", A::kEither},   {"m.sc", A::kEither},   {"spp", A::kEither},   {"sp", A::kEither},
      {"var", A::kEither},    {"subsp", A::kEither},  {"assoc", A::kEither}, {"bros", A::kEither},
      {"op", A::kInside},     {"cit", A::kEither},    {"ibid", A::kEither},  {"max", A::kNumber},
      {"no", A::kNumber},     {"nos", A::kNumber},    {"p", A::kNumber},     {"art", A::kNumber},
      {"para", A::kNumber},   {"min", A::kNumber},    {"mar", A::kNumber},   {"jun", A::kNumber},
      {"jul", A::kNumber},    {"n", A::kNumber},      {"app", A::kNumber},   {"proc", A::kEither},
      {"trans", A::kEither},  {"conf", A::kEither},   {"symp", A::kEither},  {"comput", A::kEither},
      {"sci", A::kEither},    {"natl", A::kEither},   {"acad", A::kEither},  {"lett", A::kEither},
      {"phys", A::kEither},   {"biol", A::kEither},   {"chem", A::kEither},  {"med", A::kEither},
      {"surg", A::kEither},   {"int", A::kEither},    {"eng", A::kEither},   {"clin", A::kEither},
      {"mol", A::kEither},    {"genet", A::kEither},  {"bull", A::kEither},  {"soc", A::kEither},
  };
  const auto it = kTable->find(word);
  return it == kTable->end() ? A::kNone : it->second;
}

// Words that after "et al." or an initial tell that a new sentence began.
bool Starter(std::string_view word) {
  static const auto* const kSet = new absl::flat_hash_set<std::string_view>{
      "The",     "This",    "These",   "Those",  "That",    "There",    "They",   "Then",
      "Thus",    "Therefore", "A",     "An",     "We",      "Our",      "It",     "Its",
      "In",      "If",      "For",     "From",   "On",      "At",       "As",     "By",
      "To",      "With",    "When",    "While",  "Where",   "Whereas",  "What",   "Which",
      "Who",     "Why",     "How",     "He",     "She",     "His",      "Her",    "I",
      "However", "Moreover", "Furthermore", "Finally", "First", "Second", "Also", "Although",
      "After",   "Before",  "Because", "Both",   "But",     "And",      "Or",     "So",
      "Since",   "Such",    "Some",    "Several", "Most",   "Many",     "More",   "All",
      "Each",    "Another", "Other",   "Not",    "No",      "Now",      "Next",   "One",
      "Two",     "Here",    "Hence",   "You",    "Your",    "Their",    "Under",  "Using",
      "Overall", "Recently", "Similarly", "Consequently", "Interestingly", "Despite", "During",
      "Instead", "Is",      "Are",     "Was",    "Were",    "Do",       "Does",   "Did",
  };
  return kSet->contains(word);
}

bool Space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}
bool Digit(char c) { return c >= '0' && c <= '9'; }
bool Upper(char c) { return c >= 'A' && c <= 'Z'; }
bool Lower(char c) { return c >= 'a' && c <= 'z'; }
bool Alpha(char c) { return Upper(c) || Lower(c); }

class Splitter {
 public:
  explicit Splitter(std::string_view text) : s_(text) {}

  std::vector<Span> Run() {
    while (at_ < s_.size()) {
      const char c = s_[at_];
      if (c == '\n' || c == '\f') {
        if (HardBreak(at_)) Emit(at_);
        ++at_;
      } else if (const size_t n = MarkLength(at_); n > 0) {
        Candidate(n);
      } else {
        ++at_;
      }
    }
    Emit(s_.size());
    return std::move(out_);
  }

 private:
  bool Has(size_t at, std::string_view what) const { return s_.substr(at, what.size()) == what; }

  // Length of a sentence-ending mark at `at`, else 0.
  size_t MarkLength(size_t at) const {
    const char c = s_[at];
    if (c == '.' || c == '!' || c == '?') return 1;
    if (static_cast<uint8_t>(c) < 0x80) return 0;
    for (std::string_view mark : {"\u2026", "\u3002", "\uFF01", "\uFF1F", "\u061F", "\u0964"}) {
      if (Has(at, mark)) return mark.size();
    }
    return 0;
  }

  // A line end that always ends a sentence: a blank line, a form feed, either side of a table row
  // or the start of a list item.
  bool HardBreak(size_t at) const {
    if (s_[at] == '\f') return true;
    size_t next = at + 1;
    while (next < s_.size() && (s_[next] == ' ' || s_[next] == '\t' || s_[next] == '\r')) ++next;
    if (next >= s_.size() || s_[next] == '\n' || s_[next] == '\f') return true;
    if (Has(next, "\u2022") || Has(next, "- ") || Has(next, "* ")) return true;
    return RowBefore(at) || RowAfter(next);
  }

  // Lines are looked at once from each side; rows of more than kRow bytes are not recognised.
  static constexpr size_t kRow = 4000;
  bool RowBefore(size_t end) const {
    const size_t low = end > kRow ? end - kRow : 0;
    for (size_t i = end; i > low; --i) {
      if (s_[i - 1] == '\n') return false;
      if (s_[i - 1] == '|') return true;
    }
    return false;
  }
  bool RowAfter(size_t start) const {
    const size_t high = std::min(s_.size(), start + kRow);
    for (size_t i = start; i < high; ++i) {
      if (s_[i] == '\n') return false;
      if (s_[i] == '|') return true;
    }
    return false;
  }

  // Ends the sentence at `end` and drops white space at both sides.
  void Emit(size_t end) {
    size_t begin = start_;
    while (begin < end && Space(s_[begin])) ++begin;
    size_t stop = end;
    while (stop > begin && Space(s_[stop - 1])) --stop;
    if (stop > begin) out_.push_back({static_cast<int64_t>(begin), static_cast<int64_t>(stop)});
    start_ = end;
  }

  // Passes quotes and brackets that close behind a mark.
  size_t Closers(size_t at) const {
    while (at < s_.size()) {
      const char c = s_[at];
      if (c == '"' || c == '\'' || c == ')' || c == ']' || c == '}') {
        ++at;
      } else if (Has(at, "\u201D") || Has(at, "\u2019")) {
        at += 3;
      } else if (Has(at, "\u00BB")) {
        at += 2;
      } else {
        break;
      }
    }
    return at;
  }

  // Passes "[12]", "[3, 4-6]" at `at` (white space before it allowed), or returns `at`.
  size_t BracketedCitation(size_t at) const {
    size_t i = at;
    while (i < s_.size() && (s_[i] == ' ' || s_[i] == '\n') && i < at + 2) ++i;
    if (i >= s_.size() || s_[i] != '[') return at;
    const size_t open = i++;
    bool digit = false;
    for (; i < s_.size() && i < open + 40 && s_[i] != ']'; ++i) {
      if (Digit(s_[i])) {
        digit = true;
      } else if (s_[i] != ',' && s_[i] != ' ' && s_[i] != '-' && s_[i] != ';' &&
                 !Has(i, "\u2013") && static_cast<uint8_t>(s_[i]) < 0x80) {
        return at;
      }
    }
    return digit && i < s_.size() && s_[i] == ']' ? i + 1 : at;
  }

  // A superscript citation flattened by text extraction: "effect.12 The", "shown.3,4 We".
  // `word_end` is where the mark stands.
  size_t SuperscriptCitation(size_t word_end, size_t at) const {
    if (at >= s_.size() || !Digit(s_[at])) return at;
    size_t letters = 0;
    while (letters < 4 && letters < word_end - start_ && Lower(s_[word_end - 1 - letters]))
      ++letters;
    const bool closed = word_end > start_ && (s_[word_end - 1] == ')' || s_[word_end - 1] == '"');
    if (letters < 3 && !closed) return at;
    if (KindOf(WordBefore(word_end)) != Abbreviation::kNone) return at;
    size_t i = at, run = 0;
    while (i < s_.size() && i < at + 16) {
      if (Digit(s_[i])) {
        if (++run > 3) return at;
        ++i;
      } else if (s_[i] == ',' || s_[i] == '-') {
        run = 0;
        ++i;
      } else if (Has(i, "\u2013")) {
        run = 0;
        i += 3;
      } else {
        break;
      }
    }
    const bool before_capital = i + 1 < s_.size() && Space(s_[i]) && Upper(s_[i + 1]);
    return before_capital && Digit(s_[i - 1]) ? i : at;
  }

  // The word that ends at `end`, lower case, with inner full stops ("e.g"), at most 12 bytes, else
  // "".
  std::string WordBefore(size_t end) const {
    size_t begin = end;
    while (begin > start_ && end - begin <= 12 && (Alpha(s_[begin - 1]) || s_[begin - 1] == '.')) {
      --begin;
    }
    if (end - begin > 12) return "";
    // Part of a longer word: a digit, a non-ASCII letter, an underscore or an address before it.
    if (begin > start_ && (Digit(s_[begin - 1]) || s_[begin - 1] == '_' || s_[begin - 1] == '@' ||
                           static_cast<uint8_t>(s_[begin - 1]) >= 0xC3)) {
      if (static_cast<uint8_t>(s_[begin - 1]) < 0x80) return "";
    }
    std::string word(s_.substr(begin, end - begin));
    for (char& c : word) c = Upper(c) ? static_cast<char>(c + 32) : c;
    return word;
  }

  // "J" in "J. Smith", "U.S" in "U.S. Army": single letters with full stops between them.
  bool Initials(size_t end) const {
    size_t i = end;
    for (int letters = 0; i > start_ && letters < 6; ++letters) {
      if (!Alpha(s_[i - 1])) return false;
      if (letters == 0 && !Upper(s_[i - 1])) return false;
      --i;
      if (i == start_ || (!Alpha(s_[i - 1]) && !Digit(s_[i - 1]) && s_[i - 1] != '.' &&
                          static_cast<uint8_t>(s_[i - 1]) < 0x80)) {
        return true;
      }
      if (s_[i - 1] != '.') return false;
      --i;
    }
    return false;
  }

  // "1." or "2.3." or "iv)" at the start of the sentence numbers what follows.
  bool Enumerator(size_t end) const {
    size_t begin = start_;
    while (begin < end && Space(s_[begin])) ++begin;
    if (begin == end || end - begin > 6) return false;
    return std::all_of(s_.begin() + begin, s_.begin() + end,
                       [](char c) { return Digit(c) || c == '.'; });
  }

  std::string_view WordAt(size_t at) const {
    size_t end = at;
    while (end < s_.size() && end - at < 16 && Alpha(s_[end])) ++end;
    return s_.substr(at, end - at);
  }

  // First byte past opening quotes and brackets.
  size_t Openers(size_t at) const {
    while (at < s_.size()) {
      const char c = s_[at];
      if (c == '"' || c == '\'' || c == '(' || c == '[' || c == '*' || c == '_') {
        ++at;
      } else if (Has(at, "\u201C") || Has(at, "\u2018")) {
        at += 3;
      } else if (Has(at, "\u00AB") || Has(at, "\u00BF") || Has(at, "\u00A1")) {
        at += 2;
      } else {
        break;
      }
    }
    return at;
  }

  // Whether the byte at `at` may be the first letter of a sentence.
  bool Begins(size_t at, bool full_stop) const {
    if (at >= s_.size()) return true;
    const char c = s_[at];
    if (Upper(c) || Digit(c)) return true;
    if (Lower(c)) {
      // "mRNA", "pH" and the like begin sentences although their first letter is small.
      const std::string_view word = WordAt(at);
      return word.size() >= 2 && Upper(word[1]);
    }
    if (static_cast<uint8_t>(c) < 0x80)
      return !(c == ',' || c == ';' || c == ':' || c == '-' || c == ')');
    size_t i = at;
    const char32_t point = NextCodePoint(s_, i);
    if (point == 0x2013 || point == 0x2014) return false;
    return !full_stop || !u_islower(static_cast<UChar32>(point));
  }

  // Decides about the full stop at `mark` whose closers end at `end` (white space follows).
  bool FullStopEnds(size_t mark, size_t end, size_t next) const {
    if (Enumerator(mark)) return false;
    const size_t first = Openers(next);
    if (!Begins(first, true)) return false;
    if (end > mark + 1) return true;  // a bracket, quote or citation closed after it
    if (mark > start_ && s_[mark - 1] == '.') return true;  // an ellipsis before a capital
    const bool digit = first < s_.size() && Digit(s_[first]);
    const bool starter = Starter(WordAt(first));
    switch (KindOf(WordBefore(mark))) {
      case Abbreviation::kInside:
        return false;
      case Abbreviation::kEither:
        return starter;
      case Abbreviation::kNumber:
        return !digit;
      case Abbreviation::kNone:
        break;
    }
    if (Initials(mark)) return starter;
    return true;
  }

  // Looks at the mark of `length` bytes at at_ and moves at_ past it.
  void Candidate(size_t length) {
    const size_t mark = at_;
    const bool full_stop = s_[mark] == '.' || Has(mark, "\u2026");
    const bool wide = !full_stop && static_cast<uint8_t>(s_[mark]) >= 0x80;
    size_t end = mark + length;
    while (end < s_.size() && MarkLength(end) > 0) end += MarkLength(end);
    const size_t last_mark = end - (end - mark > length ? 1 : length);
    at_ = end;
    size_t closed = Closers(end);
    size_t cited = BracketedCitation(closed);
    if (cited == closed) cited = SuperscriptCitation(last_mark, closed);
    // "[12]." is no end
    if (cited > closed && cited < s_.size() && s_[cited] == '.') cited = closed;
    const bool stands_free = cited >= s_.size() || Space(s_[cited]);
    if (!stands_free && !(wide && cited == closed)) return;
    size_t next = cited;
    while (next < s_.size() && Space(s_[next])) ++next;
    bool ends = wide;
    if (next >= s_.size()) {
      ends = true;
    } else if (!wide && full_stop) {
      ends = FullStopEnds(last_mark, cited, next);
    } else if (!wide) {
      ends = Begins(Openers(next), false);
    }
    if (!ends) return;
    Emit(cited);
    at_ = cited;
  }

  std::string_view s_;
  size_t at_ = 0;
  size_t start_ = 0;  // of the sentence being read
  std::vector<Span> out_;
};

}  // namespace

std::vector<Span> Sentences(std::string_view utf8) { return Splitter(utf8).Run(); }

}  // namespace weir::text
