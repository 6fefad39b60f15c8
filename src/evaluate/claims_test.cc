#include "evaluate/claims.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "evaluate/rationales.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::evaluate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const char* const kFolder = WEIR_SOURCE_DIR "/tests/data/claims";

std::unique_ptr<LineReader> Over(const std::string& text) {
  return LineReader::OverBytes(
      "f", {reinterpret_cast<const std::byte*>(text.data()), text.size()});
}

TEST(RationalesTest, ReadsRows) {
  const std::string text =
      R"({"query":"3","doc":"a","label":"SUPPORT","sentences":[5,2]})"
      "\n\n"
      R"({"query":"3","doc":"a","label":"CONTRADICT","sentences":[0]})";
  const auto rows = ReadRationales(*Over(text));
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_TRUE((*rows)[0].supports);
  EXPECT_THAT((*rows)[0].sentences, ElementsAre(2, 5));
  EXPECT_FALSE((*rows)[1].supports);
  EXPECT_EQ((*rows)[1].where, "f:3");
}

TEST(RationalesTest, NamesWhatIsWrongWithARow) {
  const std::string good = R"({"query":"3","doc":"a","label":"SUPPORT","sentences":[2]})";
  const std::pair<std::string, const char*> bad[] = {
      {"[", "f:1: not a JSON object"},
      {"[]", "f:1: not a JSON object"},
      {R"({"doc":"a","label":"SUPPORT","sentences":[2]})", "\"query\""},
      {R"({"query":3,"doc":"a","label":"SUPPORT","sentences":[2]})", "\"query\""},
      {R"({"query":"3","doc":"","label":"SUPPORT","sentences":[2]})", "\"doc\""},
      {R"({"query":"3","doc":"a","label":"support","sentences":[2]})", "\"label\""},
      {R"({"query":"3","doc":"a","label":"SUPPORT"})", "\"sentences\""},
      {R"({"query":"3","doc":"a","label":"SUPPORT","sentences":[]})", "\"sentences\""},
      {R"({"query":"3","doc":"a","label":"SUPPORT","sentences":[-1]})", "\"sentences\""},
      {R"({"query":"3","doc":"a","label":"SUPPORT","sentences":[1.5]})", "\"sentences\""},
      {R"({"query":"3","doc":"a","label":"SUPPORT","sentences":[10000]})", "\"sentences\""},
      {R"({"query":"3","doc":"a","label":"SUPPORT","sentences":[1,1]})", "a sentence twice"},
      {good + "\n" + good, "f:2: the row occurs twice"},
  };
  for (const auto& [text, message] : bad) {
    const absl::Status status = ReadRationales(*Over(text)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << text;
    EXPECT_THAT(status.message(), HasSubstr(message)) << text;
  }
}

TEST(CutDocumentTest, LengthsAreCodePointsWithOneSpaceBetween) {
  const auto document = ParseCutDocument(
      R"({"_id":"a","text":"Um \u00e9. Zwei. \ud83d\ude00!","metadata":{"sentence_lengths":[5,5,2]}})");
  ASSERT_TRUE(document.ok()) << document.status();
  ASSERT_EQ(document->sentences.size(), 3u);
  EXPECT_EQ(document->Sentence(0), "Um \xC3\xA9.");
  EXPECT_EQ(document->Sentence(1), "Zwei.");
  EXPECT_EQ(document->Sentence(2), "\xF0\x9F\x98\x80!");
}

TEST(CutDocumentTest, NamesLengthsThatDoNotFit) {
  const std::pair<std::string, const char*> bad[] = {
      {R"("text":"One. Two.")", "metadata.sentence_lengths"},
      {R"("text":"One. Two.","metadata":3)", "metadata.sentence_lengths"},
      {R"("text":"One. Two.","metadata":{"sentence_lengths":[]})", "is not a list"},
      {R"("text":"One. Two.","metadata":{"sentence_lengths":[4,0]})", "is not a list"},
      {R"("text":"One. Two.","metadata":{"sentence_lengths":[4,"4"]})", "is not a list"},
      {R"("text":"One. Two.","metadata":{"sentence_lengths":[4,5]})", "sentence 1 goes beyond"},
      {R"("text":"One. Two.","metadata":{"sentence_lengths":[4,1000000000000]})", "goes beyond"},
      {R"("text":"One. Two.","metadata":{"sentence_lengths":[9,1]})", "no space after sentence 0"},
      {R"("text":"One. Two.","metadata":{"sentence_lengths":[3,5]})", "no space after sentence 0"},
      {R"("text":"One. Two.","metadata":{"sentence_lengths":[4]})", "5 bytes of text after"},
      {R"("text":"One. Two.","metadata":{"sentence_lengths":[9999999999999999999]})", "not a list"},
  };
  for (const auto& [fields, message] : bad) {
    const absl::Status status =
        ReadCutDocuments(*Over("\n{\"_id\":\"a\"," + fields + "}"), {"a"}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << fields;
    EXPECT_THAT(status.message(), HasSubstr("f:2: ")) << fields;
    EXPECT_THAT(status.message(), HasSubstr(message)) << fields;
  }
  const std::string other = R"({"_id":"b","text":"No lengths, not wanted."})";
  EXPECT_TRUE(ReadCutDocuments(*Over(other), {"a"})->empty());
  const std::string twice = R"({"_id":"a","text":"x","metadata":{"sentence_lengths":[1]}})";
  EXPECT_THAT(ReadCutDocuments(*Over(twice + "\n" + twice), {"a"}).status().message(),
              HasSubstr("f:2: id a occurs twice"));
}

// Every abstract that the public set names is cut without a remainder.
TEST(CutDocumentTest, ScifactFits) {
  const char* data = std::getenv("WEIR_DATA");
  const std::string folder = std::string(data ? data : "") + "/scifact";
  const auto lines = LineReader::Open(folder + "/evidence.jsonl");
  if (!lines.ok()) GTEST_SKIP() << "WEIR_DATA/scifact is not there";
  const auto rows = ReadRationales(**lines);
  ASSERT_TRUE(rows.ok()) << rows.status();
  std::set<std::string> wanted;
  for (const Rationale& row : *rows) wanted.insert(row.document);
  const auto documents = ReadCutDocuments(**LineReader::Open(folder + "/corpus.jsonl"), wanted);
  ASSERT_TRUE(documents.ok()) << documents.status();
  EXPECT_EQ(documents->size(), wanted.size());
  for (const Rationale& row : *rows) {
    EXPECT_LT(row.sentences.back(), documents->at(row.document).sentences.size()) << row.where;
  }
}

TEST(AreaTest, EqualsTheShareOfOrderedPairs) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> p(1 + random() % 9), n(1 + random() % 9);
    for (double& v : p) v = random() % 7;
    for (double& v : n) v = random() % 5;
    double sum = 0;
    for (const double a : p) {
      for (const double b : n) sum += a > b ? 1 : a == b ? 0.5 : 0;
    }
    EXPECT_NEAR(AreaUnderRoc(p, n), sum / (p.size() * n.size()), 1e-12);
  }
  EXPECT_EQ(AreaUnderRoc({}, {1}), 0);
  EXPECT_EQ(AreaUnderRoc({1}, {}), 0);
}

