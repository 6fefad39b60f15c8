// Two foldings under which an answer is compared with what was expected of it
// (tests/data/questions/README.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "text/records.h"

namespace weir::evaluate {

// Only the letters and digits of a text, compatibility folded, lower case, without accents; each
// byte knows where it came from. Line breaks, hyphenation and quotation marks thus do not count.
struct Letters {
  std::string folded;
  std::vector<int64_t> source;  // byte offset in the text of each byte of `folded`
};
Letters LettersOf(std::string_view utf8);

// Compatibility folded lower case with one space for every run of white space and '-' for every
// dash.
std::string FoldPhrase(std::string_view utf8);

// Whether `phrase` stands alone in `text` (both from FoldPhrase): no letter or digit touches it,
// but for a plural s, and a number is not cut out of a longer one ("2.8%" is not in "12.8%", nor
// 117 in 117.5).
bool ContainsPhrase(std::string_view text, std::string_view phrase);

// Of the letters of `evidence` where it occurs in `document`, the share that `spans` cover
// together; the best occurrence counts. -1 when the evidence does not occur.
double CoverageOf(const Letters& evidence, const Letters& document,
                  absl::Span<const text::Span> spans);

// Length of the longest common run of letters of two texts, as a share of `evidence`'s.
double SharedRun(const Letters& evidence, const Letters& quote);

}  // namespace weir::evaluate
