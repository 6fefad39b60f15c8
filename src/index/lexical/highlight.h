// What a query's words and phrases match in the text of a passage, and the part of it to show.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "index/lexical/query.h"
#include "text/analysis.h"
#include "text/records.h"

namespace weir::index {

inline constexpr size_t kSnippetBytes = 240;

struct Highlights {
  text::Span snippet;             // at most kSnippetBytes, more only for a longer match
  std::vector<text::Span> marks;  // of the whole text, ascending, neither touching nor overlapping
};

class Highlighter {
 public:
  // The query as SearchLexical reads it, with these analysers, which are borrowed.
  Highlighter(std::string_view query, std::span<text::Analyzer* const> analyzers);

  // `with`: whether the passage was analysed with the i-th analyser; null: any may have been. All
  // bounds stand where characters begin (text/unicode.h). The snippet lies around the shortest run
  // of matches of the most different clauses, or the first; without a match it is the beginning.
  Highlights Mark(std::string_view text, const std::function<bool(size_t)>& with = nullptr) const;

 private:
  struct Reader {
    text::Analyzer* analyzer;
    std::vector<LexicalClause> clauses;  // that a match must or should have
  };
  std::vector<Reader> readers_;
};

}  // namespace weir::index
