// Top k of vector segments by inner product. Scan codes find candidates, int8 codes sort them, f32
// rows give the scores that are returned; kExact reads the f32 rows alone.
#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/dense/passage_set.h"
#include "index/dense/vector_segment.h"
#include "index/scored.h"

namespace weir::index {

// How much of a clustered segment a search looks at; docs/performance.md has recall and time of
// each. Segments without clusters are scanned whole in all of them.
enum class Effort { kQuick, kNormal, kThorough, kExact };

struct VectorSearchOptions {
  Effort effort = Effort::kNormal;
  // Only these are returned; null: all. Recall does not depend on how many they are: few are scored
  // one by one, and a scan goes on until the best of them are found.
  const PassageSet* allowed = nullptr;
};

// The best k live rows of all segments for each query, by (score descending, passage ascending).
// queries: [n, dimensions] f32, n at least 1; several share the reading of the codes. Errors:
// kInvalidArgument (k, dimensions, a query that is not finite), kCancelled.
absl::StatusOr<std::vector<std::vector<Scored>>> SearchVectors(
    std::span<const VectorView> segments, std::span<const float> queries, size_t n, int64_t k,
    const VectorSearchOptions& options, const Context& context);

}  // namespace weir::index
