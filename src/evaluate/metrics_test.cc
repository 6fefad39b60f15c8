#include "evaluate/metrics.h"

#include <cmath>
#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::evaluate {
namespace {

// The generator of tests/data/metrics/make_expected.py, draw for draw.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}
  uint64_t Below(uint64_t n) {
    state_ += 0x9E3779B97F4A7C15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return (z ^ (z >> 31)) % n;
  }

 private:
  uint64_t state_;
};

struct Case {
  Qrels qrels;
  RankedRun run;
};

Case MakeCase(uint64_t seed) {
  SplitMix64 random(seed);
  Case made;
  const uint64_t queries = 1 + random.Below(6);
  for (uint64_t q = 0; q < queries; ++q) {
    const uint64_t pool = 1 + random.Below(180);
    const uint64_t levels = 1 + random.Below(40);
    std::map<std::string, int> judged;
    std::vector<Ranked> ranked;
    for (uint64_t d = 0; d < pool; ++d) {
      const std::string name = "d" + std::to_string(d);
      if (random.Below(4) == 0) judged[name] = static_cast<int>(random.Below(5)) - 1;
      if (random.Below(5) != 0) {
        const double coarse = static_cast<double>(random.Below(levels)) * 0.25;
        ranked.push_back({name, coarse + static_cast<double>(random.Below(2)) * 1e-9 - 3.0});
      }
    }
    const uint64_t kind = random.Below(8);
    const std::string name = "q" + std::to_string(q);
    if (kind != 0 && !judged.empty()) made.qrels[name] = judged;
    if (kind != 1 && !ranked.empty()) made.run[name] = ranked;
  }
  return made;
}

TEST(MetricsTest, EqualsTrecEvalOnRandomRuns) {
  std::ifstream expected(WEIR_SOURCE_DIR "/tests/data/metrics/expected.csv");
  ASSERT_TRUE(expected.is_open());
  std::string line;
  std::getline(expected, line);
  int rows = 0, nonzero = 0;
  for (; std::getline(expected, line); ++rows) {
    const Case made = MakeCase(static_cast<uint64_t>(rows));
    const Evaluation ours = Evaluate(made.qrels, made.run, StandardMetrics());
    std::istringstream cells(line);
    std::string cell;
    for (const MetricSpec& metric : StandardMetrics()) {
      ASSERT_TRUE(std::getline(cells, cell, ','));
      const double theirs = std::stod(cell);
      ASSERT_NEAR(ours.mean.at(metric.Name()), theirs, 1e-6) << metric.Name() << " of run " << rows;
      nonzero += theirs != 0;
    }
  }
  EXPECT_EQ(rows, 1000);
  EXPECT_GT(nonzero, 4000);
}

TEST(MetricsTest, ByHand) {
  const Qrels qrels = {{"q", {{"a", 3}, {"b", 1}, {"c", 2}, {"n", -1}}}};
  // order: x (unjudged), b before a by name although the scores tie, n
  const RankedRun run = {{"q", {{"a", 1}, {"n", 0.5}, {"x", 2}, {"b", 1}}}};
  const Evaluation e = Evaluate(qrels, run, StandardMetrics());
  const double ideal = 3 + 2 / std::log2(3.0) + 1 / std::log2(4.0);
  EXPECT_DOUBLE_EQ(e.mean.at("ndcg@10"), (1 / std::log2(3.0) + 3 / std::log2(4.0)) / ideal);
  EXPECT_DOUBLE_EQ(e.mean.at("recall@100"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(e.mean.at("map"), (1.0 / 2 + 2.0 / 3) / 3);
  EXPECT_DOUBLE_EQ(e.mean.at("mrr@10"), 0.5);
  EXPECT_DOUBLE_EQ(e.mean.at("p@10"), 0.2);
}

TEST(MetricsTest, AveragesOverWhatWasAskedFor) {
  const Qrels qrels = {{"q1", {{"a", 1}}}, {"q2", {{"a", 1}}}, {"q3", {{"a", 1}}}};
  const RankedRun run = {{"q1", {{"a", 1}}}, {"q2", {}}, {"unjudged", {{"a", 1}}}};
  const Evaluation retrieved = Evaluate(qrels, run, StandardMetrics());
  EXPECT_EQ(retrieved.queries, 2);
  EXPECT_DOUBLE_EQ(retrieved.mean.at("map"), 0.5);
  const Evaluation judged = Evaluate(qrels, run, StandardMetrics(), Averaging::kJudged);
  EXPECT_EQ(judged.queries, 3);
  EXPECT_DOUBLE_EQ(judged.mean.at("map"), 1.0 / 3);
  EXPECT_EQ(judged.per_query.count("unjudged"), 0u);
  EXPECT_DOUBLE_EQ(Evaluate({}, run, StandardMetrics()).mean.at("map"), 0);
}

TEST(MetricsTest, OrderOfTheRunDoesNotMatter) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Case made = MakeCase(seed);
    const Evaluation before = Evaluate(made.qrels, made.run, StandardMetrics());
    for (auto& [query, documents] : made.run) {
      std::reverse(documents.begin(), documents.end());
    }
    EXPECT_EQ(before.per_query, Evaluate(made.qrels, made.run, StandardMetrics()).per_query);
  }
}

TEST(MetricsTest, ParsesNames) {
  for (const char* name : {"ndcg@10", "recall@100", "map", "mrr@10", "p@10", "ndcg@1000000"}) {
    const auto parsed = ParseMetric(name);
    ASSERT_TRUE(parsed.ok()) << name;
    EXPECT_EQ(parsed->Name(), name);
  }
  for (const char* name :
       {"", "ndcg", "ndcg@", "ndcg@0", "ndcg@-1", "ndcg@1000001", "map@5", "f1@3"}) {
    EXPECT_EQ(ParseMetric(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace weir::evaluate
