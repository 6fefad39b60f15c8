// The rows of multi-vector search in `weir bench search --multi`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/bench_record.h"
#include "cli/session.h"
#include "index/store.h"

namespace weir::cli {

struct MultiBenchOptions {
  bool multi = false;
  std::string queries;
  int64_t exact_among = 0;
  index::MultiSearchOptions search;
  template <class V>
  void Visit(V& v) {
    v(multi, {.name = "multi",
              .help = "Time multi-vector search beside exact MaxSim of f32 vectors, which are "
                      "computed again for it, instead of everything else."});
    v(queries, {.name = "multi-queries",
                .help = "File with a query a line for it; empty takes sentences of the store."});
    v(exact_among, {.name = "multi-exact-among",
                    .help = "Compute f32 vectors only of each query's so many best passages by "
                            "their codes, for stores too large for all; 0 for all.",
                    .unit = "passages",
                    .min = 0});
    search.Visit(v);
  }
};

// Adds, for a store of N passages, multivector-N (microseconds a query, median over the queries,
// one thread, beside MaxSim with all passages: in f32, several queries at once, or with
// --multi-exact-among over their codes), its recall at 10 against f32 and against all codes. With
// f32 vectors of all: the share of the exact ten among the first hundred by encodings (scan codes,
// int8) beside the passages' means, and how many candidates find 90% of them beside the heuristic
// that unites the passages of each query token's nearest tokens.
absl::Status BenchMulti(const index::Store& store, const std::vector<std::string>& queries,
                        int64_t rounds, const MultiBenchOptions& options, Session& session,
                        std::vector<BenchRow>& rows);

}  // namespace weir::cli
