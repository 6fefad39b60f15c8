// MaxSim of f32 token vectors, and what a bench compares with it: the best passages by the mean of
// their vectors, and the tokens nearest to each query token.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "cli/encoding_variants.h"
#include "index/scored.h"
#include "index/store.h"
#include "text/ports.h"

namespace weir::cli {

inline constexpr size_t kNearestTokens = 1000;  // kept of each query token

struct ExactMaxSim {
  std::vector<std::vector<index::Scored>> best;    // of each query, best first
  std::vector<std::vector<index::Scored>> pooled;  // by inner product with the mean at unit length
  // Of each query's tokens: passages of the nearest tokens, nearest first.
  std::vector<std::vector<std::vector<index::Scored>>> nearest;
  double micros = 0;  // a query, scoring alone, one thread
  int64_t tokens = 0;  // of the passages
};

// Encodes `passages` again, a few at a time, and scores them. `among`: empty, or for each query the
// ascending passages that count. Lists are as long as `depth`. `variants`, unless null, get the
// vectors too.
absl::StatusOr<ExactMaxSim> ScoreExactly(const index::Store& store,
                                         const text::TokenEncoder& encoder,
                                         std::span<const int64_t> passages,
                                         std::span<const text::TokenVectors> queries,
                                         std::span<const std::vector<int64_t>> among, size_t depth,
                                         const Context& context,
                                         EncodingVariants* variants = nullptr);

}  // namespace weir::cli
