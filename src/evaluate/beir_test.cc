#include "evaluate/beir.h"

#include <zstd.h>

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::evaluate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::span<const std::byte> Bytes(const std::string& s) {
  return {reinterpret_cast<const std::byte*>(s.data()), s.size()};
}

std::string Compressed(const std::string& s) {
  std::string out(ZSTD_compressBound(s.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), s.data(), s.size(), 3));
  return out;
}

absl::StatusOr<std::vector<std::string>> AllLines(const std::string& bytes,
                                                  const LineLimits& limits = {}) {
  const auto reader = LineReader::OverBytes("f", Bytes(bytes), limits);
  std::vector<std::string> lines;
  std::string line;
  while (true) {
    const absl::StatusOr<bool> more = reader->Next(line);
    if (!more.ok()) return more.status();
    if (!*more) return lines;
    lines.push_back(line);
  }
}

TEST(LineReaderTest, SplitsPlainAndCompressedAlike) {
  std::string text = "one\r\n\ntwo\n" + std::string(300000, 'x') + "\nlast";
  const auto plain = AllLines(text);
  ASSERT_TRUE(plain.ok());
  EXPECT_THAT(*plain, ElementsAre("one", "", "two", std::string(300000, 'x'), "last"));
  EXPECT_EQ(*plain, *AllLines(Compressed(text)));
  // Two frames one after the other are one file.
  EXPECT_EQ(*AllLines(text + text), *AllLines(Compressed(text) + Compressed(text)));
  EXPECT_TRUE(AllLines("")->empty());
  EXPECT_THAT(*AllLines("\n"), ElementsAre(""));
}

TEST(LineReaderTest, RefusesDamageAndExcess) {
  const std::string text(100000, 'y');
  std::string cut = Compressed("a\n" + std::string(5000, 'b') + std::string(5000, 'c'));
  cut.resize(cut.size() - 4);
  EXPECT_EQ(AllLines(cut).status().code(), absl::StatusCode::kDataLoss);
  std::string garbled = Compressed(text);
  garbled[6] ^= 0x55;
  EXPECT_EQ(AllLines(garbled).status().code(), absl::StatusCode::kDataLoss);
  const LineLimits small{.line_bytes = 1000, .total_bytes = 5000};
  // A bomb is refused after 1,000 bytes, not after its 100,000.
  EXPECT_EQ(AllLines(Compressed(text), small).status().code(),
            absl::StatusCode::kResourceExhausted);
  std::string many;
  for (int i = 0; i < 100; ++i) many += std::string(99, 'z') + "\n";
  EXPECT_THAT(AllLines(many, small).status().message(), HasSubstr("f:51"));
}

TEST(BeirTest, ParsesRecords) {
  const auto record =
      ParseBeirRecord(R"({"_id":"7","title":"T","text":"x \u00e9","metadata":{"a":[1]}})");
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->id, "7");
  EXPECT_EQ(record->title, "T");
  EXPECT_EQ(record->text, "x é");
  EXPECT_EQ(ParseBeirRecord(R"({"_id":12,"title":null,"text":""})")->id, "12");
}

TEST(BeirTest, NamesWhatIsWrongWithARecord) {
  const std::pair<const char*, const char*> bad[] = {
      {"", "not JSON"},
      {"[1]", "not a JSON object"},
      {R"({"_id":"a","text":"x")", "not JSON"},
      {R"({"text":"x"})", "\"_id\" is missing"},
      {R"({"_id":"","text":"x"})", "\"_id\" is empty"},
      {R"({"_id":"a"})", "\"text\" is missing"},
      {R"({"_id":"a","text":5})", "\"text\" is not a string"},
      {R"({"_id":1.5,"text":""})", "\"_id\" is not a string"},
      {R"({"_id":"a","title":[],"text":""})", "\"title\" is not a string"},
  };
  for (const auto& [line, message] : bad) {
    const absl::Status status = ParseBeirRecord(line).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << line;
    EXPECT_THAT(status.message(), HasSubstr(message)) << line;
  }
}

