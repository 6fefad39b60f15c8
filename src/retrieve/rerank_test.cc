// The reranking stages over a store of a few passages and scripted models.

#include "retrieve/rerank.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "retrieve/mmr.h"

namespace weir::retrieve {

void RegisterBm25(Registry& registry);
void RegisterDedupe(Registry& registry);
void RegisterCross(Registry& registry);
void RegisterLikelihood(Registry& registry);
void RegisterMmr(Registry& registry);

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kTexts[] = {"weir weir weir weir", "weir of stone", "weir of wood 1897",
                                       "weir, and a long tail of other words behind it"};

// Vectors by number of the passage: 0 and 1 are alike, 2 is not.
class PlaneEncoder : public text::Encoder {
 public:
  int dimensions() const override { return 2; }
  std::string name() const override { return "plane"; }
  std::string fingerprint() const override { return "plane-1"; }
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs, std::span<float> out,
                      const Context&) const override {
    for (size_t i = 0; i < texts.size(); ++i) {
      const double angle = absl::StrContains(texts[i], "wood") ? 1.5 : 0.0;
      out[2 * i] = static_cast<float>(std::cos(angle));
      out[2 * i + 1] = static_cast<float>(std::sin(angle));
    }
    return absl::OkStatus();
  }
};

// Likes years.
class YearScorer : public text::PairScorer {
 public:
  std::string name() const override { return "years"; }
  std::string fingerprint() const override { return "years-1"; }
  absl::Status Score(std::string_view, std::span<const std::string_view> passages,
                     std::span<float> scores, const Context&) const override {
    for (size_t i = 0; i < passages.size(); ++i) {
      scores[i] = absl::StrContains(passages[i], "1897") ? 5.0f : bad_ ? NAN : 1.0f;
    }
    return absl::OkStatus();
  }
  bool bad_ = false;
};

// Finds a question the likelier the longer the prompt, and keeps what it was asked.
class LengthModel : public text::Completer {
 public:
  std::string name() const override { return "length"; }
  int64_t context_tokens() const override { return 1000; }
  absl::StatusOr<int64_t> CountTokens(std::string_view text) const override { return text.size(); }
  absl::StatusOr<text::Completion> Complete(const text::CompletionRequest&,
                                            const Context&) override {
    return absl::UnimplementedError("not asked for");
  }
  absl::StatusOr<std::vector<double>> LogLikelihood(const std::vector<text::ChatMessage>& messages,
                                                    std::span<const std::string> continuations,
                                                    const Context&) override {
    prompts_.push_back(messages.back().content);
    continuations_.insert(continuations_.end(), continuations.begin(), continuations.end());
    return std::vector<double>(continuations.size(),
                               static_cast<double>(messages.back().content.size()));
  }
  std::vector<std::string> prompts_, continuations_;
};

class RerankTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / absl::StrCat("weir-rerank-", getpid());
    store_ = *index::Store::Open(folder_.string(), index::Store::Mode::kWrite, context_);
    std::vector<index::Prepared> batch;
    for (size_t i = 0; i < std::size(kTexts); ++i) {
      index::Prepared p;
      p.document.path = absl::StrCat("doc", i);
      p.document.sha256 = std::string(64, static_cast<char>('a' + i));
      p.document.format = "text";
      p.document.title = "Weirs";
      p.document.text = std::string(kTexts[i]);
      p.passages.push_back(
          {.span = {0, static_cast<int64_t>(kTexts[i].size())}, .text = std::string(kTexts[i])});
      batch.push_back(std::move(p));
    }
    ASSERT_TRUE(store_->AddBatch(batch, context_).ok());
    ASSERT_TRUE(store_->EncodePending(encoder_, context_).ok());
    for (auto* add :
         {RegisterBm25, RegisterDedupe, RegisterCross, RegisterLikelihood, RegisterMmr}) {
      add(registry_);
    }
    base_.mode = "lexical";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  absl::StatusOr<std::vector<text::Hit>> Search(const SearchOptions& options) {
    Encoders encoders(&encoder_);
    encoders.scorer = scorer_;
    encoders.completer = completer_;
    auto pipeline = Pipeline::Make(*store_, encoders, options, registry_);
    if (!pipeline.ok()) return pipeline.status();
    return (*pipeline)->Search("weir", context_);
  }
  static std::vector<std::string> Paths(const std::vector<text::Hit>& hits) {
    std::vector<std::string> paths;
    for (const text::Hit& hit : hits) paths.push_back(hit.document.path);
    return paths;
  }

  Context context_;
  PlaneEncoder encoder_;
  YearScorer years_;
  LengthModel length_;
  const text::PairScorer* scorer_ = &years_;
  text::Completer* completer_ = &length_;
  Registry registry_;
  SearchOptions base_;
  std::filesystem::path folder_;
  std::unique_ptr<index::Store> store_;
};

