// The passages that a query's + and - leave.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "index/lexical/search.h"

namespace weir::index {

// Ids of the live passages, of those that the views allow, that have every kMust clause and no
// kMustNot clause; kShould clauses do not count. In the order of the segments' rows. Errors:
// kDataLoss for damaged postings.
absl::StatusOr<std::vector<int64_t>> MatchSegments(std::span<const SegmentView> segments,
                                                   const LexicalQuery& query);

}  // namespace weir::index
