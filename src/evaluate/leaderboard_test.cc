#include "evaluate/leaderboard.h"

#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::evaluate {
namespace {

using ::testing::HasSubstr;

LeaderboardEntry Entry(const std::string& name, const std::vector<double>& values) {
  LeaderboardEntry entry{.name = name,
                         .time = "2026-01-02T03:04:05Z",
                         .origin = {.weir = "1", .command = "weir eval x", .machine = "m"},
                         .options = {{"depth", "100"}},
                         .metric = "ndcg@10"};
  EvalRecord& r = entry.record;
  r.set = "s";
  r.split = "test";
  r.folder = "/sets/s";
  r.fingerprint = "depth=100;encoder=a\\;b;corpus=c0";
  r.language = "auto";
  r.models = {{"encoder", "a;b"}};
  r.corpus_sha256 = "c0";
  r.queries_sha256 = "q0";
  r.qrels_sha256 = "j0";
  r.documents = 9;
  EvalRun run{.pipeline = "bm25", .queries = static_cast<int64_t>(values.size())};
  for (size_t q = 0; q < values.size(); ++q) {
    run.per_query[absl::StrCat("q", q)]["ndcg@10"] = values[q];
    run.metrics["ndcg@10"] += values[q] / static_cast<double>(values.size());
  }
  run.per_query_sha256 = "h";
  r.runs.push_back(run);
  return entry;
}

absl::StatusOr<std::vector<LeaderboardEntry>> Read(const std::string& text) {
  return ReadLeaderboard(
      *LineReader::OverBytes("board", std::as_bytes(std::span(text.data(), text.size()))));
}

TEST(LeaderboardTest, WhatIsWrittenIsRead) {
  const LeaderboardEntry entry = Entry("a \"name\"\n", {0.25, 0.5, 1.0 / 3});
  const std::string json = EntryToJson(entry);
  EXPECT_EQ(json.find('\n'), json.npos);
  const auto read = ParseEntry(json);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(EntryToJson(*read), json);
  EXPECT_EQ(read->name, entry.name);
  EXPECT_EQ(read->options, entry.options);
  EXPECT_EQ(read->record.models, entry.record.models);
  EXPECT_EQ(read->record.runs[0].metrics, entry.record.runs[0].metrics);
  EXPECT_DOUBLE_EQ(read->record.runs[0].per_query.at("q2").at("ndcg@10"), 0.333333);
}

TEST(LeaderboardTest, DamageIsToldWithFileAndLine) {
  const std::string good = EntryToJson(Entry("a", {0.5})) + "\n";
  EXPECT_EQ(Read(good + "\n" + good)->back().line, 3);
  const auto message = [&](const std::string& from, const std::string& to) {
    const auto read = Read(good + absl::StrReplaceAll(good, {{from, to}}));
    EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss) << to;
    return std::string(read.status().message());
  };
  EXPECT_THAT(message("{\"version\"", "\"version\""), HasSubstr("board:2: not JSON"));
  EXPECT_THAT(message("\"version\":1", "\"version\":2"), HasSubstr("board:2: version 2"));
  EXPECT_THAT(message("\"name\":\"a\"", "\"name\":[]"), HasSubstr("board:2: field \"name\""));
  EXPECT_THAT(message("\"seed\":0", "\"seed\":-1"), HasSubstr("field \"seed\""));
  EXPECT_THAT(message("{\"depth\":\"100\"}", "{\"depth\":100}"), HasSubstr("field \"options\""));
  EXPECT_THAT(message("{\"q0\":0.5}", "{\"q0\":7}"), HasSubstr("field \"per_query\""));
  EXPECT_THAT(message("\"qrels\":\"j0\"", "\"qrels\":null"), HasSubstr("field \"qrels\""));
  EXPECT_THAT(message("\"runs\":[{", "\"runs\":[1,{"), HasSubstr("field \"runs\""));
  std::string deep = "{\"version\":";
  for (int i = 0; i < 100000; ++i) deep += "[";
  EXPECT_EQ(Read(deep).status().code(), absl::StatusCode::kDataLoss);
}

