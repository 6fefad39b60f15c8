// What a sentence claims, as far as words show it: its numbers, names, content stems and negations.
// Part of the verifier; the writer does not use it.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace weir::answer {

struct Claims {
  std::set<std::string> numbers;      // canonical decimal text: "1200", "0.05", "3"
  std::set<std::string> names;        // case-folded, as written otherwise
  std::set<std::string> stems;        // of content words, Porter
  // The stems in order, without function words, cut at commas, semicolons, colons and brackets.
  std::vector<std::vector<std::string>> clauses;
  int negations = 0;                  // "not", "no", "never", "without", "n't", ...
};

// `is_quote`: every word counts as a possible name match, and sentence starts are not special.
Claims ReadClaims(std::string_view text, bool is_quote);

}  // namespace weir::answer
