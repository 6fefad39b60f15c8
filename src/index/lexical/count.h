// How many passages match a query: exact, without scoring one.
#pragma once

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "index/lexical/search.h"

namespace weir::index {

// Live passages that match any clause, or with query.all every clause. A single term is a look-up
// when nothing is deleted; AND gallops along its rarest clause; OR sets bits over windows of
// documents. Errors: kDataLoss for damaged postings.
absl::StatusOr<int64_t> CountSegments(std::span<const SegmentView> segments,
                                      const LexicalQuery& query);

}  // namespace weir::index
