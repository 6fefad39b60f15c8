// The rows of a large sparse gallery in `weir bench search --gallery DIR`: pictures or texts as
// sparse vectors of words beside dense ones, searched exactly.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/bench_record.h"
#include "cli/session.h"

namespace weir::cli {

struct LexiconBenchOptions {
  std::string set;
  int64_t items = 200000;
  double jitter = 0.2;
  std::vector<std::string> most_terms = {"0", "64", "32", "20"};
  template <class V>
  void Visit(V& v) {
    v(set,
      {.name = "gallery",
       .help = "BEIR folder for the rows of a large sparse gallery beside a dense one, instead "
               "of everything else: its documents, and jittered copies of those that answer "
               "no query."});
    v(items, {.name = "gallery-items", .help = "Items of it.", .min = 100, .max = 5000000});
    v(jitter,
      {.name = "gallery-jitter",
       .help = "How far copies are from their document: the deviation of the logarithm of "
               "each sparse weight, and of the dense vector as a share of its length; both stay as "
               "long as they were.",
       .min = 0,
       .max = 10});
    v(most_terms,
      {.name = "gallery-terms",
       .help = "Numbers of heaviest terms to keep of an item, a group of rows for each; "
               "0 keeps all."});
  }
};

// Adds `sparse-8bit-overlap10`: of the best ten by float weights, over the set's own documents, the
// share that the 8-bit index finds. Then for each number of terms M and N items
// `sparse-lexicon-N[-mM]` and its -approximate (microseconds a query, one thread, beside an exact
// scan of the f32 vectors), -words (the query being its words weighted by rarity), -whole and
// -words-whole (with what makes the query's vector, beside the same of the dense query), -mb
// (megabytes beside the f32 vectors), -recall10 and -words-recall10 (of the judged documents,
// beside the dense scan's).
absl::Status BenchLexicon(const LexiconBenchOptions& options, int64_t rounds, Session& session,
                          std::vector<BenchRow>& rows);

}  // namespace weir::cli
