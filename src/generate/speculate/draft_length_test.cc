#include "generate/speculate/draft_length.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "generate/sample/random.h"
#include "gtest/gtest.h"

namespace weir::generate {
namespace {

// A machine whose passes cost `cost(rows)` nanoseconds and a text whose drafts are right with
// `chance(evidence)` a token; writes `tokens` tokens and returns the time against one token a pass.
struct Machine {
  std::function<double(int rows)> cost;
  std::function<double(int evidence)> chance;
  std::function<int(int64_t draw)> evidence = [](int64_t) { return 3; };  // 0: nothing is offered
  double noise = 0;  // passes take up to so much longer, at random

  double Write(DraftLength& length, int64_t tokens, uint64_t seed, int64_t* drafted = nullptr) {
    uint64_t draw = 0;
    const auto random = [&] { return UniformAt(seed, draw++); };
    double time = 0;
    int64_t written = 0, checked = 0;
    length.Begin();
    while (written < tokens) {
      const int e = evidence(written);
      const int offered = e == 0 ? 0 : DraftLength::kMost;
      const int k = e == 0 ? 0 : length.Choose(e, offered);
      const double took = cost(k + 1) * (1 + noise * random());
      int right = 0;
      while (right < offered) {
        const bool good = random() < chance(e + right);
        length.Saw(e + right, good);
        if (!good || right == k) break;
        ++right;
      }
      length.PassTook(k + 1, right + 1, static_cast<int64_t>(took));
      time += took;
      written += right + 1;
      checked += k;
    }
    if (drafted != nullptr) *drafted = checked;
    return time / (cost(1) * (1 + noise / 2) * written);
  }
};

double MemoryBound(int rows) { return 1e7 * (1 + 0.05 * (rows - 1)); }
double ComputeBound(int rows) { return 1e6 * rows; }

TEST(DraftLengthTest, DraftsNothingBeforeAnythingWasMeasured) {
  DraftLength length;
  EXPECT_EQ(length.Cost(4), 0);
  EXPECT_EQ(length.Choose(8, 10), 0);
  length.PassTook(1, 1, 1000);
  EXPECT_EQ(length.Choose(8, 10), 0);
  length.PassTook(1, 1, 1000);
  // No prompt has shown what a row costs: half a pass, until one is tried.
  EXPECT_EQ(length.Cost(4), 2500);
  EXPECT_EQ(length.Choose(8, 10), 1);
  length.PromptTook(100, 5000);
  EXPECT_EQ(length.Cost(4), 1150);
  EXPECT_EQ(length.Choose(8, 10), 1);  // lengths double
  length.PassTook(2, 2, 1050);
  EXPECT_EQ(length.Choose(8, 10), 3);
  length.PassTook(4, 4, 1150);
  EXPECT_GT(length.Choose(8, 10), 3);
  EXPECT_EQ(length.Choose(8, 2), 2);
  EXPECT_EQ(length.Choose(8, 0), 0);
  EXPECT_EQ(length.Choose(0, 10), 0);
}

TEST(DraftLengthTest, CostsBetweenMeasuredRowsAreLinear) {
  DraftLength length;
  for (int i = 0; i < 3; ++i) length.PassTook(1, 1, 1000);
  length.PassTook(5, 5, 3000);
  EXPECT_DOUBLE_EQ(length.Cost(3), 2000);
  EXPECT_DOUBLE_EQ(length.Cost(5), 3000);
  EXPECT_DOUBLE_EQ(length.Cost(6), 3500);
  length.PassTook(3, 3, 800);  // no pass is cheaper than a smaller one
  EXPECT_DOUBLE_EQ(length.Cost(3), 1000);
}

TEST(DraftLengthTest, FollowsTheBestLength) {
  Machine machine{.cost = MemoryBound, .chance = [](int) { return 0.9; }};
  DraftLength length;
  length.PromptTook(100, 5e7);
  machine.Write(length, 2000, 1);
  int64_t drafted = 0;
  const double time = machine.Write(length, 2000, 2, &drafted);
  // Beside every constant length.
  double best = 1;
  for (int k = 1; k <= DraftLength::kMost; ++k) {
    double tokens = 1, chance = 1;
    for (int i = 0; i < k; ++i) tokens += chance *= 0.9;
    best = std::min(best, MemoryBound(k + 1) / MemoryBound(1) / tokens);
  }
  EXPECT_LT(time, 1.1 * best);
  EXPECT_GT(drafted, 2000);
}

TEST(DraftLengthTest, SwitchesOffWhereNothingIsRight) {
  for (double noise : {0.0, 0.5}) {
    Machine machine{.cost = MemoryBound, .chance = [](int) { return 0.002; }, .noise = noise};
    DraftLength length;
    length.PromptTook(100, 5e7);
    int64_t early = 0, late = 0;
    EXPECT_LT(machine.Write(length, 100, 3, &early), 1.02) << noise;
    EXPECT_LT(machine.Write(length, 1000, 4, &late), 1.02) << noise;
    EXPECT_LE(late, 10 * std::max<int64_t>(early, 5)) << noise;
  }
}

TEST(DraftLengthTest, SwitchesOffWhereRowsCostAsMuchAsPasses) {
  Machine machine{.cost = ComputeBound, .chance = [](int) { return 0.95; }};
  DraftLength length;
  length.PromptTook(100, 1e7);  // says that rows are cheap, as large products are: a trap
  EXPECT_LT(machine.Write(length, 300, 5), 1.02);
  int64_t drafted = 0;
  EXPECT_LT(machine.Write(length, 1000, 6, &drafted), 1.02);
}

TEST(DraftLengthTest, IsNeverMuchSlowerThanOff) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const double row = UniformAt(seed, 1000), step = 0.5 * UniformAt(seed, 1001);
    const double right = UniformAt(seed, 1002), prompt = 0.02 + UniformAt(seed, 1003);
    Machine machine{
        .cost = [=](int n) { return 1e7 * (1 + row * (n - 1) + (n > 1 ? step : 0)); },
        .chance = [=](int e) { return std::min(0.98, right * (0.5 + 0.05 * e)); },
        // Stretches that are offered drafts of all kinds, and some without.
        .evidence = [=](int64_t i) { return static_cast<int>(UniformAt(seed, i / 20) * 9); },
        .noise = UniformAt(seed, 1004) * 0.2};
    DraftLength length;
    length.PromptTook(100, static_cast<int64_t>(1e9 * prompt));
    double worst = 0;  // 2%, and what noise leaves in the sum of 256 passes
    for (uint64_t text = 0; text < 4; ++text) {
      worst = std::max(worst, machine.Write(length, 256, seed * 7 + text));
    }
    EXPECT_LT(worst, 1.025) << "seed " << seed << " row " << row << " step " << step << " right "
                           << right;
  }
}

TEST(DraftLengthTest, ComesBackWhenTheTextBeginsToRepeat) {
  double chance = 0.01;
  Machine machine{.cost = MemoryBound, .chance = [&](int) { return chance; }};
  DraftLength length;
  length.PromptTook(100, 5e7);
  machine.Write(length, 500, 8);
  chance = 0.95;
  EXPECT_LT(machine.Write(length, 500, 9), 0.6);
}

}  // namespace
}  // namespace weir::generate
