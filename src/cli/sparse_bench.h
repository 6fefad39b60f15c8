// The rows of learned sparse retrieval in `weir bench search`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/bench_record.h"
#include "cli/session.h"
#include "index/store.h"

namespace weir::cli {

struct SparseBenchOptions {
  std::string peer;
  std::string script = "tests/peers/seismic_bench.py";
  std::string peer_arguments;
  template <class V>
  void Visit(V& v) {
    v(peer, {.name = "sparse-peer",
             .help = "Engine to compare the approximate sparse search with (package "
                     "pyseismic-lsr, Python of --peer-python).",
             .choices = {"", "seismic"}});
    v(script,
      {.name = "sparse-peer-script", .help = "Script that drives it.", .fingerprint = false});
    v(peer_arguments, {.name = "sparse-peer-arguments",
                       .help = "Its settings, separated by commas: postings kept of a term, query "
                               "cut, heap factor, neighbours."});
  }
};

// Adds `sparse-exact` and `sparse-approximate` (microseconds a query, top 10, beside the same
// vectors added term by term over all their postings), the share of the exact top 10 that the
// approximate search finds, and with a peer the approximate search beside it.
absl::Status BenchSparse(const index::Store& store, const std::vector<std::string>& queries,
                         int64_t rounds, const SparseBenchOptions& options,
                         const std::string& python, Session& session, std::vector<BenchRow>& rows);

}  // namespace weir::cli
