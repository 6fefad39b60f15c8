// The best passages for a set of query vectors by MaxSim: for each of them the passage's token that
// is most like it, and the sum of these. Scan codes of the encodings find candidates, the codes of
// their tokens give the score.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/multi/multi_segment.h"
#include "index/scored.h"

namespace weir::index {

struct MultiSearchOptions {
  int64_t candidates = 2000;
  template <class V>
  void Visit(V& v) {
    v(candidates, {.name = "candidates",
                   .help = "Of multi-vector search: passages whose tokens are compared with the "
                           "query's; 0 for all.",
                   .unit = "passages",
                   .min = 0,
                   .max = 100000000});
  }
};

// The best k live rows of all segments by (score descending, passage ascending); passages without
// tokens are never found. query: [tokens, dimensions] f32, of unit length. Errors: kInvalidArgument
// (k, dimensions, numbers that are not finite, no token), kFailedPrecondition (segments whose
// encodings differ in a parameter or the seed), kCancelled.
absl::StatusOr<std::vector<Scored>> SearchMulti(std::span<const MultiView> segments,
                                                std::span<const float> query, int64_t k,
                                                const MultiSearchOptions& options,
                                                const Context& context);

// What SearchMulti scores these passages; 0 for one that no live row with tokens stands for.
absl::StatusOr<std::vector<float>> ScorePassages(std::span<const MultiView> segments,
                                                 std::span<const float> query,
                                                 std::span<const int64_t> passages);

// The passages that would be candidates, best first, with the score of the encodings' scan.
absl::StatusOr<std::vector<Scored>> FindCandidates(std::span<const MultiView> segments,
                                                   std::span<const float> query,
                                                   const MultiSearchOptions& options,
                                                   const Context& context);

}  // namespace weir::index
