// Every schedule computes exact attention, whatever its tiles.
#include "gtest/gtest.h"
#include "plan/attention_arithmetic.h"
#include "plan/attention_schedule.h"

namespace weir::plan {
namespace {

void ExpectExact(const AttentionShape& shape, Schedule schedule, const Tiles& tiles, int64_t m) {
  Arithmetic machine(shape);
  Walk(shape, schedule, tiles, m, machine);
  EXPECT_LT(machine.ErrorOfOutputs(), 1e-5)
      << NameOf(schedule) << " queries " << shape.queries << " keys " << shape.keys << " d "
      << shape.head_dim << " heads " << shape.heads << "/" << shape.kv_heads << " causal "
      << shape.causal << " tiles " << tiles.rows << " x " << tiles.columns << ", " << tiles.slab
      << " M " << m;
}

TEST(AttentionExactTest, SchedulesEqualNaive) {
  const AttentionShape shapes[] = {{1, 1, 1, 1, 1, false},   {48, 48, 16, 1, 1, false},
                                   {47, 47, 12, 1, 1, true}, {20, 20, 8, 3, 1, true},
                                   {1, 50, 16, 6, 2, true},  {9, 40, 20, 4, 2, true},
                                   {64, 64, 32, 2, 1, false}};
  for (const AttentionShape& shape : shapes) {
    for (const Schedule schedule : kSchedules) {
      for (const int64_t m : {3, 5, 17, 100, 300, 1000, 10000}) {
        if (const auto tiles = BestTiles(shape, schedule, m)) {
          ExpectExact(shape, schedule, *tiles, m);
        }
      }
    }
  }
}

TEST(AttentionExactTest, TilesThatDivideNothing) {
  const AttentionShape shape = {29, 31, 10, 2, 1, true};
  for (const Tiles& tiles : {Tiles{7, 5, 3}, Tiles{1, 30, 1}, Tiles{58, 1, 10}, Tiles{13, 13, 9}}) {
    for (const Schedule schedule : kSchedules) ExpectExact(shape, schedule, tiles, 20);
  }
}

}  // namespace
}  // namespace weir::plan
