// Where a clause matches in analysed text: what the postings tell of a passage, for texts at hand.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "index/lexical/query.h"
#include "index/lexical/windows.h"
#include "text/analysis.h"

namespace weir::index {

// Of a clause of words near one another: on_match(text::Span) for each of them, ascending.
template <class OnMatch>
void MatchNear(const LexicalClause& clause, std::span<const text::Token> tokens,
               OnMatch on_match) {
  std::vector<std::vector<uint32_t>> positions(clause.terms.size());
  std::vector<std::vector<text::Span>> spans(clause.terms.size());
  for (const text::Token& token : tokens) {
    const auto term = std::find(clause.terms.begin(), clause.terms.end(), token.term);
    if (term == clause.terms.end()) continue;
    const auto t = static_cast<size_t>(term - clause.terms.begin());
    positions[t].push_back(static_cast<uint32_t>(token.position));
    spans[t].push_back(token.span);
  }
  const std::vector<std::span<const uint32_t>> lists(positions.begin(), positions.end());
  ForEachWindow(lists, clause.width, [&](std::span<const size_t> places) {
    std::vector<text::Span> found;
    for (size_t t = 0; t < places.size(); ++t) found.push_back(spans[t][places[t]]);
    std::sort(found.begin(), found.end(),
              [](const text::Span& a, const text::Span& b) { return a.start < b.start; });
    for (const text::Span& span : found) on_match(span);
  });
}

// Calls on_match(text::Span) for each place, ascending; those of a phrase may overlap. `tokens` as
// an analyser makes them.
template <class OnMatch>
void MatchClause(const LexicalClause& clause, std::span<const text::Token> tokens,
                 OnMatch on_match) {
  if (clause.width > 0) return MatchNear(clause, tokens, on_match);
  const auto before = [](const text::Token& t, int32_t position) { return t.position < position; };
  // The end of the token with the k-th term at `position`, -1 when there is none.
  const auto end_of = [&](size_t k, int32_t position) -> int64_t {
    auto at = std::lower_bound(tokens.begin(), tokens.end(), position, before);
    for (; at != tokens.end() && at->position == position; ++at) {
      if (at->term == clause.terms[k]) return at->span.end;
    }
    return -1;
  };
  for (const text::Token& token : tokens) {
    if (token.term != clause.terms[0]) continue;
    int64_t end = token.span.end;
    bool all = true;
    for (size_t k = 1; k < clause.terms.size() && all; ++k) {
      const int64_t next = end_of(k, token.position + clause.offsets[k]);
      all = next >= 0;
      end = std::max(end, next);
    }
    if (all) on_match(text::Span{token.span.start, end});
  }
}

}  // namespace weir::index
