#include "evaluate/sets.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::evaluate {
namespace {

using ::testing::HasSubstr;

// A set in which the pipelines have these values, one a query.
EvalRecord Set(const std::string& name, const std::map<std::string, std::vector<double>>& values) {
  EvalRecord record;
  record.set = name;
  for (const auto& [pipeline, of_queries] : values) {
    EvalRun run{.pipeline = pipeline};
    for (size_t q = 0; q < of_queries.size(); ++q) {
      for (const MetricSpec& metric : StandardMetrics()) {
        run.per_query[absl::StrCat("q", q)][metric.Name()] = of_queries[q];
        run.metrics[metric.Name()] += of_queries[q] / static_cast<double>(of_queries.size());
      }
    }
    run.queries = static_cast<int64_t>(of_queries.size());
    record.runs.push_back(std::move(run));
  }
  return record;
}

SetsRecord Two() {
  SetsRecord record;
  record.sets.push_back(Set("small", {{"bm25", {0.5, 0.1}}, {"dense", {0.1, 0.1}},
                                      {"hybrid", {0.5, 0.3}}}));
  record.sets.push_back(Set("large", {{"bm25", {0, 0, 0, 0}}, {"dense", {0.4, 0.4, 0.4, 0.4}},
                                      {"hybrid", {0.5, 0.3, 0.4, 0.4}}}));
  return record;
}

TEST(SetsTest, ASetCountsTheSameWhateverItsSize) {
  SetsRecord record = Two();
  ASSERT_TRUE(CompareSets({}, record).ok());
  EXPECT_EQ(record.sets[0].tests.baseline, "bm25");   // the best single one of each set
  EXPECT_EQ(record.sets[1].tests.baseline, "dense");
  EXPECT_EQ(record.tests.baseline, "dense");          // .25 against .15 in the mean
  ASSERT_EQ(record.mean.size(), 3u);
  EXPECT_DOUBLE_EQ(record.mean[0].metrics.at("ndcg@10"), (0.3 + 0) / 2);
  EXPECT_EQ(record.mean[0].queries, 6);
  ASSERT_EQ(record.tests.rows.size(), 2u);
  const Comparison& hybrid = record.tests.rows[1];
  EXPECT_EQ(hybrid.run, "hybrid");
  EXPECT_NEAR(hybrid.test.mean, ((0.4 + 0.2) / 2 + 0) / 2, 1e-12);
  EXPECT_EQ(hybrid.queries, 6);
  EXPECT_EQ(hybrid.better, 3);
  EXPECT_EQ(hybrid.worse, 1);
  EXPECT_GE(record.tests.rows[0].holm_p, record.tests.rows[0].test.p);
}

TEST(SetsTest, TheBaselineCanBeChosen) {
  SetsRecord record = Two();
  ASSERT_TRUE(CompareSets({.baseline = "hybrid"}, record).ok());
  EXPECT_EQ(record.sets[0].tests.baseline, "hybrid");
  EXPECT_EQ(MarkOf(record.tests, "hybrid"), "=");
  EXPECT_EQ(CompareSets({.baseline = "sparse"}, record).code(),
            absl::StatusCode::kInvalidArgument);
  SetsRecord none;
  EXPECT_TRUE(CompareSets({}, none).ok());
}

TEST(SetsTest, MarksAreOfTestsThatHold) {
  std::vector<double> low(40, 0.2), high(40, 0.6), mixed;
  for (int i = 0; i < 40; ++i) mixed.push_back(i % 2 == 0 ? 0.1 : 0.3);
  SetsRecord record;
  record.sets.push_back(Set("s", {{"bm25", low}, {"dense", mixed}, {"hybrid", high}}));
  ASSERT_TRUE(CompareSets({.baseline = "bm25"}, record).ok());
  EXPECT_EQ(MarkOf(record.tests, "hybrid"), "+");
  EXPECT_EQ(MarkOf(record.tests, "dense"), "");
  ASSERT_TRUE(CompareSets({.baseline = "hybrid"}, record).ok());
  EXPECT_EQ(MarkOf(record.tests, "bm25"), "-");
  EXPECT_THAT(SetsToJson(record, {}, {.weir = "9", .command = "c"}),
              HasSubstr(R"("mean":{"sets":1,"runs":[{"pipeline":"bm25")"));
  EXPECT_THAT(EvalToJson(record.sets[0], {}), HasSubstr(R"("baseline":"hybrid","tests":[)"));
}

TEST(SetsTest, PipelinesHaveNames) {
  EXPECT_EQ(ParsePipeline("hybrid+cross")->rerank, "cross");
  EXPECT_EQ(ParsePipeline("bm25")->mode, "bm25");
  for (const char* bad : {"", "+cross", "telepathy", "bm25+telepathy", "bm25+"}) {
    EXPECT_EQ(ParsePipeline(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_TRUE(IsSingle("dense+cross"));
  EXPECT_FALSE(IsSingle("hybrid+cross"));
}

}  // namespace
}  // namespace weir::evaluate
