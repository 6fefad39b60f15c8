// Speed of the engine's attention through its KV cache, beside baselines of the same run.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "base/options.h"
#include "base/registry.h"
#include "cli/bench_record.h"

namespace weir::cli {

struct AttentionBenchOptions {
  int64_t tokens = 4096;
  int64_t heads = 9;
  int64_t kv_heads = 3;
  int64_t head_dim = 64;
  int64_t layers = 30;
  int64_t rounds = 5;
  std::vector<std::string> rows;
  template <class V>
  void Visit(V& v) {
    v(tokens, {.name = "tokens",
               .help = "Context of the longest rows.",
               .unit = "tokens",
               .min = 256,
               .max = 32768});
    v(heads, {.name = "heads", .help = "Query heads.", .min = 1, .max = 256});
    v(kv_heads, {.name = "kv-heads", .help = "Key and value heads.", .min = 1, .max = 256});
    v(head_dim, {.name = "head-dim",
                 .help = "Channels of a head, a multiple of 32.",
                 .min = 32,
                 .max = 512});
    v(layers, {.name = "layers",
               .help = "Layers that decoding reads: enough to come from memory, not from caches.",
               .min = 1,
               .max = 256});
    v(rounds, {.name = "rounds", .help = "Rounds of each row.", .min = 1, .max = 100});
    v(rows, {.name = "rows", .help = "Rows to run: prefill, decode, sparse; none names all."});
  }
};

struct AttentionBenchReport {
  std::vector<BenchRow> rows;
  std::vector<std::string> notes;  // shares and densities in words
};

// Prefill rows count multiply-adds of visible pairs (two a channel), with attention in three passes
// through memory as baseline and the engine's own matrix product as limit. Decode rows count bytes
// of keys and values, with plain reading of as many bytes as baseline and limit. Sparse rows have
// dense attention as baseline, and its time times the density as limit.
// Errors: kInvalidArgument (a row's name, heads that kv-heads does not divide), kResourceExhausted.
absl::StatusOr<AttentionBenchReport> BenchAttention(const AttentionBenchOptions& options,
                                                    const Registry& techniques,
                                                    const Context& context);

}  // namespace weir::cli