ClaimPair Scored(ClaimKind kind, double logistic, bool exact = true) {
  ClaimPair pair{kind, "1", "d", {0}, {}};
  pair.score = {.numbers = true,
                .names = exact,
                .polarity = true,
                .covered = true,
                .lexical = logistic,
                .cosine = 1 - logistic,
                .logistic = logistic,
                .support = exact ? logistic : std::min(logistic, 0.25),
                .accepted = exact && logistic >= 0.5};
  return pair;
}

TEST(ClaimsTest, SummaryCountsAndFindsTheStrictThreshold) {
  std::vector<ClaimPair> pairs;
  for (int i = 1; i <= 20; ++i) {
    pairs.push_back(Scored(ClaimKind::kSupport, i / 20.0));
    pairs.push_back(Scored(ClaimKind::kSameDocument, i / 40.0));
    pairs.push_back(Scored(ClaimKind::kOtherDocument, i / 50.0, /*exact=*/i > 1));
  }
  pairs.push_back(Scored(ClaimKind::kContradict, 0.9, /*exact=*/false));
  const ClaimsReport report = SummarizeClaims(pairs, {-1, 2, 3, 0.5});
  const auto& [support, contradict, same, other] = report.kinds;
  EXPECT_EQ(support.pairs, 20);
  EXPECT_EQ(support.accepted, 11);
  EXPECT_THAT(support.refused_by, ElementsAre(0, 0, 0, 0, 9));
  EXPECT_THAT(contradict.refused_by, ElementsAre(0, 1, 0, 0, 0));
  EXPECT_EQ(same.accepted, 1);
  EXPECT_EQ(other.exact, 19);
  // One of 20 may be accepted of each kind: .5 of the same document, so just above .475.
  EXPECT_GT(report.strict_threshold, 0.475);
  EXPECT_LT(report.strict_threshold, 0.4751);
  EXPECT_EQ(same.accepted_strictly, 1);
  EXPECT_EQ(other.accepted_strictly, 0);
  EXPECT_EQ(support.accepted_strictly, 11);
  EXPECT_GT(same.auc_logistic, 0.7);
  EXPECT_DOUBLE_EQ(same.auc_logistic, 1 - same.auc_cosine);
  EXPECT_THAT(ClaimsTable(report), HasSubstr("logistic(-1 + 2 lexical + 3 cosine), threshold 0.5"));
  EXPECT_THAT(ClaimsTable(report),
              HasSubstr("| support | 20 | 55.0% | 55.0% | 0, 0, 0, 0, 9 | - |"));
  EXPECT_THAT(ClaimsToJson(report), HasSubstr(R"("kind":"same document","pairs":20,"accepted":1)"));
  EXPECT_EQ(SummarizeClaims({}, {}).strict_threshold, 0);
}

