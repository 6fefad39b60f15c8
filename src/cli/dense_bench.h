// The dense rows of `weir bench search --vectors FILE`: one vector segment of the file's rows, each
// effort of a search beside an exact scan of the f32 rows or a peer that gets the same files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/bench_record.h"
#include "cli/peer.h"
#include "cli/session.h"

namespace weir::cli {

struct DenseBenchOptions {
  std::string vectors;  // raw little-endian f32 [rows, dimensions] of unit length; "": no rows
  std::string queries;  // the same
  int64_t rows = 0;     // of `vectors` that are taken; 0: all
  int64_t dimensions = 384;
  int64_t rounds = 5;
  PeerOptions peer;

  template <class V>
  void Visit(V& v) {
    v(vectors, {.name = "vectors",
                .help = "File of f32 vectors (raw, little-endian) for the dense rows, instead of "
                        "everything else."});
    v(queries, {.name = "vector-queries", .help = "File of f32 query vectors."});
    v(rows, {.name = "vector-rows", .help = "Rows of --vectors; 0 for all.", .min = 0});
    v(dimensions,
      {.name = "vector-dimensions", .help = "Numbers of a vector.", .min = 1, .max = 65536});
  }
};

// Appends, for N rows, dense-N-quick, -normal and -thorough: p50 microseconds a query (top 10, one
// thread); their -p99 and -recall (at 10, against the exact scan); dense-N-build (seconds, all
// threads, files on disk) and dense-N-bytes (megabytes beside the f32 rows). With a peer, which
// tests/peers/dense_bench.py drives, its settings follow as rows of their own.
absl::Status BenchDense(const DenseBenchOptions& options, Session& session,
                        std::vector<BenchRow>& rows);

}  // namespace weir::cli
