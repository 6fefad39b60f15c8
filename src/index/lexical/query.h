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

// What a match of a clause means: kShould adds to the score; a passage without a kMust clause, or
// with a kMustNot clause, is no match at all.
enum class Need { kShould, kMust, kMustNot };

struct LexicalClause {
  std::vector<std::string> terms;  // one, or a phrase
  std::vector<int32_t> offsets;    // of each term from the phrase's first
  float weight = 1;                // how often the query names it
  Need need = Need::kShould;
  std::string Text() const;        // `term` or `"a b"`
};

struct LexicalQuery {
  std::vector<LexicalClause> clauses;
  bool all = false;  // as if each kShould were a kMust
};

// Text in quotes (plain or curly) becomes a phrase clause, beside the terms of the rest; an
// unclosed quote is ordinary text. A phrase adds to the score, it does not filter: what else
// matches comes below it. A `+` or `-` right before a word or a quote, at the start or behind a
// space, makes it kMust or kMustNot (a `-` before a digit is a number's). Clauses past kMaxClauses
// are dropped.
LexicalQuery ParseLexicalQuery(std::string_view text, text::Analyzer& analyzer);

}  // namespace weir::index
