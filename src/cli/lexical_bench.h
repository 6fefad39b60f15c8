// The lexical rows of `weir bench search`: BM25 by classes of queries over one segment, beside
// exhaustive scoring or a peer that indexes the same terms.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/bench_record.h"
#include "cli/peer.h"
#include "cli/session.h"

namespace weir::cli {

struct LexicalBenchOptions {
  int64_t queries = 200;  // of each class, where they are sampled
  int64_t rounds = 5;
  // A folder with corpus.jsonl ({"_id", "text"}) and queries.tsv (class, TAB, words); the classes
  // are term, or, and, phrase. "": the store's passages, and queries made of their words.
  std::string corpus;
  // Search the segment as a merge reorders it, beside the one in passage order.
  bool reorder = false;
  PeerOptions peer;
};

// Appends bm25-terms, bm25-or, bm25-and, bm25-phrase, bm25-count (mean microseconds a query, top
// 10 or the number of matches, one thread) and with a peer bm25-build (seconds), bm25-bytes and
// bm25-same-lists (share of queries with the same ten passages in the same order). With `reorder`
// also bm25-merge (seconds, all threads), bm25-merged-bytes, bm25-posting-bytes and
// bm25-same-in-order (share of queries with equal hits and counts in either order).
absl::Status BenchLexical(const LexicalBenchOptions& options, Session& session,
                          std::vector<BenchRow>& rows);

}  // namespace weir::cli
