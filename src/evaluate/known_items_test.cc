#include "evaluate/known_items.h"

#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "evaluate/beir.h"
#include "evaluate/own.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::retrieve {
void RegisterBm25(Registry&);
}  // namespace weir::retrieve

namespace weir::evaluate {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

TEST(WhatQuestionTest, ReplacesTheSubject) {
  EXPECT_EQ(WhatQuestion("The Dvorak technique was developed in 1969 by Vernon Dvorak."),
            "What was developed in 1969 by Vernon Dvorak?");
  EXPECT_EQ(WhatQuestion("Weirs are built across rivers to raise the water."),
            "What are built across rivers to raise the water?");
  for (const char* none :
       {"", "It was developed in 1969 by Vernon Dvorak and others.",
        "In 1969, the technique was developed by Vernon Dvorak.", "The weir is old.",
        "A b c d e f g h i j was developed in 1969 by two people."}) {
    EXPECT_EQ(WhatQuestion(none), "") << none;
  }
}

// Passages with words of their own, a copy of one, and a heading above each.
class KnownItemsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/known_items_test";
    std::filesystem::remove_all(folder_);
    store_ = *index::Store::Open(folder_ + "/store", index::Store::Mode::kWrite, Context());
    std::vector<index::Prepared> batch;
    const char* places[] = {"harbour", "mountain", "desert", "glacier", "meadow", "canyon"};
    for (int i = 0; i < 6; ++i) {
      const std::string text = absl::StrCat(
          "The keeper of the ", places[i], " lighthouse was known for painting birds in winter. ",
          places[i], " ", places[(i + 1) % 6], " ", places[(i + 2) % 6], " stand in a row.");
      batch.push_back(Prepared(absl::StrCat("d", i), text));
    }
    batch.push_back(Prepared("copy", batch[0].document.text));
    ASSERT_TRUE(store_->AddBatch(batch, Context()).ok());
    ASSERT_TRUE(store_->Refresh().ok());
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  static index::Prepared Prepared(const std::string& path, const std::string& text) {
    index::Prepared out;
    out.document.path = path;
    out.document.sha256 = Sha256(path + text);
    out.document.format = "text";
    out.document.title = absl::StrCat("About ", path, " and birds");
    out.document.text = text;
    text::Passage passage;
    passage.span = {0, static_cast<int64_t>(text.size())};
    passage.text = text;
    out.passages.push_back(passage);
    return out;
  }
  std::string folder_;
  std::unique_ptr<index::Store> store_;
};

TEST_F(KnownItemsTest, CopiesCountAndSeedsRepeat) {
  const auto set = MakeKnownItems(*store_, {}, nullptr, Context());
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->passages.size(), 7u);
  EXPECT_THAT(set->Styles(), testing::ElementsAre("terms", "heading", "question"));
  int copies = 0;
  for (const KnownItem& query : set->queries) {
    EXPECT_THAT(query.relevant, Contains(query.source)) << query.query;
    const std::string& path = set->passages[query.source].path;
    if (query.style != "heading" && (path == "d0" || path == "copy")) {
      EXPECT_EQ(query.relevant, (std::vector<size_t>{0, 6})) << query.query;
      ++copies;
    }
  }
  EXPECT_EQ(copies, 2);  // one of each style: a query is asked once
  EXPECT_EQ(MakeKnownItems(*store_, {}, nullptr, Context())->Queries(), set->Queries());
  Context other;
  other.seed = 7;
  EXPECT_NE(MakeKnownItems(*store_, {}, nullptr, other)->Queries(), set->Queries());
}

