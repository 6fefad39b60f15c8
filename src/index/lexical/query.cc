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
  bool quoted;
};

std::vector<Part> SplitQuotes(std::string_view text) {
  std::vector<Part> parts;
  size_t begin = 0;
  bool quoted = false;
  for (size_t at = 0; at < text.size();) {
    const size_t quote = QuoteAt(text, at);
    if (quote == 0) {
      ++at;
      continue;
    }
    parts.push_back({text.substr(begin, at - begin), quoted});
    at += quote;
    begin = at;
    quoted = !quoted;
  }
  parts.push_back({text.substr(begin), false});
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
  for (const Part& part : SplitQuotes(text)) {
    tokens.clear();
    analyzer.Analyze(part.text, tokens);
    if (part.quoted && tokens.size() > 1 && tokens.size() <= kMaxPhraseTerms) {
      LexicalClause clause;
      for (text::Token& token : tokens) {
        clause.offsets.push_back(token.position - tokens[0].position);
        clause.terms.push_back(std::move(token.term));
      }
      add(std::move(clause));
    } else {
      for (text::Token& token : tokens) add({{std::move(token.term)}, {0}, 1});
    }
  }
  return query;
}

}  // namespace weir::index
