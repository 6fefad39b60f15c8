#include "index/lexical/query.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
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
};

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The sign at `at`, kShould if there is none.
Need SignAt(std::string_view text, size_t at) {
  const char sign = text[at];
  if ((sign != '+' && sign != '-') || (at > 0 && !IsSpace(text[at - 1])) || at + 1 == text.size())
    return Need::kShould;
  const char next = text[at + 1];
  if (IsSpace(next) || next == '+' || next == '-') return Need::kShould;
  if (sign == '-' && next >= '0' && next <= '9') return Need::kShould;
  return sign == '+' ? Need::kMust : Need::kMustNot;
}

// Where the quote that opens at `at` closes; npos if it does not.
size_t ClosingQuote(std::string_view text, size_t at) {
  for (at += QuoteAt(text, at); at < text.size(); ++at) {
    if (QuoteAt(text, at) > 0) return at;
  }
  return std::string_view::npos;
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
    parts.push_back({text.substr(begin, at - begin)});
    if (close != std::string_view::npos) {
      parts.push_back({text.substr(word + quote, close - word - quote), true, need});
      at = close + QuoteAt(text, close);
    } else {
      at = word;
      while (at < text.size() && !IsSpace(text[at])) ++at;
      // A word that the analyser cuts stays together.
      parts.push_back({text.substr(word, at - word), true, need});
    }
    begin = at;
  }
  parts.push_back({text.substr(begin)});
  return parts;
}

}  // namespace

std::string LexicalClause::Text() const {
  return terms.size() == 1 ? terms[0] : absl::StrCat("\"", absl::StrJoin(terms, " "), "\"");
}

LexicalQuery ParseLexicalQuery(std::string_view text, text::Analyzer& analyzer) {
  LexicalQuery query;
  absl::flat_hash_map<std::string, size_t> known;
  auto add = [&](LexicalClause clause) {
    std::string key = clause.Text();
    absl::StrAppend(&key, "/", static_cast<int>(clause.need));
    for (int32_t offset : clause.offsets) absl::StrAppend(&key, "/", offset);
    auto [at, fresh] = known.try_emplace(std::move(key), query.clauses.size());
    if (!fresh) {
      query.clauses[at->second].weight += 1;
    } else if (query.clauses.size() < kMaxClauses) {
      query.clauses.push_back(std::move(clause));
    } else {
      known.erase(at);
    }
  };
  std::vector<text::Token> tokens;
  for (const Part& part : SplitParts(text)) {
    tokens.clear();
    analyzer.Analyze(part.text, tokens);
    if (part.quoted && tokens.size() > 1 && tokens.size() <= kMaxPhraseTerms) {
      LexicalClause clause{.need = part.need};
      for (text::Token& token : tokens) {
        clause.offsets.push_back(token.position - tokens[0].position);
        clause.terms.push_back(std::move(token.term));
      }
      add(std::move(clause));
    } else {
      for (text::Token& token : tokens) add({{std::move(token.term)}, {0}, 1, part.need});
    }
  }
  return query;
}

}  // namespace weir::index