// Counts letters: enough to make some sentences nearer than others.
class LetterEncoder : public text::Encoder {
 public:
  int dimensions() const override { return 26; }
  std::string name() const override { return "letters"; }
  std::string fingerprint() const override { return "letters-1"; }
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs, std::span<float> out,
                      const Context&) const override {
    for (size_t i = 0; i < texts.size(); ++i) {
      float* row = out.data() + i * 26;
      std::fill(row, row + 26, 0.01f);
      for (const char c : texts[i]) {
        if (c >= 'a' && c <= 'z') row[c - 'a'] += 1;
      }
      float sum = 0;
      for (int d = 0; d < 26; ++d) sum += row[d] * row[d];
      for (int d = 0; d < 26; ++d) row[d] /= std::sqrt(sum);
    }
    return absl::OkStatus();
  }
};

struct Seen {
  std::string claim;
  std::vector<std::string> quotes;
};

absl::StatusOr<ClaimsReport> Measure(const std::string& folder, std::string_view part,
                                 uint64_t seed = 0, std::vector<Seen>* seen = nullptr) {
  const auto verifier = [&](std::string_view claim, const std::vector<std::string_view>& quotes)
      -> absl::StatusOr<ClaimScore> {
    if (seen) seen->push_back({std::string(claim), {quotes.begin(), quotes.end()}});
    return ClaimScore{
        .numbers = true, .names = true, .polarity = true, .covered = true, .logistic = 0.7};
  };
  Context context;
  context.seed = seed;
  return EvaluateClaims(folder, part, verifier, {}, LetterEncoder(), context);
}

TEST(ClaimsTest, MakesThePairsOfASet) {
  std::vector<Seen> seen;
  const auto report = Measure(kFolder, "all", 0, &seen);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->set, "claims");
  EXPECT_EQ(report->encoder, "letters");
  EXPECT_EQ(report->kinds[0].pairs, 4);
  EXPECT_EQ(report->kinds[1].pairs, 2);
  ASSERT_EQ(seen.size(), report->pairs.size());
  std::map<std::string, std::set<std::string>> near;
  for (size_t i = 0; i < seen.size(); ++i) {
    const ClaimPair& pair = report->pairs[i];
    EXPECT_EQ(pair.sentences.size(), seen[i].quotes.size());
    if (pair.kind == ClaimKind::kSameDocument && pair.query == "3") {
      EXPECT_EQ(pair.document, "11");
      for (const int64_t s : pair.sentences) EXPECT_TRUE(s == 1 || s == 2 || s == 4) << s;
    }
    if (pair.kind == ClaimKind::kOtherDocument) {
      EXPECT_TRUE(near[pair.query].insert(pair.document).second) << "each row has its own";
      EXPECT_FALSE(pair.query == "3" && pair.document == "11");
    }
  }
  EXPECT_EQ(near["3"].size(), 2u);
  // Claim 3's first row has two sentences.
  EXPECT_EQ(report->pairs[0].query, "1");
  EXPECT_EQ(seen[0].claim, "Electric lamps lowered the caf\xC3\xA9's bills.");
  EXPECT_THAT(seen[0].quotes, ElementsAre("The owner \xE2\x80\x94 a retired pilot \xE2\x80\x94 "
                                          "says that the bills fell by a third."));
  EXPECT_EQ(ClaimFeatures(*report), ClaimFeatures(*Measure(kFolder, "all")));
  EXPECT_THAT(ClaimFeatures(*report), HasSubstr(R"("kind":"support","sentences":[0,3])"));
}

