// The controller and its simulation on links that can be followed by hand.
#include <algorithm>
#include <cmath>

#include "generate/prompt_cache/bandwidth.h"
#include "generate/prompt_cache/stream_controller.h"
#include "generate/prompt_cache/stream_simulation.h"
#include "gtest/gtest.h"

namespace weir::generate {
namespace {

// Ten chunks of 1, 2 and 4 MB; computing one takes 0.4 s, decoding 5 ms.
std::vector<ChunkCost> Chunks() {
  return std::vector<ChunkCost>(
      10,
      {.bytes = {1000000, 2000000, 4000000}, .decode_s = {0.005, 0.005, 0.005}, .compute_s = 0.4});
}
constexpr std::array<double, 4> kLosses = {0, 4, 2, 1};

BandwidthTrace Link(std::vector<double> megabytes_per_s) {
  BandwidthTrace trace{.step_s = 0.5};
  for (double mb : megabytes_per_s) trace.bytes_per_s.push_back(mb * 1e6);
  return trace;
}

TEST(BandwidthTest, BytesAndArrivalsAgree) {
  const BandwidthTrace link = Link({10, 0, 4});
  EXPECT_DOUBLE_EQ(link.Bytes(0, 0.5), 5e6);
  EXPECT_DOUBLE_EQ(link.Bytes(0.25, 1.5), 2.5e6 + 2e6);
  EXPECT_DOUBLE_EQ(link.Arrival(5e6, 0), 0.5);
  EXPECT_DOUBLE_EQ(link.Arrival(6e6, 0), 1.25);  // through the pause
  EXPECT_DOUBLE_EQ(link.Arrival(4e6, 5), 6);     // the last piece goes on
  EXPECT_TRUE(std::isinf(Link({1, 0}).Arrival(1e6, 0)));
  for (double bytes : {1.0, 3e6, 9e6}) {
    for (double from : {0.0, 0.3, 0.7, 2.0}) {
      EXPECT_NEAR(link.Bytes(from, link.Arrival(bytes, from)), bytes, 1e-3);
    }
  }
}

TEST(BandwidthTest, ParsesAndRefuses) {
  const auto trace = BandwidthTrace::Parse("100,0,2.5", 0.2);
  ASSERT_TRUE(trace.ok());
  EXPECT_EQ(trace->bytes_per_s, (std::vector<double>{12.5e6, 0, 312500}));
  EXPECT_TRUE(BandwidthTrace::Parse("", 1)->unlimited());
  for (const char* bad : {"x", "1,,2", "-1", "nan", "1e9"}) {
    EXPECT_EQ(BandwidthTrace::Parse(bad, 1).status().code(), absl::StatusCode::kInvalidArgument)
        << bad;
  }
  const BandwidthTrace a = BandwidthTrace::Random(7, 100, 0.5);
  EXPECT_EQ(a.bytes_per_s, BandwidthTrace::Random(7, 100, 0.5).bytes_per_s);
  EXPECT_NE(a.bytes_per_s, BandwidthTrace::Random(8, 100, 0.5).bytes_per_s);
  bool paused = false;
  for (double rate : a.bytes_per_s) {
    paused |= rate == 0;
    EXPECT_TRUE(rate == 0 || (rate >= 0.5 * 0.1e9 / 8 * 0.999 && rate <= 0.5 * 10e9 / 8 * 1.001));
  }
  EXPECT_TRUE(paused);
}

TEST(StreamControllerTest, TakesTheBestLevelThatFits) {
  // 40 MB at level 3, 20 at level 2, 10 at level 1, .
  for (const auto& [rate, level] : {std::pair{200e6, 3}, {100e6, 2}, {50e6, 1}}) {
    const StreamController c(Chunks(), {.deadline_s = 1, .prior_bytes_per_s = rate});
    EXPECT_EQ(c.Level(0, 0, 0), level) << rate;
  }
  StreamController unknown(Chunks(), {.deadline_s = 1.9});
  EXPECT_EQ(unknown.Level(0, 0, 0), 2);  // the paper's middle level
  unknown.Observe(4000000, 0.02);        // 200 MB/s
  EXPECT_EQ(unknown.Level(1, 0.02, 0.02), 3);
  unknown.Observe(4000000, 1);  // slower counts at once
  EXPECT_EQ(unknown.bytes_per_s(), 4e6);
  EXPECT_EQ(unknown.Level(2, 0.6, 0.6), 0);  // too late: an idle processor helps
  EXPECT_EQ(unknown.Level(2, 0.6, 0.9), 1);  // a busy one has enough to do
  // A level that was not saved is not chosen.
  auto some = Chunks();
  for (ChunkCost& c : some) c.bytes[1] = c.bytes[2] = 0;
  EXPECT_EQ(StreamController(some, {.deadline_s = 9, .prior_bytes_per_s = 1e9}).Level(0, 0, 0), 1);
}

TEST(StreamControllerTest, ComputesWhenTheLinkIsSlower) {
  StreamController c(Chunks(), {.deadline_s = 5, .prior_bytes_per_s = 10e6});
  EXPECT_FALSE(c.ComputeInstead(0, 1, 0, 0.001, 0.001));  // 0.1 s against 0.4 s
  EXPECT_TRUE(c.ComputeInstead(0, 1, 1000, 0.2, 0.2));    // it has stalled
  EXPECT_FALSE(c.ComputeInstead(0, 1, 900000, 0.5, 0.5)); // slow, but nearly there
  StreamController slow(Chunks(), {.deadline_s = 1, .prior_bytes_per_s = 1e6});
  EXPECT_TRUE(slow.ComputeInstead(0, 1, 0, 0, 0));  // 1 s against 0.4 s
}

TEST(StreamSimulationTest, AFastLinkLoadsAtLevelThree) {
  const SimulatedLoad load =
      SimulateLoad(Chunks(), Link({1000}), {.deadline_s = 1}, kLosses, 0);
  EXPECT_EQ(load.levels[0], 2);
  for (size_t i = 1; i < 10; ++i) EXPECT_EQ(load.levels[i], 3);
  // Ten decodes of 5 ms behind the first arrival: transfers of 4 ms hide behind them.
  EXPECT_NEAR(load.finish_s, 0.002 + 10 * 0.005, 1e-9);
  EXPECT_NEAR(load.loss, (2 + 9 * 1) / 10.0, 1e-9);
}

TEST(StreamSimulationTest, ADeadLinkFallsBackToText) {
  // 5 MB arrive, then nothing ever again: what is not there by then is computed without a wait.
  const SimulatedLoad load =
      SimulateLoad(Chunks(), Link({10, 0}), {.deadline_s = 1}, kLosses, 0);
  for (size_t i = 5; i < 10; ++i) EXPECT_EQ(load.levels[i], 0) << i;
  EXPECT_GE(std::count_if(load.levels.begin(), load.levels.end(), [](int l) { return l > 0; }), 1);
  EXPECT_LT(load.finish_s, 0.5 + 9 * 0.4 + 0.3);
  for (int level = 1; level <= 3; ++level) {
    EXPECT_TRUE(
        std::isinf(SimulateLoad(Chunks(), Link({4, 0}), {}, kLosses, level).finish_s));
  }
}

// A link that comes back is used again.
TEST(StreamSimulationTest, RecoversAfterAnOutage) {
  const SimulatedLoad load =
      SimulateLoad(Chunks(), Link({8, 0, 0, 40}), {.deadline_s = 3}, kLosses, 0);
  int computed = 0, loaded_after = 0;
  for (int level : load.levels) {
    if (level == 0) ++computed;
    if (level > 0 && computed > 0) ++loaded_after;
  }
  EXPECT_GE(computed, 1);
  EXPECT_GE(loaded_after, 3);
  EXPECT_LT(load.finish_s, 3);
}

TEST(StreamSimulationTest, LateHalfAsOftenAsTheBestFixedLevel) {
  // 160 MB/s is the middle of the links, times the scale; level 3 takes 40 MB.
  auto chunks = Chunks();
  for (ChunkCost& chunk : chunks) chunk.compute_s = 0.2;
  const auto c = CompareOnTraces(chunks, 300, 1000, 0.2, {.deadline_s = 1.5}, kLosses);
  const auto& fixed = c.fixed[c.best_fixed - 1];
  EXPECT_GT(fixed.violations, 20);
  EXPECT_LE(2 * c.controller.violations, fixed.violations);
  EXPECT_LE(c.controller.loss, fixed.loss);
}

}  // namespace
}  // namespace weir::generate
