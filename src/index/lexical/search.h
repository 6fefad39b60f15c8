// Technique: block-max-maxscore
// Source: Turtle, Flood, "Query evaluation: strategies and optimizations", IPM 1995 (MAXSCORE);
//   Ding, Suel, "Faster top-k document retrieval using block-max indexes", SIGIR 2011; window form
//   as in Lucene 10.
// Idea: A window of documents at a time, the clauses are ordered by what they can add at most
//   there; those that cannot lift a document over the k-th best score on their own are only asked
//   about candidates.
// Formulas: a clause's bound in a window = maximum over its blocks there of weight * idf *
//   max over the block's points (f, l) of f / (f + K(l)); a document is dropped when score so far +
//   sum of the open bounds < k-th best score.
// Cost: O(k + clauses + window) memory, nothing of the size of the collection.
// Differs: scores of terms are rounded to f32 and added in f64, where such sums are exact for all
//   real collections, so the order of adding, windows and segments never changes a score. Ties go
//   to the lower passage id, as in exhaustive scoring.
// Checked by: search_test.   Measured by: weir bench search (bm25-or).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "index/deleted_rows.h"
#include "index/lexical/bm25.h"
#include "index/lexical/query.h"
#include "index/lexical/segment_reader.h"
#include "index/scored.h"

namespace weir::index {

struct SegmentView {
  const LexicalSegment* segment = nullptr;
  const DeletedRows* deleted = nullptr;  // null: none
  // Live rows: those that a search may return, and those whose statistics it takes. Null: all.
  const RowSet* allowed = nullptr;
  const RowSet* counted = nullptr;
};

CollectionStatistics Statistics(std::span<const SegmentView> segments);

// Passages with the term that count.
absl::StatusOr<int64_t> LiveFrequency(std::span<const SegmentView> segments, std::string_view term);

// The exact top k by (score descending, passage ascending).
absl::StatusOr<std::vector<Scored>> SearchSegments(std::span<const SegmentView> segments,
                                                   const LexicalQuery& query, int64_t k,
                                                   const Bm25Options& options);

// One row a clause that occurs in the store. kNotFound when the passage is in no segment.
absl::StatusOr<std::vector<TermScore>> ExplainSegments(std::span<const SegmentView> segments,
                                                       const LexicalQuery& query, int64_t passage,
                                                       const Bm25Options& options);

}  // namespace weir::index
