// A lexical query: clauses of one term or a phrase, any of which (or, on request, all of which)
// must match.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/analysis.h"

namespace weir::index {

inline constexpr size_t kMaxClauses = 1024;
inline constexpr size_t kMaxPhraseTerms = 64;
// Of a proximity clause, so that none reaches from one field to the next (kFieldGap).
inline constexpr int32_t kMaxWidth = 100;

// What a match of a clause means: kShould adds to the score; a passage without a kMust clause, or
// with a kMustNot clause, is no match at all.
enum class Need { kShould, kMust, kMustNot };

struct LexicalClause {
  std::vector<std::string> terms;  // one, or a phrase
  std::vector<int32_t> offsets;    // of each term from the phrase's first
  float weight = 1;                // how often the query names it, times what its tokens weigh
  Need need = Need::kShould;
  // 0: terms stand at their offsets; else in any order within so many positions, each at least
  // once.
  int32_t width = 0;
  std::string Text() const;        // `term`, `"a b"` or `"a b"~2`
};

struct LexicalQuery {
  std::vector<LexicalClause> clauses;
  bool all = false;  // as if each kShould were a kMust
};

// Text in quotes (plain or curly) becomes a phrase clause, beside the terms of the rest; an
// unclosed quote is ordinary text. A phrase adds to the score, it does not filter: what else
// matches comes below it. `~N` right behind the closing quote, with N at most kMaxWidth, asks for
// the words in any order with at most N others between them. A `+` or `-` right before a word or a
// quote, at the start or behind a space, makes it kMust or kMustNot (before a digit it is a
// number's). Clauses past kMaxClauses are dropped. Of a word with several terms a phrase and a
// kMust take the first.
LexicalQuery ParseLexicalQuery(std::string_view text, text::Analyzer& analyzer);
// The same for passages that were analysed in different ways: the terms of all analysers, the first
// of which is the query's own. What two of them make of the same word counts once, and what the
// others alone make of it little: a wrong language's stems are right only by chance.
inline constexpr float kOtherLanguageWeight = 0.2f;
LexicalQuery ParseLexicalQuery(std::string_view text, std::span<text::Analyzer* const> analyzers);

// The first term of each position as one clause; without terms where there are no tokens.
LexicalClause PhraseOf(std::span<const text::Token> tokens);

// The text with those signs blanked: what people write in prose is not meant to filter.
std::string WithoutSigns(std::string_view text);
// With what a - refuses blanked, too: the text for an encoder, to which a word that is refused
// would be a word like any other.
std::string WithoutRefused(std::string_view text);

}  // namespace weir::index
