// Merges lexical segments into one, leaving out deleted rows.
#pragma once

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/lexical/search.h"

namespace weir::index {

// Rows of the result ascend by passage id, whatever the order of `segments`. kNotFound when no row
// is left (no file is written). Equal inputs give equal bytes.
absl::StatusOr<SegmentInfo> MergeLexicalSegments(std::span<const SegmentView> segments,
                                                 const std::string& folder, const std::string& name,
                                                 const Context& context);

}  // namespace weir::index
