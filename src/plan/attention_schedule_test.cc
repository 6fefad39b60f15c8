#include "plan/attention_schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "gtest/gtest.h"
#include "plan/attention_count.h"

namespace weir::plan {
namespace {

TEST(AttentionScheduleTest, FloorSumEqualsTheLoop) {
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {
    const int64_t n = random() % 40, a = random() % 60, b = random() % 60, m = 1 + random() % 30;
    int64_t sum = 0;
    for (int64_t k = 1; k <= n; ++k) sum += (a * k + b) / m;
    EXPECT_EQ(FloorSum(n, a, b, m), sum) << n << " " << a << " " << b << " " << m;
  }
}

// The formulas in the form that papers give, at sizes that the tiles divide.
TEST(AttentionScheduleTest, FormulasByHand) {
  const int64_t n = 960, d = 48;
  const AttentionShape shape = {n, n, d, 1, 1, false};
  for (const int64_t b : {2, 8, 24, 48}) {
    EXPECT_EQ(CountWords(shape, Schedule::kRowOuter, {b, 8, d}, 1).total(),
              2 * n * d + 2 * n * d * (n / b));
    // 2 N d + 3 N d passes, less the first pass's loads of outputs, plus the statistics.
    EXPECT_EQ(CountWords(shape, Schedule::kColumnOuter, {8, b, d}, 1).total(),
              2 * n * d + 3 * n * d * (n / b) - n * d + 4 * n * (n / b - 1));
    const int64_t scores = 2 * n * n * d / b + n * n, outputs = 2 * n * n * d / b + n * d;
    EXPECT_EQ(CountWords(shape, Schedule::kTwoPhase, {b, b, 1}, 1).total(),
              scores + outputs + 2 * n + 2 * n * (d / b));
    EXPECT_EQ(CountWords(shape, Schedule::kUnfused, {b, b, 1}, n + 1).total(),
              scores + outputs + 4 * n * n);
    EXPECT_EQ(CountWords(shape, Schedule::kUnfused, {b, b, 1}, n + 2).total(),
              scores + outputs + 2 * n * n);
  }
  const AttentionShape causal = {n, n, d, 1, 1, true};
  EXPECT_EQ(CountWords(causal, Schedule::kRowOuter, {24, 8, d}, 1).total(),
            2 * n * d + 2 * d * 24 * (n / 24) * (n / 24 + 1) / 2);
}

// The constants that the note states: 4 N^2 d^2 / M, 12 N^2 d^2 / M, 4 N^2 d / sqrt(M) (4 sqrt(3)
// with square slabs), each with what it leaves out within a tenth.
TEST(AttentionScheduleTest, LeadingConstants) {
  const double n = 1 << 20, d = 128, m = 1 << 22;
  const AttentionShape shape = {1 << 20, 1 << 20, 128, 1, 1, false};
  const auto words = [&](Schedule schedule, int64_t cache) {
    return static_cast<double>(
        CountWords(shape, schedule, *BestTiles(shape, schedule, cache), cache).total());
  };
  EXPECT_NEAR(words(Schedule::kRowOuter, 1 << 22) / (n * n * d * d / m), 4, 0.4);
  const double columns = words(Schedule::kColumnOuter, 1 << 22) / (n * n * d * d / m);
  EXPECT_GT(columns, 6);
  EXPECT_LT(columns, 13.2);
  // N^2 words of scores are written whatever M is; they are no part of the constant.
  const double unit = n * n * d / std::sqrt(4352.0);
  EXPECT_NEAR((words(Schedule::kTwoPhase, 4352) - n * n) / unit, 4, 0.4);
  const Tiles square = {38, 38, 38};  // floor(sqrt(M / 3))
  const double slabs =
      static_cast<double>(CountWords(shape, Schedule::kTwoPhase, square, 4352).total()) - n * n;
  EXPECT_NEAR(slabs / unit, 4 * std::sqrt(3.0), 0.7);
}

AttentionShape RandomShape(std::mt19937& random) {
  AttentionShape shape;
  shape.keys = 1 + random() % 70;
  shape.queries = random() % 3 == 0 ? 1 + random() % shape.keys : shape.keys;
  shape.head_dim = 1 + random() % 40;
  shape.kv_heads = 1 + random() % 3;
  shape.heads = shape.kv_heads * (1 + random() % 4);
  shape.causal = random() % 2 == 0;
  return shape;
}

TEST(AttentionScheduleTest, FormulasEqualTheWalk) {
  std::mt19937 random(2);
  for (int i = 0; i < 400; ++i) {
    const AttentionShape shape = RandomShape(random);
    ASSERT_TRUE(Check(shape).ok());
    const int64_t m = 3 + random() % (i % 2 == 0 ? 300 : 20000);
    for (const Schedule schedule : kSchedules) {
      const bool square = schedule == Schedule::kTwoPhase || schedule == Schedule::kUnfused;
      Tiles any = {1 + static_cast<int64_t>(random() % 30), 1 + static_cast<int64_t>(random() % 30),
                   1 + static_cast<int64_t>(random() % 30)};
      if (square) any.columns = any.rows;
      const auto best = BestTiles(shape, schedule, m);
      for (const Tiles& tiles : {any, best.value_or(any)}) {
        const int64_t room = std::max(m, ResidentWords(shape, schedule, tiles));
        const auto counted = CountByWalking(shape, schedule, tiles, room);
        ASSERT_TRUE(counted.ok()) << counted.status();
        EXPECT_EQ(counted->words, CountWords(shape, schedule, tiles, room))
            << NameOf(schedule) << " " << shape.queries << " " << shape.keys << " "
            << shape.head_dim << " " << shape.heads << "/" << shape.kv_heads << " causal "
            << shape.causal << " tiles " << tiles.rows << " " << tiles.columns << " " << tiles.slab;
      }
      if (best) {
        EXPECT_LE(ResidentWords(shape, schedule, *best), m);
      }
    }
  }
}

// No other tiles that fit move less (not causal: there the tiles' own raggedness decides).
TEST(AttentionScheduleTest, BestTilesBeatAllOthers) {
  for (const int64_t d : {4, 7}) {
    const AttentionShape shape = {40, 40, d, 1, 1, false};
    for (const int64_t m : {15, 31, 40, 64, 90, 150, 300, 420, 700}) {
      for (const Schedule schedule : {Schedule::kRowOuter, Schedule::kTwoPhase}) {
        const auto best = BestTiles(shape, schedule, m);
        const int64_t words = best ? CountWords(shape, schedule, *best, m).total()
                                   : std::numeric_limits<int64_t>::max();
        for (int64_t rows = 1; rows <= 40; ++rows) {
          for (int64_t columns = 1; columns <= 40; ++columns) {
            if (schedule == Schedule::kTwoPhase && columns != rows) continue;
            const Tiles tiles = {rows, columns, 1};
            if (ResidentWords(shape, schedule, tiles) > m) continue;
            EXPECT_LE(words, CountWords(shape, schedule, tiles, m).total())
                << NameOf(schedule) << " d " << d << " M " << m << " tiles " << rows << " "
                << columns;
          }
        }
      }
    }
  }
}

TEST(AttentionScheduleTest, CausalHalvesAndGroupsShareKeys) {
  const AttentionShape full = {4096, 4096, 64, 1, 1, false}, causal = {4096, 4096, 64, 1, 1, true};
  const Tiles tiles = {32, 32, 64};
  const auto keys = [&](const AttentionShape& s) {
    return CountWords(s, Schedule::kRowOuter, tiles, 1).loads - s.rows() * s.head_dim;
  };
  EXPECT_NEAR(static_cast<double>(keys(causal)) / keys(full), 0.5, 0.01);
  // A group of g heads is g times the rows at the same keys.
  const AttentionShape grouped = {1024, 4096, 64, 12, 3, false},
                       tall = {4096, 4096, 64, 1, 1, false};
  EXPECT_EQ(grouped.rows(), 4096);
  for (const Schedule schedule : kSchedules) {
    EXPECT_EQ(CountWords(grouped, schedule, tiles, 9000), CountWords(tall, schedule, tiles, 9000));
  }
}

TEST(AttentionScheduleTest, LimitsOfCounting) {
  const AttentionShape large = {1 << 20, 1 << 20, 64, 1, 1, false};
  EXPECT_EQ(CountByWalking(large, Schedule::kRowOuter, {1, 1, 64}, 1000).status().code(),
            absl::StatusCode::kInvalidArgument);
  const AttentionShape small = {8, 8, 4, 1, 1, false};
  EXPECT_EQ(CountByWalking(small, Schedule::kRowOuter, {4, 4, 4}, 10).status().code(),
            absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace weir::plan
