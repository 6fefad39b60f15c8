// The address stream of a schedule through a simulated cache: what a machine that decides for
// itself what to keep would move. Operands are read in place, row by row; tiles that a schedule
// never stores live at fixed scratch addresses.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "plan/attention_walk.h"

namespace weir::plan {

struct SimulatedWords {
  int64_t fetched = 0;  // words of one KV head; whole lines
  int64_t written = 0;
  int64_t cold = 0;  // words of distinct lines touched
  int64_t total() const { return fetched + written; }
};

inline constexpr int64_t kMaxSimulatedKeys = 2048;
inline constexpr double kMaxSimulatedTouches = 4e9;
inline constexpr int64_t kMaxSimulatedWords = int64_t{1} << 25;  // of addresses

// A fully associative LRU cache of `lru_words` in lines of `line_words`; tiles as planned for
// `cache_words`. kInvalidArgument beyond the limits above.
absl::StatusOr<SimulatedWords> SimulateLru(const AttentionShape& shape, Schedule schedule,
                                           const Tiles& tiles, int64_t cache_words,
                                           int64_t lru_words, int64_t line_words);

}  // namespace weir::plan