TEST(LeaderboardTest, AppendingLosesNothing) {
  const std::string folder = testing::TempDir() + "/leaderboard_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const std::string path = folder + "/board.jsonl", link = folder + "/link.jsonl";
  std::filesystem::create_symlink(path, link);
  ASSERT_TRUE(AppendToLeaderboard(path, Entry("first", {0.1})).ok());
  std::vector<std::thread> writers;  // at the same time, half of them through a link
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(AppendToLeaderboard(w % 2 == 0 ? path : link,
                                        Entry(absl::StrCat(w, ".", i), {0.1})).ok());
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  const auto lines = LineReader::Open(path);
  const auto entries = ReadLeaderboard(**lines);
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_EQ(entries->size(), 21u);
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  // A line without its end is not lengthened.
  std::ofstream(path, std::ios::app) << "{\"version\":1";
  const std::string before = *ReadFile(path);
  EXPECT_EQ(AppendToLeaderboard(path, Entry("x", {0.1})).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(*ReadFile(path), before);
  EXPECT_FALSE(AppendToLeaderboard(folder, Entry("x", {0.1})).ok());
  std::filesystem::remove_all(folder);
}

TEST(LeaderboardTest, RanksWithinASet) {
  std::vector<double> low(30, 0.1), high(30, 0.6);
  std::vector<LeaderboardEntry> entries = {Entry("low", low), Entry("high", high),
                                           Entry("other", high)};
  entries[2].record.corpus_sha256 = "c1";
  const auto groups = RankEntries(entries, "ndcg@10", {});
  ASSERT_TRUE(groups.ok());
  ASSERT_EQ(groups->size(), 2u);
  const StandingsGroup& group = (*groups)[0];
  EXPECT_EQ(group.rows[0].entry->name, "high");
  EXPECT_FALSE(group.rows[0].tested);
  EXPECT_TRUE(group.rows[1].tested);
  EXPECT_LT(group.rows[1].test.holm_p, 0.001);
  EXPECT_EQ(RankEntries(entries, "map", {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(StandingsToJson(*groups, "ndcg@10"), HasSubstr(R"("set":"s","split":"test")"));
}

TEST(LeaderboardTest, AcceptsWhatIsMeasuredAgain) {
  LeaderboardEntry entry = Entry("a", {0.5, 0.25});
  EvalRecord now = entry.record;
  EXPECT_TRUE(CompareWithRecord(entry, now).accepted());
  now.runs[0].metrics["ndcg@10"] += 0.0004;
  EXPECT_TRUE(CompareWithRecord(entry, now).accepted());
  now.runs[0].metrics["ndcg@10"] += 0.0010;  // .0014: too much for BM25, not with a model
  EXPECT_FALSE(CompareWithRecord(entry, now).accepted());
  entry.record.runs[0].pipeline = now.runs[0].pipeline = "hybrid";
  EXPECT_TRUE(CompareWithRecord(entry, now).accepted());
  now.fingerprint = "depth=100;encoder=other;corpus=c0";
  const Verification other = CompareWithRecord(entry, now);
  EXPECT_FALSE(other.accepted());
  EXPECT_EQ(other.problems[0], "encoder: recorded a;b, now other");
  now = entry.record;
  now.runs.clear();
  EXPECT_FALSE(CompareWithRecord(entry, now).accepted());
}

TEST(LeaderboardTest, RecordsSetNoFileThatIsWritten) {
  RetrievalOptions options;
  OptionTable table = BindOptions(options);
  for (const char* name : {"index-in", "write-runs"}) {
    EXPECT_FALSE(IsReplayable(*table.Find(name))) << name;
  }
  for (const char* name : {"depth", "queries", "qrels", "split", "language"}) {
    EXPECT_TRUE(IsReplayable(*table.Find(name))) << name;
  }
}

}  // namespace
}  // namespace weir::evaluate