TEST_F(KnownItemsTest, TheFolderIsBeir) {
  const auto set = MakeKnownItems(*store_, {}, nullptr, Context());
  ASSERT_TRUE(set.ok());
  ASSERT_TRUE(WriteKnownItems(*set, folder_ + "/out").ok());
  for (const char* split : {"test", "terms", "heading", "question"}) {
    const BeirPaths paths = BeirPathsOf(folder_ + "/out", split);
    const auto qrels = ReadQrels(**LineReader::Open(paths.qrels));
    ASSERT_TRUE(qrels.ok()) << qrels.status();
    EXPECT_EQ(*qrels, set->QrelsOf(std::string_view(split) == "test" ? "" : split));
    EXPECT_EQ(ReadJudgedQueries(paths.queries, *qrels)->size(), qrels->size());
  }
  EXPECT_EQ(WriteKnownItems(*set, folder_ + "/out").code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(KnownItemsTest, StylesAreMeasuredApart) {
  const auto set = MakeKnownItems(*store_, {}, nullptr, Context());
  ASSERT_TRUE(set.ok());
  Registry registry;
  retrieve::RegisterBm25(registry);
  RetrievalOptions options;
  options.pipelines = {"bm25"};
  auto records =
      EvaluateKnownItems(*store_, *set, {}, options, retrieve::Encoders(), registry, Context());
  ASSERT_TRUE(records.ok()) << records.status();
  ASSERT_EQ(records->size(), 3u);
  EXPECT_EQ((*records)[2].set, "question");
  EXPECT_DOUBLE_EQ((*records)[0].runs[0].metrics.at("recall@100"), 1);
  EXPECT_GT((*records)[0].runs[0].metrics.at("mrr@10"), 0.4);
  SetsRecord record;
  record.sets = *records;
  ASSERT_TRUE(Advise({.metric = "mrr@10"}, record).ok());
  EXPECT_EQ(record.recommended, "bm25");
  EXPECT_THAT(record.advice.front(), HasSubstr("Use bm25"));
}

TEST_F(KnownItemsTest, RefusesWhatItCannotMake) {
  const auto code = [&](std::vector<std::string> styles) {
    return MakeKnownItems(*store_, {.styles = std::move(styles)}, nullptr, Context())
        .status()
        .code();
  };
  EXPECT_EQ(code({"poems"}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({"terms", "terms"}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({"written"}), absl::StatusCode::kInvalidArgument);
  const auto empty = index::Store::Open(folder_ + "/empty", index::Store::Mode::kWrite, Context());
  EXPECT_EQ(MakeKnownItems(**empty, {}, nullptr, Context()).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(AdviceTest, TakesTheFasterOfEquals) {
  const auto run = [](const std::string& name, double value, double took_s) {
    EvalRun out{.pipeline = name, .queries = 60, .took_s = took_s};
    for (int q = 0; q < 60; ++q) {
      for (const MetricSpec& metric : StandardMetrics()) {
        out.per_query[absl::StrCat(q)][metric.Name()] = value + (q % 2) * 0.02;
        out.metrics[metric.Name()] = value + 0.01;
      }
    }
    return out;
  };
  SetsRecord record;
  EvalRecord style;
  style.set = "terms";
  style.runs = {run("bm25", 0.795, 0.1), run("dense", 0.5, 0.05), run("hybrid", 0.8, 2)};
  record.sets = {style};
  ASSERT_EQ(BestInMean(record.sets, "mrr@10"), "hybrid");
  ASSERT_TRUE(Advise({.metric = "mrr@10"}, record).ok());
  EXPECT_EQ(record.recommended, "bm25");  // .005 behind, in a twentieth of the time
  record.sets[0].runs[0] = run("bm25", 0.7, 0.1);
  ASSERT_TRUE(Advise({.metric = "mrr@10"}, record).ok());
  EXPECT_EQ(record.recommended, "hybrid");
  // Queries of the passages' own words decide nothing where there are others.
  style.set = "question";
  style.runs = {run("bm25", 0.5, 0.1), run("dense", 0.9, 0.2), run("hybrid", 0.6, 2)};
  record.sets.push_back(style);
  ASSERT_TRUE(Advise({.metric = "mrr@10"}, record).ok());
  EXPECT_EQ(record.recommended, "dense");
}

}  // namespace
}  // namespace weir::evaluate
