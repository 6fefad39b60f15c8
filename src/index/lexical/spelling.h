// Terms of segments that are near to a word that no passage holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/lexical/search.h"

namespace weir::index {

// Letters added, left out, changed, or swapped with their neighbour (optimal string alignment), in
// code points; `most` + 1 for anything above `most`. REQUIRES: valid UTF-8.
int EditDistance(std::string_view a, std::string_view b, int most);

// How far a word with so many code points may be from what was meant; 0: too short to tell.
int MostDistance(size_t code_points);

struct NearTerm {
  std::string term;
  int distance = 0;
  int64_t passages = 0;  // of the segments, deleted ones and those of no scope too
};

// The nearest terms, then the most frequent, then in byte order; at most `limit`. Reads the whole
// dictionary: about 20 ns a term.
absl::StatusOr<std::vector<NearTerm>> FindNearTerms(std::span<const SegmentView> segments,
                                                    std::string_view term, int most, size_t limit,
                                                    const Context& context);

}  // namespace weir::index
