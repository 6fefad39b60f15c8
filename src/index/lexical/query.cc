#include "index/lexical/query.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace weir::index {
namespace {

// Byte length of the quotation mark at `at`, 0 if there is none.
size_t QuoteAt(std::string_view text, size_t at) {
  if (text[at] == '"') return 1;
  const std::string_view three = text.substr(at, 3);
  return three == "\u201c" || three == "\u201d" ? 3 : 0;
}

struct Part {
  std::string_view text;
  bool quoted = false;
  Need need = Need::kShould;
  size_t begin = 0, end = 0;  // with sign and quotes
  int32_t others = -1;  // that may stand between a quote's words; -1: it is a phrase
};

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The sign at `at`, kShould if there is none.
Need SignAt(std::string_view text, size_t at) {
  const char sign = text[at];
  if ((sign != '+' && sign != '-') || (at > 0 && !IsSpace(text[at - 1])) || at + 1 == text.size())
    return Need::kShould;
  const char next = text[at + 1];
  if (IsSpace(next) || next == '+' || next == '-') return Need::kShould;
  if (next >= '0' && next <= '9') return Need::kShould;
  return sign == '+' ? Need::kMust : Need::kMustNot;
}

// Where the quote that opens at `at` closes; npos if it does not.
size_t ClosingQuote(std::string_view text, size_t at) {
  for (at += QuoteAt(text, at); at < text.size(); ++at) {
    if (QuoteAt(text, at) > 0) return at;
  }
  return std::string_view::npos;
}

// Behind a closing quote: `~` and digits. Moves `at` behind them.
int32_t OthersAt(std::string_view text, size_t& at) {
  if (at >= text.size() || text[at] != '~') return -1;
  size_t end = at + 1;
  int32_t others = 0;
  for (; end < text.size() && text[end] >= '0' && text[end] <= '9'; ++end)
    others = std::min(10 * others + (text[end] - '0'), kMaxWidth);
  if (end == at + 1) return -1;
  at = end;
  return others;
}

std::vector<Part> SplitParts(std::string_view text) {
  std::vector<Part> parts;
  size_t begin = 0;  // of plain text
  for (size_t at = 0; at < text.size();) {
    const Need need = SignAt(text, at);
    const size_t word = at + (need == Need::kShould ? 0 : 1), quote = QuoteAt(text, word);
    const size_t close = quote == 0 ? std::string_view::npos : ClosingQuote(text, word);
    if (close == std::string_view::npos && need == Need::kShould) {
      at += quote == 0 ? 1 : quote;
      continue;
    }
    parts.push_back({.text = text.substr(begin, at - begin), .begin = begin, .end = at});
    const size_t sign = at;
    if (close != std::string_view::npos) {
      at = close + QuoteAt(text, close);
      const int32_t others = OthersAt(text, at);
      const std::string_view words = text.substr(word + quote, close - word - quote);
      parts.push_back({words, true, need, sign, at, others});
    } else {
      at = word;
      while (at < text.size() && !IsSpace(text[at])) ++at;
      // A word that the analyser cuts stays together.
      parts.push_back({text.substr(word, at - word), true, need, sign, at});
    }
    begin = at;
  }
  parts.push_back({.text = text.substr(begin), .begin = begin, .end = text.size()});
  return parts;
}

// Positions from a phrase's first term to its last.
int32_t Span(const LexicalClause& phrase) { return phrase.offsets.back() + 1; }

// The phrase's words in any order.
void MakeProximity(int32_t others, LexicalClause& phrase) {
  phrase.width = std::min(Span(phrase) + others, kMaxWidth);
  for (size_t i = 1; i < phrase.terms.size();) {
    const auto end = phrase.terms.begin() + static_cast<ptrdiff_t>(i);
    if (std::find(phrase.terms.begin(), end, phrase.terms[i]) == end) {
      ++i;
      continue;
    }
    phrase.terms.erase(end);  // once is enough
    phrase.offsets.erase(phrase.offsets.begin() + static_cast<ptrdiff_t>(i));
  }
}

// Clauses as they come, equal ones joined.
class Clauses {
 public:
  explicit Clauses(LexicalQuery& query) : query_(query) {}

