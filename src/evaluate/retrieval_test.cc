#include "evaluate/retrieval.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/files.h"
#include "base/threads.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/catalogue.h"
#include "model/encoder.h"

namespace weir::retrieve {
void RegisterBm25(Registry&);
void RegisterConvex(Registry&);
void RegisterDense(Registry&);
void RegisterRrf(Registry&);
}  // namespace weir::retrieve

namespace weir::evaluate {
namespace {

using ::testing::HasSubstr;

Registry Stages() {
  Registry registry;
  retrieve::RegisterBm25(registry);
  retrieve::RegisterConvex(registry);
  retrieve::RegisterDense(registry);
  retrieve::RegisterRrf(registry);
  return registry;
}

// Counts a few topics, so that the test knows which documents are near.
class TopicEncoder : public text::Encoder {
 public:
  int dimensions() const override { return 4; }
  std::string name() const override { return "topics"; }
  std::string fingerprint() const override { return "topics-1"; }
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs, std::span<float> out,
                      const Context&) const override {
    static constexpr std::string_view kTopics[][2] = {
        {"cat", "feline"}, {"dog", "hound"}, {"sea", "ocean"}};
    for (size_t i = 0; i < texts.size(); ++i) {
      float* row = out.data() + i * 4;
      for (int t = 0; t < 3; ++t) {
        row[t] = texts[i].find(kTopics[t][0]) != texts[i].npos ||
                 texts[i].find(kTopics[t][1]) != texts[i].npos;
      }
      row[3] = 0.25f;
      const float norm = std::sqrt(row[0] * row[0] + row[1] * row[1] + row[2] * row[2] + 0.0625f);
      for (int d = 0; d < 4; ++d) row[d] /= norm;
    }
    return absl::OkStatus();
  }
};

class RetrievalTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/retrieval_test_set";
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ + "/qrels");
    Write("corpus.jsonl", R"({"_id":"d1","title":"Pets","text":"The cat sleeps on the mat."}
{"_id":"d2","title":"","text":"A hound runs."}
{"_id":"d3","title":"Water","text":"Waves of the ocean."}
{"_id":"empty","title":"","text":" "}
{"_id":"q4","title":"","text":"Stars shine at night."}
{"_id":"d5","title":"","text":"Stars shine brightly at night over hills."}
)");
    Write("queries.jsonl", R"({"_id":"q1","text":"sleeping cat"}
{"_id":"q2","text":"dog"}
{"_id":"q4","text":"stars shine at night"}
{"_id":"unjudged","text":"ocean"}
)");
    Write("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t2\nq4\td5\t1\n");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << text;
  }
  std::string folder_;
  Registry registry_ = Stages();
  TopicEncoder encoder_;
};

TEST_F(RetrievalTest, MeasuresEachPipeline) {
  const auto record = EvaluateRetrieval(folder_ + "/", {}, &encoder_, registry_, Context());
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->set, "retrieval_test_set");
  EXPECT_EQ(record->documents, 5);  // the empty one is left out
  ASSERT_EQ(record->runs.size(), 3u);
  EXPECT_EQ(record->runs[0].pipeline, "bm25");
  EXPECT_EQ(record->runs[0].queries, 3);
  // "dog" shares no word with the hound; q4 would find itself first if it were not dropped.
  EXPECT_DOUBLE_EQ(record->runs[0].metrics.at("mrr@10"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(record->runs[1].metrics.at("recall@100"), 1);
  EXPECT_DOUBLE_EQ(record->runs[2].metrics.at("mrr@10"), 1);
  EXPECT_THAT(record->fingerprint, HasSubstr("encoder=topics-1"));
  EXPECT_THAT(
      EvalToJson(*record, {}),
      HasSubstr(
          R"({"version":1,"set":"retrieval_test_set","split":"test","runs":[{"pipeline":"bm25","metrics":{"ndcg@10":)"));
}

TEST_F(RetrievalTest, KeptIndexFollowsTheCorpusAndFilesAreWritten) {
  RetrievalOptions options;
  options.index_in = folder_ + "/kept";
  options.write_runs = folder_ + "/runs";
  const auto first = EvaluateRetrieval(folder_, options, &encoder_, registry_, Context());
  ASSERT_TRUE(first.ok()) << first.status();
  const auto again = EvaluateRetrieval(folder_, options, &encoder_, registry_, Context());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(first->fingerprint, again->fingerprint);
  EXPECT_EQ(first->runs[2].metrics, again->runs[2].metrics);
  const std::string run = *ReadFile(folder_ + "/runs/retrieval_test_set.dense.trec");
  EXPECT_THAT(run, HasSubstr("q2 Q0 d2 1 "));
  EXPECT_THAT(run, testing::Not(HasSubstr("q4 Q0 q4")));
  EXPECT_THAT(*ReadFile(folder_ + "/runs/retrieval_test_set.dense.tsv"), HasSubstr("query\tmap\t"));
  // A changed corpus changes the index and the fingerprint.
  Write("corpus.jsonl", "{\"_id\":\"d9\",\"text\":\"one dog\"}\n");
  const auto other = EvaluateRetrieval(folder_, options, &encoder_, registry_, Context());
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->documents, 1);
  EXPECT_NE(other->fingerprint, first->fingerprint);
}

