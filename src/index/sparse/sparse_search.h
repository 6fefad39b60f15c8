// Inner products of a sparse query with the segments' rows, the best k.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/scored.h"
#include "index/sparse/sparse_segment.h"

namespace weir::index {

// Weights in steps of the largest one's 1/127.
struct SparseQuery {
  struct Term {
    uint16_t term;
    uint8_t weight;  // 1 to 127
  };
  std::vector<Term> terms;  // heaviest first, then by number
  float step = 0;           // what one is worth: score = step * sum of weight * impact / 64
};

// kInvalidArgument for terms outside of [0, vocabulary) or out of order and for weights that are
// not finite and above 0.
absl::StatusOr<SparseQuery> MakeSparseQuery(const text::SparseVector& vector, int32_t vocabulary);

// Views of a scope are searched exactly in either mode, and so are small segments.
struct SparseSearchOptions {
  bool exact = true;
  // Of the approximate search: the heaviest terms propose candidates, as many as make up this share
  // of the query's weight; and how many candidates are scored exactly, at least and for each hit
  // that is asked for. A share keeps nDCG@10 within 1% on short queries and on those of a hundred
  // terms, where a fixed number of terms loses 2% (docs/performance.md).
  float share = 0.6f;
  int64_t candidates = 50, candidates_per_hit = 5;
  // Segments of fewer rows are searched exactly in either mode: that is faster there.
  size_t least_rows = 32768;
};

// Top k by (score descending, passage ascending); rows that share no term with the query are no
// hits. Scores are exact in both modes; the approximate one may miss rows. REQUIRES: the segments
// have the query's vocabulary.
absl::StatusOr<std::vector<Scored>> SearchSparse(std::span<const SparseView> segments,
                                                 const SparseQuery& query, int64_t k,
                                                 const SparseSearchOptions& options,
                                                 const Context& context);

// Live rows of a view that a search may return, and those among them that have a term. O(1) for a
// term, or its postings where some rows are deleted or not allowed. REQUIRES: term < vocabulary.
int64_t CountRows(const SparseView& view);
absl::StatusOr<int64_t> CountRowsWith(const SparseView& view, int32_t term);

// The score of one row.
float ScoreSparseRow(const SparseSegment& segment, size_t row, const SparseQuery& query);

}  // namespace weir::index
