// Four orders of computing exact attention with a fast memory of M words, and how many words each
// moves: closed forms, exact for every size, ragged tiles included. Counts are those of one KV
// head.
//
//   kRowOuter     a row tile (queries, sums) stays, key tiles stream past it (FlashAttention-2)
//   kColumnOuter  a key tile stays, row tiles with their partial outputs stream (FlashAttention-1)
//   kTwoPhase     phase 1 writes all scores and each row's maximum and sum, phase 2 sums each
//                 output tile over them; both are blocked products, the best there is for M < d^2
//   kUnfused      the same products with the softmax as passes of its own over the scores
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "plan/attention_shape.h"

namespace weir::plan {

enum class Schedule { kRowOuter, kColumnOuter, kTwoPhase, kUnfused };
inline constexpr Schedule kSchedules[] = {Schedule::kRowOuter, Schedule::kColumnOuter,
                                          Schedule::kTwoPhase, Schedule::kUnfused};
std::string_view NameOf(Schedule schedule);

struct Tiles {
  int64_t rows = 1;
  int64_t columns = 1;
  int64_t slab = 1;  // kTwoPhase, kUnfused: inner dimension that is resident at a time
  friend bool operator==(const Tiles&, const Tiles&) = default;
};

struct Words {
  int64_t loads = 0;
  int64_t stores = 0;
  int64_t total() const { return loads + stores; }
  friend bool operator==(const Words&, const Words&) = default;
};

inline constexpr int64_t kSmallestCache = 3;  // two operands and their sum
inline constexpr int64_t kLargestCache = int64_t{1} << 40;

// Words that are resident at once. For kTwoPhase and kUnfused rows and columns are equal.
int64_t ResidentWords(const AttentionShape& shape, Schedule schedule, const Tiles& tiles);

// The tiles of the fewest words that fit; nothing when even tiles of one row and column do not.
// kColumnOuter keeps the paper's shape, rows = min(columns, head_dim).
std::optional<Tiles> BestTiles(const AttentionShape& shape, Schedule schedule, int64_t cache_words);

// Words moved by one KV head. The passes of kUnfused over scores depend on `cache_words`: a row
// that fits is read once.
Words CountWords(const AttentionShape& shape, Schedule schedule, const Tiles& tiles,
                 int64_t cache_words);

// Sum over i = 1..n of floor((a i + b) / m), in O(log). REQUIRES: n, a, b >= 0, m >= 1.
int64_t FloorSum(int64_t n, int64_t a, int64_t b, int64_t m);

}  // namespace weir::plan