  void Add(LexicalClause clause) {
    std::string key = absl::StrCat(static_cast<int>(clause.need), clause.Text());
    for (int32_t offset : clause.offsets) absl::StrAppend(&key, "/", offset);
    absl::StrAppend(&key, "/", clause.width);
    auto [at, fresh] = known_.try_emplace(std::move(key), query_.clauses.size());
    if (!fresh) {
      query_.clauses[at->second].weight += clause.weight;
    } else if (query_.clauses.size() < kMaxClauses) {
      query_.clauses.push_back(std::move(clause));
    } else {
      known_.erase(at);
    }
  }

 private:
  LexicalQuery& query_;
  absl::flat_hash_map<std::string, size_t> known_;
};

// The tokens of one analyser without those that others made of the same bytes before.
class FreshTokens {
 public:
  void Keep(std::vector<text::Token>& tokens, bool last) {
    std::erase_if(tokens, [&](const text::Token& t) { return seen_.contains(KeyOf(t)); });
    if (last) return;
    for (const text::Token& t : tokens) seen_.insert(KeyOf(t));
  }

 private:
  static std::string KeyOf(const text::Token& t) {
    return absl::StrCat(t.span.start, "/", t.span.end, "/", t.term);
  }
  absl::flat_hash_set<std::string> seen_;
};

}  // namespace

std::string LexicalClause::Text() const {
  if (terms.size() == 1) return terms[0];
  const std::string quoted = absl::StrCat("\"", absl::StrJoin(terms, " "), "\"");
  return width == 0 ? quoted : absl::StrCat(quoted, "~", width - Span(*this));
}

LexicalClause PhraseOf(std::span<const text::Token> tokens) {
  LexicalClause clause;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && tokens[i].position == tokens[i - 1].position) continue;
    clause.offsets.push_back(tokens[i].position - tokens[0].position);
    clause.terms.push_back(tokens[i].term);
  }
  return clause;
}

std::string WithoutSigns(std::string_view text) {
  std::string out(text);
  for (size_t at = 0; at < text.size(); ++at) {
    if (SignAt(text, at) != Need::kShould) out[at] = ' ';
  }
  return out;
}

std::string WithoutRefused(std::string_view text) {
  std::string out(text);
  for (const Part& part : SplitParts(text)) {
    if (part.need == Need::kMust) out[part.begin] = ' ';
    if (part.need == Need::kMustNot)
      std::fill_n(out.begin() + part.begin, part.end - part.begin, ' ');
  }
  return out;
}

LexicalQuery ParseLexicalQuery(std::string_view text, text::Analyzer& analyzer) {
  text::Analyzer* const one = &analyzer;
  return ParseLexicalQuery(text, std::span(&one, 1));
}

LexicalQuery ParseLexicalQuery(std::string_view text, std::span<text::Analyzer* const> analyzers) {
  LexicalQuery query;
  Clauses clauses(query);
  std::vector<text::Token> tokens;
  for (const Part& part : SplitParts(text)) {
    FreshTokens fresh;
    std::vector<std::vector<std::string>> phrases;  // of this part
    for (text::Analyzer* const analyzer : analyzers) {
      tokens.clear();
      analyzer->Analyze(part.text, tokens);
      if (part.quoted) {
        LexicalClause phrase = PhraseOf(tokens);
        phrase.need = part.need;
        if (part.others >= 0 && !phrase.terms.empty()) MakeProximity(part.others, phrase);
        // What must match is what the query's own language makes of it, one term for a word.
        const bool one = part.need == Need::kMust && !phrase.terms.empty();
        if ((one || phrase.terms.size() > 1) && phrase.terms.size() <= kMaxPhraseTerms) {
          const bool known =
              std::find(phrases.begin(), phrases.end(), phrase.terms) != phrases.end();
          if (!known) phrases.push_back(phrase.terms);
          if (!known) clauses.Add(std::move(phrase));
          if (one) break;
          continue;
        }
      }
      if (analyzers.size() > 1) fresh.Keep(tokens, analyzer == analyzers.back());
      const float share = analyzer == analyzers.front() ? 1 : kOtherLanguageWeight;
      for (text::Token& token : tokens) {
        clauses.Add({{std::move(token.term)}, {0}, share * token.weight, part.need});
      }
    }
  }
  return query;
}

}  // namespace weir::index
