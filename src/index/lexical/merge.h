// Merges lexical segments into one, leaving out deleted rows.
#pragma once

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/lexical/search.h"

namespace weir::index {

struct MergeOptions {
  // From so many rows on they are put into the order of bisection.h, which makes postings shorter
  // and blocks more alike; fewer ascend by passage id. 0: they always do.
  int64_t reorder_from = 0;
  // Rows with more postings than this ascend, too: 4 bytes each are held, here 1 GiB.
  uint64_t most_reordered_postings = uint64_t{1} << 28;
};

// The order of `segments` does not matter. kNotFound when no row is left (no file is written).
// Equal passages give equal bytes, with any number of threads.
absl::StatusOr<SegmentInfo> MergeLexicalSegments(std::span<const SegmentView> segments,
                                                 const std::string& folder, const std::string& name,
                                                 const Context& context,
                                                 const MergeOptions& options = {});

}  // namespace weir::index
