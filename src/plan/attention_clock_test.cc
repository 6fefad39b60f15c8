#include "plan/attention_clock.h"

#include <set>
#include <tuple>

#include "gtest/gtest.h"

namespace weir::plan {
namespace {

using tensor::TiledSchedule;
using tensor::TileSizes;

TEST(AttentionClockTest, KernelTilesFitTheCache) {
  const MachineRates rates = {60e9, 8e9};
  for (const int64_t d : {32, 64, 128, 256}) {
    const AttentionShape shape = {2048, 2048, d, 1, 1, false};
    for (const int64_t m : {32768, 131072, 524288}) {
      const TileSizes t = KernelTiles(shape, TiledSchedule::kRowOuter, m, rates);
      EXPECT_EQ(t.columns % 32, 0);
      EXPECT_EQ(t.rows % 12, 0);
      // Below that not even the smallest tile of the kernel fits.
      if (m >= 12 * (2 * d + 34) + 64 * d) {
        EXPECT_LE(2 * t.columns * d + t.rows * (2 * d + t.columns + 2), m) << d << " " << m;
      }
      const TileSizes two = KernelTiles(shape, TiledSchedule::kTwoPhase, m, rates);
      EXPECT_EQ(two.columns % 32, 0);
      EXPECT_EQ(two.rows % 12, 0);
      EXPECT_LE(two.columns * (two.columns + 2 * two.rows), m) << d << " " << m;
      EXPECT_LE(two.rows * two.columns + two.slab * (two.rows + two.columns), m) << d << " " << m;
    }
  }
  const AttentionShape tiny = {3, 3, 256, 1, 1, false};
  const TileSizes t = KernelTiles(tiny, TiledSchedule::kRowOuter, 100, rates);
  EXPECT_EQ(t.rows, 12);
  EXPECT_EQ(t.columns, 32);
}

TEST(AttentionClockTest, ScheduleFollowsTheCache) {
  const AttentionShape shape = {2048, 2048, 256, 1, 1, false};
  EXPECT_EQ(*KernelSchedule(shape, 131072), TiledSchedule::kRowOuter);
  EXPECT_EQ(*KernelSchedule(shape, 4096), TiledSchedule::kTwoPhase);
}

TEST(AttentionClockTest, TimesEveryTile) {
  const AttentionShape shape = {96, 96, 64, 1, 1, true};
  const auto report = ClockTiles(shape, 65536, 1, Context{});
  ASSERT_TRUE(report.ok()) << report.status();
  std::set<std::tuple<int, int64_t, int64_t, int64_t>> seen;
  for (const TileTime& t : report->grid) {
    EXPECT_GT(t.seconds, 0);
    seen.emplace(static_cast<int>(t.schedule), t.tiles.rows, t.tiles.columns, t.tiles.slab);
  }
  EXPECT_EQ(seen.size(), report->grid.size());
  EXPECT_GT(report->planned.seconds, 0);
  EXPECT_GT(report->planned_to_best, 0);
  EXPECT_GT(report->two_phase_to_row_outer, 0);
}

TEST(AttentionClockTest, RefusesWhatWouldTakeTooLong) {
  const auto code = [](const AttentionShape& shape) {
    return ClockTiles(shape, 65536, 3, Context{}).status().code();
  };
  EXPECT_EQ(code({1, 96, 64, 1, 1, false}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({1 << 20, 1 << 20, 64, 1, 1, false}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({20000, 20000, 1, 1, 1, false}), absl::StatusCode::kResourceExhausted);
  CancelToken token;
  token.Cancel();
  Context context;
  context.cancel = &token;
  EXPECT_EQ(ClockTiles({96, 96, 64, 1, 1, false}, 65536, 1, context).status().code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace weir::plan