TEST_F(RetrievalTest, ThreadsDoNotChangeTheFigures) {
  Threads threads(2);
  Context two;
  two.threads = &threads;
  const auto alone = EvaluateRetrieval(folder_, {}, &encoder_, registry_, Context());
  const auto both = EvaluateRetrieval(folder_, {}, &encoder_, registry_, two);
  ASSERT_TRUE(alone.ok() && both.ok());
  for (size_t i = 0; i < alone->runs.size(); ++i) {
    EXPECT_EQ(alone->runs[i].metrics, both->runs[i].metrics);
  }
}

TEST_F(RetrievalTest, RefusesWhatItCannotDo) {
  const auto code = [&](const RetrievalOptions& options, const text::Encoder* encoder) {
    return EvaluateRetrieval(folder_, options, encoder, registry_, Context()).status().code();
  };
  RetrievalOptions options;
  EXPECT_EQ(code(options, nullptr), absl::StatusCode::kInvalidArgument);
  options.pipelines = {"lexical"};
  EXPECT_EQ(code(options, nullptr), absl::StatusCode::kOk);
  options.pipelines = {"telepathy"};
  EXPECT_EQ(code(options, &encoder_), absl::StatusCode::kInvalidArgument);
  options.pipelines = {};
  EXPECT_EQ(code(options, &encoder_), absl::StatusCode::kInvalidArgument);
  options = {};
  options.split = "../qrels/test";
  EXPECT_EQ(code(options, &encoder_), absl::StatusCode::kInvalidArgument);
  options.split = "train";
  EXPECT_EQ(code(options, &encoder_), absl::StatusCode::kNotFound);
  options = {};
  Write("qrels/test.tsv", "q1\td1\t1\nq9\td1\t1\n");
  EXPECT_EQ(code(options, &encoder_), absl::StatusCode::kNotFound);
  Write("qrels/test.tsv", "q1\td1\t1\n");
  Write("corpus.jsonl", "{\"_id\":\"d1\"}\n");
  EXPECT_EQ(code(options, &encoder_), absl::StatusCode::kDataLoss);
}

TEST(TrecRunTest, ListsTiesByNameDescending) {
  EXPECT_EQ(TrecRun({{"q", {{"a", 1}, {"c", 2.5}, {"b", 1}}}}, "t"),
            "q Q0 c 1 2.5 t\nq Q0 b 2 1 t\nq Q0 a 3 1 t\n");
}

// --- real sets, when they are at hand ---

std::string DataFolder(const std::string& set) {
  const char* data = std::getenv("WEIR_DATA");
  return data == nullptr ? "" : std::string(data) + "/" + set;
}

TEST(RetrievalBarsTest, Bm25OnScifact) {
  const std::string folder = DataFolder("scifact");
  if (folder.empty() || !std::filesystem::exists(folder))
    GTEST_SKIP() << "WEIR_DATA/scifact is not there";
  Threads threads(2);
  Context context;
  context.threads = &threads;
  RetrievalOptions options;
  options.pipelines = {"lexical"};
  const Registry registry = Stages();
  const auto record = EvaluateRetrieval(folder, options, nullptr, registry, context);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->runs[0].queries, 300);
  EXPECT_GE(record->runs[0].metrics.at("ndcg@10"), 0.675) << EvalToJson(*record, {});
}

TEST(RetrievalBarsTest, HybridOnCranfield) {
  const std::string folder = DataFolder("cranfield");
  if (folder.empty() || !std::filesystem::exists(folder))
    GTEST_SKIP() << "WEIR_DATA/cranfield is not there";
  const auto model = model::Locate("minilm-l6");
  if (!model.ok()) GTEST_SKIP() << model.status();
  Threads threads(2);
  Context context;
  context.threads = &threads;
  const auto encoder = model::LoadEncoder(model->encoder, context);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const Registry registry = Stages();
  const auto record = EvaluateRetrieval(folder, {}, encoder->get(), registry, context);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->runs[2].queries, 225);
  EXPECT_GE(record->runs[2].metrics.at("ndcg@10"), 0.41) << EvalToJson(*record, {});
}

}  // namespace
}  // namespace weir::evaluate