TEST(BeirTest, ReadsRecordsAndSaysWhereItFailed) {
  std::string text = "{\"_id\":\"a\",\"text\":\"x\"}\n\n{\"_id\":\"b\",\"text\":\"y\"}\n";
  std::string ids;
  const auto collect = [&](BeirRecord r) {
    ids += r.id;
    return absl::OkStatus();
  };
  EXPECT_TRUE(ReadBeirRecords(*LineReader::OverBytes("c", Bytes(text)), collect).ok());
  EXPECT_EQ(ids, "ab");
  text += "{\"_id\":\"a\",\"text\":\"again\"}\n";
  absl::Status status = ReadBeirRecords(*LineReader::OverBytes("c", Bytes(text)), collect);
  EXPECT_EQ(status.message(), "c:4: id a occurs twice");
  text = "{}\n";
  status = ReadBeirRecords(*LineReader::OverBytes("c", Bytes(text)), collect);
  EXPECT_THAT(status.message(), HasSubstr("c:1: "));
}

TEST(BeirTest, ReadsQrels) {
  const std::string text =
      "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t-1\nq2\td1\t0\nq1\td1\t1\n";
  const auto qrels = ReadQrels(*LineReader::OverBytes("q", Bytes(text)));
  ASSERT_TRUE(qrels.ok()) << qrels.status();
  EXPECT_EQ(*qrels, (Qrels{{"q1", {{"d1", 1}, {"d2", -1}}}, {"q2", {{"d1", 0}}}}));
  const std::string trec = "301 0 FBIS3-1 2\n301\t0\tFBIS3-2\t-1\n\n302  Q0  d  0\n";
  EXPECT_EQ(*ReadQrels(*LineReader::OverBytes("q", Bytes(trec))),
            (Qrels{{"301", {{"FBIS3-1", 2}, {"FBIS3-2", -1}}}, {"302", {{"d", 0}}}}));
  for (const char* bad :
       {"q\td\n", "q\td\t1\tx\n", "q 0 d x\n", "q 0 d 1 2\n", "q d 1\n", "\td\t1\n", "q\t\t1\n",
        "q\td\t1\nq\td\tx\n", "h\th\th\nq\td\t99999999999\n"}) {
    const auto status = ReadQrels(*LineReader::OverBytes("q", Bytes(bad))).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << bad;
    EXPECT_THAT(status.message(), HasSubstr("q:")) << bad;
  }
}

TEST(BeirTest, OpensEitherFormAndFindsMissingQueries) {
  const std::string folder = testing::TempDir() + "/beir_test";
  std::filesystem::create_directories(folder);
  const std::string path = BeirPathsOf(folder, "test").queries;
  std::filesystem::remove(path);
  EXPECT_EQ(LineReader::Open(path).status().code(), absl::StatusCode::kNotFound);
  std::ofstream(path + ".zst", std::ios::binary)
      << Compressed("{\"_id\":\"q2\",\"text\":\"b\"}\n{\"_id\":\"q1\",\"text\":\"a\"}\n"
                    "{\"_id\":\"q3\",\"text\":\"unjudged\"}\n");
  const auto queries = ReadJudgedQueries(path, {{"q1", {}}, {"q2", {}}});
  ASSERT_TRUE(queries.ok()) << queries.status();
  ASSERT_EQ(queries->size(), 2u);
  EXPECT_EQ((*queries)[0].id, "q2");  // the file's order
  const auto missing = ReadJudgedQueries(path, {{"q1", {}}, {"q9", {}}});
  EXPECT_THAT(missing.status().message(), HasSubstr("judged query q9 is not in it"));
  std::filesystem::remove_all(folder);
}

TEST(BeirTest, DropsDocumentsNamedLikeTheQuery) {
  RankedRun run = {{"q", {{"q", 2}, {"d", 1}}}, {"d", {{"q", 1}}}};
  DropIdenticalIds(run);
  EXPECT_EQ(run["q"].size(), 1u);
  EXPECT_EQ(run["q"][0].document, "d");
  EXPECT_EQ(run["d"].size(), 1u);
}

}  // namespace
}  // namespace weir::evaluate
