#include "plan/io_complexity.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/registry.h"
#include "gtest/gtest.h"
#include "plan/attention_count.h"
#include "plan/machine_caches.h"
#include "plan/plan_model.h"

namespace weir::plan {

void RegisterIoComplexity(Registry& registry);

namespace {

constexpr int64_t kDims[] = {32, 64, 128, 256};

AttentionShape Square(int64_t n, int64_t d) { return {n, n, d, 1, 1, false}; }

// Counted by the walk, of the planned schedule and tiles.
int64_t Counted(const AttentionShape& shape, int64_t m) {
  const auto plan = PlanAttention(shape, m);
  EXPECT_TRUE(plan.ok()) << plan.status();
  const auto counted = CountByWalking(shape, plan->best().schedule, plan->best().tiles, m);
  EXPECT_TRUE(counted.ok()) << counted.status();
  EXPECT_EQ(counted->words, plan->best().words);
  return counted->words.total();
}

std::vector<int64_t> Sizes(int64_t first, int64_t last) {
  std::vector<int64_t> sizes;
  for (double m = first; m <= last * 1.001; m *= std::sqrt(2.0)) sizes.push_back(std::lround(m));
  return sizes;
}

// Of planned words, which Counted has shown to be those that a walk moves.
double Slope(const AttentionShape& shape, int64_t first, int64_t last) {
  std::vector<AttentionPlan> plans;
  for (const int64_t m : Sizes(first, last)) {
    Counted(shape, m);
    plans.push_back(*PlanAttention(shape, m));
  }
  return SlopeOf(plans).value_or(0);
}

TEST(IoComplexityTest, CountsStayWithinTwelveOfTheBound) {
  for (const int64_t d : kDims) {
    const AttentionShape shape = Square(1024, d);
    for (const int64_t m : Sizes(64, 65536)) {
      const double ratio = static_cast<double>(Counted(shape, m)) / Bound(shape, m);
      EXPECT_LE(ratio, 12) << "d " << d << " M " << m;
      EXPECT_GE(ratio, 1) << "d " << d << " M " << m;
    }
  }
}

TEST(IoComplexityTest, CountsFallAsTheCacheGrows) {
  for (const int64_t d : kDims) {
    for (const bool causal : {false, true}) {
      AttentionShape shape = Square(1024, d);
      shape.causal = causal;
      int64_t before = std::numeric_limits<int64_t>::max();
      for (const int64_t m : Sizes(64, 65536)) {
        const int64_t counted = Counted(shape, m);
        EXPECT_LE(counted, before) << "d " << d << " M " << m << " causal " << causal;
        before = counted;
      }
    }
  }
}

// -1/2 below d^2 at N = 1024. Above, reading Q and writing O once (2 N d words at any M) flattens
// the line as M nears N d: the -1 of the theorem is about N >> M / d, so it takes a longer N.
TEST(IoComplexityTest, SlopesBendAtTheSquareOfTheHeadDimension) {
  for (const int64_t d : kDims) {
    EXPECT_NEAR(Slope(Square(1024, d), 64, d * d), -0.5, 0.1) << "d " << d;
    EXPECT_NEAR(Slope(Square(16384, d), d * d, 8 * d * d), -1.0, 0.1) << "d " << d;
  }
}

// Without a count below 4 d + 3 words, where not even one row and one key fit.
int64_t RowOuterWords(const AttentionShape& shape, int64_t m) {
  const auto tiles = BestTiles(shape, Schedule::kRowOuter, m);
  EXPECT_EQ(tiles.has_value(), m >= 4 * shape.head_dim + 3);
  if (!tiles) return std::numeric_limits<int64_t>::max();
  return CountWords(shape, Schedule::kRowOuter, *tiles, m).total();
}

TEST(IoComplexityTest, SlopesOfKnownLines) {
  std::vector<AttentionPlan> plans(3);
  for (int i = 0; i < 3; ++i) {
    plans[i].cache_words = int64_t{100} << i;
    plans[i].schedules.resize(1);
    plans[i].schedules[0].words.loads = int64_t{6400} >> (2 * i);  // M^-2
  }
  EXPECT_NEAR(*SlopeOf(plans), -2, 1e-9);
  EXPECT_FALSE(SlopeOf(std::span(plans).first(1)).has_value());
  EXPECT_FALSE(SlopeOf(std::vector<AttentionPlan>(2, plans[0])).has_value());
}

TEST(IoComplexityTest, RegimesCrossOver) {
  for (const int64_t d : kDims) {
    for (const int64_t n : {1024, 65536}) {
      const AttentionShape shape = Square(n, d);
      const auto two_phase = [&](int64_t m) {
        return CountWords(shape, Schedule::kTwoPhase, *BestTiles(shape, Schedule::kTwoPhase, m), m)
            .total();
      };
      for (int64_t m = 8; m < d * d / 8; ++m) {
        ASSERT_LT(two_phase(m), RowOuterWords(shape, m)) << "d " << d << " N " << n << " M " << m;
      }
      for (int64_t m = 4 * d * d + 1; m < 64 * d * d; m += 1 + m / 200) {
        ASSERT_LT(RowOuterWords(shape, m), two_phase(m)) << "d " << d << " N " << n << " M " << m;
      }
      EXPECT_EQ(PlanAttention(shape, d * d / 8)->best().schedule, Schedule::kTwoPhase);
      EXPECT_EQ(PlanAttention(shape, 4 * d * d)->best().schedule, Schedule::kRowOuter);
    }
  }
}

TEST(IoComplexityTest, RegimeAndBoundOfEachRange) {
  const AttentionShape shape = Square(1024, 64);
  EXPECT_EQ(RegimeOf(shape, 4095), Regime::kTwoPhase);
  EXPECT_EQ(RegimeOf(shape, 4096), Regime::kTiled);
  EXPECT_EQ(RegimeOf(shape, 65536), Regime::kTiled);
  EXPECT_EQ(RegimeOf(shape, 65537), Regime::kFits);
  EXPECT_EQ(RegimeOf(Square(32, 64), 100), Regime::kFits);  // d > N
  // Both expressions are N^2 at M = d^2.
  EXPECT_DOUBLE_EQ(Bound(shape, 4096), 1024.0 * 1024);
  EXPECT_NEAR(Bound(shape, 4095), 1024.0 * 1024, 200);
  EXPECT_DOUBLE_EQ(Bound(shape, 70000), 4.0 * 1024 * 64);
  // With room for all, everything is read and written once.
  EXPECT_EQ(PlanAttention(shape, 1 << 20)->best().words.total(), 4 * 1024 * 64);
  // Gemma 3 270M (d = 256): two phases for an L1 of 12,288 words, tiles for an L2 of 262,144.
  EXPECT_EQ(RegimeOf(Square(4096, 256), 12288), Regime::kTwoPhase);
  EXPECT_EQ(RegimeOf(Square(4096, 256), 262144), Regime::kTiled);
}

// One position: no schedule helps, keys and values are read once.
TEST(IoComplexityTest, DecodeReadsKeysAndValuesOnce) {
  for (const int64_t m : {2048, 12288, 262144}) {
    const AttentionShape shape = {1, 4096, 64, 9, 3, true};
    const auto plan = PlanAttention(shape, m);
    ASSERT_TRUE(plan.ok());
    EXPECT_EQ(plan->regime, Regime::kDecode);
    EXPECT_EQ(plan->best().words.total(), 2 * 4096 * 64 + 2 * 3 * 64) << m;
    EXPECT_DOUBLE_EQ(plan->ratio(), 1);
  }
  EXPECT_EQ(RegimeOf({8, 4096, 64, 1, 1, true}, 12288), Regime::kDecode);  // a short chunk
  EXPECT_EQ(RegimeOf({64, 4096, 64, 1, 1, true}, 12288), Regime::kTiled);
}

TEST(IoComplexityTest, RefusesWhatItCannotPlan) {
  const auto code = [](const AttentionShape& shape, int64_t m) {
    return PlanAttention(shape, m).status().code();
  };
  EXPECT_EQ(code(Square(64, 16), 2), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Square(64, 16), int64_t{1} << 50), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Square(0, 16), 100), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Square(64, 5000), 100), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({65, 64, 16, 1, 1, false}, 100), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({64, 64, 16, 3, 2, false}, 100), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({1 << 24, 1 << 24, 4096, 1024, 1024, false}, 100),
            absl::StatusCode::kInvalidArgument);
  for (const int64_t m : {3, 4, 5}) {  // the smallest caches leave unfused, then two phases
    const auto plan = PlanAttention(Square(64, 16), m);
    ASSERT_TRUE(plan.ok());
    EXPECT_EQ(plan->best().schedule, m < 5 ? Schedule::kUnfused : Schedule::kTwoPhase);
    EXPECT_LE(plan->best().resident, m);
  }
}