TEST(ClaimsTest, PartsAreTheSameWhateverElseRuns) {
  const std::string even = ClaimFeatures(*Measure(kFolder, "even"));
  const std::string odd = ClaimFeatures(*Measure(kFolder, "odd"));
  const std::string all = ClaimFeatures(*Measure(kFolder, "all"));
  EXPECT_EQ(even.size() + odd.size(), all.size());
  EXPECT_THAT(even, HasSubstr(R"("query":"6")"));
  EXPECT_THAT(odd, HasSubstr(R"("query":"3")"));
  bool differs = false;
  for (uint64_t seed = 1; seed < 9; ++seed) {
    differs = differs || ClaimFeatures(*Measure(kFolder, "all", seed)) != all;
  }
  EXPECT_TRUE(differs);
}

class ClaimsFilesTest : public testing::Test {
 protected:
  ClaimsFilesTest() : folder_(testing::TempDir() + "/claims_test_set") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    for (const char* name : {"corpus.jsonl", "queries.jsonl", "evidence.jsonl"}) {
      std::filesystem::copy_file(std::string(kFolder) + "/" + name, folder_ + "/" + name);
    }
  }
  ~ClaimsFilesTest() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name) << text;
  }
  std::string folder_;
};

TEST_F(ClaimsFilesTest, ErrorsNameFileAndLine) {
  const std::pair<const char*, const char*> bad[] = {
      {R"({"query":"99","doc":"10","label":"SUPPORT","sentences":[1]})",
       "evidence.jsonl:1: query 99 is not in "},
      {R"({"query":"1","doc":"99","label":"SUPPORT","sentences":[1]})",
       "evidence.jsonl:1: document 99 is not in "},
      {R"({"query":"1","doc":"10","label":"SUPPORT","sentences":[4]})",
       "evidence.jsonl:1: sentence 4; document 10 has 4"},
      {R"({"query":"1","doc":"10","label":"MAYBE","sentences":[1]})", "evidence.jsonl:1: "},
  };
  for (const auto& [row, message] : bad) {
    Write("evidence.jsonl", row);
    const absl::Status status = Measure(folder_, "all").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << row;
    EXPECT_THAT(status.message(), HasSubstr(message)) << row;
  }
  Write("evidence.jsonl", R"({"query":"1","doc":"10","label":"SUPPORT","sentences":[1]})");
  EXPECT_EQ(Measure(folder_, "even").status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(Measure(folder_, "odd").ok());
  Write("corpus.jsonl", R"({"_id":"10","text":"A. B.","metadata":{"sentence_lengths":[2,3]}})");
  EXPECT_THAT(Measure(folder_, "all").status().message(), HasSubstr("corpus.jsonl:1: "));
  std::filesystem::remove(folder_ + "/evidence.jsonl");
  EXPECT_EQ(Measure(folder_, "all").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ClaimsFilesTest, PartsNeedDigits) {
  Write("queries.jsonl", R"({"_id":"x","text":"Bills fell."})");
  Write("evidence.jsonl", R"({"query":"x","doc":"10","label":"SUPPORT","sentences":[1]})");
  EXPECT_TRUE(Measure(folder_, "all").ok());
  EXPECT_THAT(Measure(folder_, "odd").status().message(), HasSubstr("does not end in a digit"));
}

TEST_F(ClaimsFilesTest, ADocumentWithoutOtherSentencesGivesNoPair) {
  Write("evidence.jsonl", R"({"query":"1","doc":"13","label":"SUPPORT","sentences":[0,1]})");
  const auto report = Measure(folder_, "all");
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->kinds[static_cast<size_t>(ClaimKind::kSameDocument)].pairs, 0);
}

}  // namespace
}  // namespace weir::evaluate
