// Walks a whole lexical segment.
#pragma once

#include "absl/status/status.h"
#include "index/lexical/segment_reader.h"

namespace weir::index {

// Ids ascend; terms ascend; documents are in range and ascend; positions do not descend; the
// frequencies of a passage add up to its length; block maxima bound their blocks. kDataLoss names
// the first problem.
absl::Status CheckLexicalSegment(const LexicalSegment& segment);

}  // namespace weir::index