TEST_F(RerankTest, CrossPutsTheAnswerFirst) {
  const auto before = *Search(base_);
  EXPECT_THAT(Paths(before), ElementsAre("doc0", "doc1", "doc2", "doc3"));
  SearchOptions options = base_;
  options.rerank.rerank = "cross";
  options.rerank.weight = 1;
  const auto hits = *Search(options);
  EXPECT_THAT(Paths(hits), ElementsAre("doc2", "doc0", "doc1", "doc3"));
  EXPECT_EQ(hits[0].scores.at("cross"), 5);
  EXPECT_EQ(hits[0].scores.at("bm25"), before[2].scores.at("bm25"));
  options.rerank.weight = 0;  // the old order, on another scale
  EXPECT_THAT(Paths(*Search(options)), ElementsAre("doc0", "doc1", "doc2", "doc3"));
}

TEST_F(RerankTest, ScoresByHand) {
  SearchOptions options = base_;
  options.rerank.rerank = "cross";
  options.rerank.depth = 3;
  options.rerank.weight = 0.75;
  const auto before = *Search(base_);
  const auto hits = *Search(options);
  std::vector<double> old, fresh = {1, 1, 5};
  for (int i = 0; i < 3; ++i) old.push_back(before[i].score);
  const auto z = [](const std::vector<double>& v, int i) {
    const double mean = (v[0] + v[1] + v[2]) / 3;
    double squares = 0;
    for (double x : v) squares += (x - mean) * (x - mean) / 3;
    return (v[i] - mean) / std::sqrt(squares);
  };
  ASSERT_EQ(hits[0].document.path, "doc2");
  EXPECT_NEAR(hits[0].score, 0.75 * z(fresh, 2) + 0.25 * z(old, 2), 1e-9);
  EXPECT_NEAR(hits[1].score, 0.75 * z(fresh, 0) + 0.25 * z(old, 0), 1e-9);
  // not reread: behind the last that was, at the distance it had
  EXPECT_EQ(hits[3].document.path, "doc3");
  EXPECT_FALSE(hits[3].scores.contains("cross"));
  EXPECT_NEAR(hits[2].score - hits[3].score, before[2].score - before[3].score, 1e-6);
}

TEST_F(RerankTest, LikelihoodAsksForTheQuestion) {
  SearchOptions options = base_;
  options.rerank.rerank = "likelihood";
  options.rerank.weight = 1;
  EXPECT_THAT(Paths(*Search(options)), ElementsAre("doc3", "doc0", "doc2", "doc1"));
  EXPECT_THAT(length_.continuations_, ElementsAre("weir", "weir", "weir", "weir"));
  EXPECT_THAT(length_.prompts_[0], HasSubstr("Passage: Weirs weir weir weir weir"));
}

// l = 1/2; relevance of doc0..3 is r0 = 1 > r1 > r2 > r3 = 0; only doc2 is unlike the others.
TEST_F(RerankTest, MmrByHand) {
  const auto before = *Search(base_);
  SearchOptions options = base_;
  options.rerank.mmr = 0.5;
  const auto hits = *Search(options);
  EXPECT_THAT(Paths(hits), ElementsAre("doc0", "doc2", "doc1", "doc3"));
  const double range = before[0].score - before[3].score;
  const auto relevance = [&](int i) { return (before[i].score - before[3].score) / range; };
  EXPECT_NEAR(hits[0].score, 0.5, 1e-9);
  EXPECT_NEAR(hits[1].score, 0.5 * relevance(2) - 0.5 * std::cos(1.5), 1e-6);
  EXPECT_NEAR(hits[2].score, 0.5 * relevance(1) - 0.5, 1e-6);
  EXPECT_NEAR(hits[3].score, -0.5, 1e-6);
}

TEST_F(RerankTest, WithoutAModelItIsRefused) {
  scorer_ = nullptr;
  completer_ = nullptr;
  for (const char* rerank : {"cross", "likelihood"}) {
    SearchOptions options = base_;
    options.rerank.rerank = rerank;
    EXPECT_EQ(Search(options).status().code(), absl::StatusCode::kFailedPrecondition) << rerank;
  }
}

TEST_F(RerankTest, ScoresThatAreNotFiniteAreAnError) {
  years_.bad_ = true;
  SearchOptions options = base_;
  options.rerank.rerank = "cross";
  EXPECT_EQ(Search(options).status().code(), absl::StatusCode::kInternal);
}

TEST_F(RerankTest, NothingFoundIsNothingReread) {
  SearchOptions options = base_;
  options.rerank.rerank = "cross";
  options.rerank.mmr = 0.5;
  auto pipeline = *Pipeline::Make(*store_, {&encoder_, nullptr}, base_, registry_);
  EXPECT_TRUE(pipeline->Search("absent", context_)->empty());
}

}  // namespace
}  // namespace weir::retrieve
