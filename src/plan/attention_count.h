// The explicit model measured: runs a schedule and adds up what every tile's load and store moves.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "plan/attention_walk.h"

namespace weir::plan {

struct CountedWords {
  Words words;                // of one KV head
  int64_t peak_resident = 0;  // never above the cache: checked
};

// Some seconds at most.
inline constexpr double kMaxWalkCalls = 5e8;

// kInvalidArgument when the walk would take more than kMaxWalkCalls, kInternal when a schedule
// holds more than `cache_words` at once.
absl::StatusOr<CountedWords> CountByWalking(const AttentionShape& shape, Schedule schedule,
                                            const Tiles& tiles, int64_t cache_words);

}  // namespace weir::plan
