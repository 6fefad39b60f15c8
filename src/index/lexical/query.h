// A lexical query: clauses of one term or a phrase, any of which (or, on request, all of which)
// must match.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/analysis.h"

namespace weir::index {

inline constexpr size_t kMaxClauses = 1024;
inline constexpr size_t kMaxPhraseTerms = 64;

struct LexicalClause {
  std::vector<std::string> terms;  // one, or a phrase
  std::vector<int32_t> offsets;    // of each term from the phrase's first
  float weight = 1;                // how often the query names it
  std::string Text() const;        // `term` or `"a b"`
};

struct LexicalQuery {
  std::vector<LexicalClause> clauses;
  bool all = false;  // every clause must match
};

// Text in quotes (plain or curly) becomes a phrase clause, beside the terms of the rest; an
// unclosed quote is ordinary text. A phrase adds to the score, it does not filter: what else
// matches comes below it. Clauses past kMaxClauses are dropped.
LexicalQuery ParseLexicalQuery(std::string_view text, text::Analyzer& analyzer);

}  // namespace weir::index