TEST(IoComplexityTest, TheLargestProblemsArePlannedAtOnce) {
  const auto plan = PlanAttention({1 << 24, 1 << 24, 256, 4, 1, true}, 1000);
  ASSERT_TRUE(plan.ok()) << plan.status();
  for (const SchedulePlan& one : plan->schedules) EXPECT_GE(one.words.loads, 0);
  EXPECT_GT(plan->ratio(), 1);
}

TEST(IoComplexityTest, SweepsHoldTheKink) {
  const std::vector<int64_t> sizes = SweepSizes(Square(1024, 96), 64);
  EXPECT_TRUE(std::is_sorted(sizes.begin(), sizes.end()));
  EXPECT_EQ(std::count(sizes.begin(), sizes.end(), 96 * 96), 1);
  EXPECT_GT(sizes.back(), 1024 * 96);
}

TEST(IoComplexityTest, IsRegistered) {
  Registry registry;
  registry.BeginCard({"io-complexity", "PlanModel", "", ""});
  RegisterIoComplexity(registry);
  OptionTable options = OwnedOptions<AttentionPlanOptions>();
  ASSERT_TRUE(options.Set("cache", "4096").ok());
  ASSERT_TRUE(options.Set("heads", "4").ok());
  const auto model = registry.Make<PlanModel>("io-complexity", options);
  ASSERT_TRUE(model.ok());
  const auto predicted = (*model)->Predict();
  ASSERT_TRUE(predicted.ok());
  EXPECT_EQ(predicted->front().value,
            4.0 * PlanAttention(Square(2048, 64), 4096)->best().words.total());
}

TEST(MachineCachesTest, SizesAreInOrder) {
  const auto levels = DetectCaches();
  if (!levels.ok()) GTEST_SKIP() << levels.status();
  ASSERT_EQ(levels->size(), 2);
  EXPECT_GE(levels->at(0).bytes, 4096);
  EXPECT_GT(levels->at(1).bytes, levels->at(0).bytes);
}

}  // namespace
}  // namespace weir::plan
