// Segments of token vectors and their search beside MaxSim as a reader writes it.
#include "index/multi/multi_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "base/threads.h"
#include "index/segment_image.h"

namespace weir::index {
namespace {

constexpr size_t kDim = 48;
constexpr FixedEncodingParameters kParameters{
    .dimensions = kDim, .reps = 12, .bits = 3, .dim = 16, .seed = 5, .unit_means = true,
    .whole = true};

// Tokens are words of a small language, each a direction of its own, bent by its passage.
class Language {
 public:
  explicit Language(uint32_t seed) : random_(seed) {
    words_.resize(400);
    for (auto& word : words_) word = Direction(1, {});
  }
  text::TokenVectors Passage(size_t tokens) {
    const std::vector<float> topic = Direction(1, {});
    text::TokenVectors out;
    for (size_t t = 0; t < tokens; ++t) {
      std::vector<float> base = words_[random_() % words_.size()];
      for (size_t i = 0; i < kDim; ++i) base[i] = base[i] + 0.6f * topic[i];
      const std::vector<float> token = Direction(0.05f, base);
      out.insert(out.end(), token.begin(), token.end());
    }
    return out;
  }

 private:
  std::vector<float> Direction(float noise, std::vector<float> x) {
    x.resize(kDim);
    double square = 0;
    for (float& v : x) v += noise * normal_(random_), square += double{v} * v;
    for (float& v : x) v = static_cast<float>(v / std::sqrt(square));
    return x;
  }
  std::mt19937 random_;
  std::normal_distribution<float> normal_;
  std::vector<std::vector<float>> words_;
};

double MaxSim(std::span<const float> query, std::span<const float> passage) {
  double sum = 0;
  for (size_t q = 0; q < query.size(); q += kDim) {
    double most = -2;
    for (size_t p = 0; p < passage.size(); p += kDim) {
      double dot = 0;
      for (size_t i = 0; i < kDim; ++i) dot += double{query[q + i]} * passage[p + i];
      most = std::max(most, dot);
    }
    sum += most;
  }
  return sum;
}

class MultiTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/multi_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
    encoder_ = *FixedEncoder::Make(kParameters);
    Language language(1);
    for (int64_t i = 0; i < 700; ++i) {
      ids_.push_back(10 + 2 * i);
      sets_.push_back(language.Passage(1 + static_cast<size_t>(i * 7 % 60)));
    }
    sets_[5].clear();  // a passage of punctuation
    for (size_t i = 0; i < 30; ++i) queries_.push_back(Part(sets_[i * 20 + 1], 6));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static std::vector<float> Part(const std::vector<float>& set, size_t tokens) {
    return {set.begin(), set.begin() + static_cast<long>(std::min(set.size(), tokens * kDim))};
  }
  std::shared_ptr<const MultiSegment> Write(const std::string& name, size_t begin, size_t end,
                                            std::span<const MultiView> others = {},
                                            const Context& context = {}) {
    auto info = WriteMultiSegment(std::span(ids_).subspan(begin, end - begin),
                                  std::span(sets_).subspan(begin, end - begin), *encoder_, others,
                                  folder_, name, context);
    EXPECT_TRUE(info.ok()) << info.status();
    return OpenSegment(name);
  }
  std::shared_ptr<const MultiSegment> OpenSegment(const std::string& name) {
    auto segment = MultiSegment::Open(folder_ + "/" + name);
    EXPECT_TRUE(segment.ok()) << segment.status();
    EXPECT_TRUE((*segment)->Check().ok()) << (*segment)->Check();
    return *segment;
  }
  std::string Bytes(const std::string& name) {
    std::ifstream in(folder_ + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::string folder_;
  std::unique_ptr<const FixedEncoder> encoder_;
  std::vector<int64_t> ids_;
  std::vector<text::TokenVectors> sets_;
  std::vector<std::vector<float>> queries_;
};

// Over the decoded tokens, which are what a segment knows.
TEST_F(MultiTest, ExactEqualsExhaustive) {
  const auto segment = Write("a", 0, 700);
  const MultiView view{segment.get(), nullptr};
  for (const auto& query : queries_) {
    const auto got = SearchMulti({&view, 1}, query, 10, {.candidates = 0}, {});
    ASSERT_TRUE(got.ok()) << got.status();
    std::vector<double> all;
    for (size_t r = 0; r < segment->rows(); ++r) {
      if (!sets_[r].empty()) all.push_back(MaxSim(query, segment->Decode(r)));
    }
    std::sort(all.rbegin(), all.rend());
    ASSERT_EQ(got->size(), 10u);
    for (size_t i = 0; i < 10; ++i) {
      const Scored& hit = got->at(i);
      const auto row = static_cast<size_t>(segment->Row(hit.passage));
      EXPECT_NEAR(hit.score, MaxSim(query, segment->Decode(row)), 0.15);  // 7 bits an entry
      EXPECT_NEAR(hit.score, all[i], 0.15);
    }
  }
}

TEST_F(MultiTest, CandidatesHoldTheBestAndCodesKeepThem) {
  const auto segment = Write("a", 0, 700);
  const MultiView view{segment.get(), nullptr};
  double held = 0, first = 0;
  for (size_t i = 0; i < queries_.size(); ++i) {
    const auto exact = *SearchMulti({&view, 1}, queries_[i], 10, {.candidates = 0}, {});
    const auto got = *SearchMulti({&view, 1}, queries_[i], 10, {.candidates = 250}, {});
    for (const Scored& want : exact) {
      held += std::any_of(got.begin(), got.end(), [&](const Scored& hit) {
        return hit.passage == want.passage && hit.score == want.score;
      });
    }
    first += exact[0].passage == ids_[i * 20 + 1];  // the query is its beginning
  }
  const double all = 10.0 * static_cast<double>(queries_.size());
  EXPECT_GE(held / all, 0.85);  // .89; random candidates would hold 250 / 700
  EXPECT_GE(first / static_cast<double>(queries_.size()), 0.95);
}

TEST_F(MultiTest, SizesAreWhatTheFormatSays) {
  const auto segment = Write("a", 0, 700);
  EXPECT_EQ(segment->file().section(kEncodingScales).size(), 700 * 4u);
  EXPECT_EQ(segment->file().section(kEncodingCodes).size(),
            704 * ((kParameters.length() + 7) / 8 * 4));  // whole groups of rows, 4 bits a number
  EXPECT_EQ(TokenQuantiserView::PartsOf(384) / 2, 36u);  // bytes a token
  EXPECT_LT(segment->file().section(kTokenCodes).size(),
            (segment->tokens() + 16) * segment->bytes_a_token());
}

TEST_F(MultiTest, SameBytesForAnyThreads) {
  Threads threads(2);
  Write("one", 0, 700);
  Write("two", 0, 700, {}, Context{.threads = &threads});
  EXPECT_EQ(Bytes("one"), Bytes("two"));
}

TEST_F(MultiTest, MergedSegmentsFindWhatOneSegmentFinds) {
  // Trained on enough: the second one takes the first one's quantiser.
  const auto a = Write("a", 0, 650);
  const MultiView first{a.get(), nullptr};
  const auto b = Write("b", 650, 700, {&first, 1});
  const bool shared = std::equal(a->quantiser().begin(), a->quantiser().end(),
                                 b->quantiser().begin());
  EXPECT_EQ(shared, a->trained_tokens() >= kEnoughTokens);
  DeletedRows deleted;
  deleted.bits.assign((650 + 63) / 64, 0);
  deleted.bits[0] = 1 << 1;  // the first query's passage
  deleted.rows = {1};
  const MultiView parts[] = {{a.get(), &deleted}, {b.get(), nullptr}};
  ASSERT_TRUE(MergeMultiSegments(parts, folder_, "m", {}).ok());
  const auto merged = OpenSegment("m");
  EXPECT_EQ(merged->rows(), 699u);
  const MultiView one{merged.get(), nullptr};
  double same = 0;
  for (size_t i = 0; i < queries_.size(); ++i) {
    const auto want = *SearchMulti(parts, queries_[i], 10, {.candidates = 0}, {});
    const auto got = *SearchMulti({&one, 1}, queries_[i], 10, {.candidates = 0}, {});
    for (const Scored& w : want) {
      EXPECT_NE(w.passage, ids_[1]);
      same += std::any_of(got.begin(), got.end(),
                          [&](const Scored& g) { return g.passage == w.passage; });
    }
  }
  EXPECT_GE(same / 300.0, 0.95);
  // Encodings come through a merge as they are.
  for (size_t r = 0; r < 20; ++r) {
    const auto at = static_cast<size_t>(merged->Row(b->passage(r)));
    EXPECT_EQ(b->EncodingCodesOf(r), merged->EncodingCodesOf(at));
    EXPECT_EQ(b->encoding_scales()[r], merged->encoding_scales()[at]);
  }
  EXPECT_EQ(MergeMultiSegments({}, folder_, "none", {}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(MultiTest, OtherParametersAreRefused) {
  const auto a = Write("a", 0, 40);
  FixedEncodingParameters other = kParameters;
  other.seed = 6;
  encoder_ = *FixedEncoder::Make(other);
  const auto b = Write("b", 40, 60);
  const MultiView views[] = {{a.get(), nullptr}, {b.get(), nullptr}};
  const auto status = SearchMulti(views, queries_[0], 5, {}, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("seed=6"), std::string::npos) << status;
  EXPECT_EQ(MergeMultiSegments(views, folder_, "m", {}).status().code(),
            absl::StatusCode::kInternal);
}

TEST_F(MultiTest, BadQueriesAndVectorsAreRefused) {
  using absl::StatusCode;
  const auto a = Write("a", 0, 40);
  const MultiView view{a.get(), nullptr};
  const auto code = [&](std::span<const float> query, int64_t k) {
    return SearchMulti({&view, 1}, query, k, {}, {}).status().code();
  };
  EXPECT_EQ(code(queries_[0], 0), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({}, 5), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(std::span(queries_[0]).first(kDim - 1), 5), StatusCode::kInvalidArgument);
  std::vector<float> bad = queries_[0];
  bad[3] = NAN;
  EXPECT_EQ(code(bad, 5), StatusCode::kInvalidArgument);
  sets_[0][0] = 2;
  EXPECT_EQ(WriteMultiSegment(std::span(ids_).first(1), std::span(sets_).first(1), *encoder_, {},
                              folder_, "b", {})
                .status()
                .code(),
            StatusCode::kInvalidArgument);
}

TEST_F(MultiTest, DamagedHeadersAreRefused) {
  for (uint16_t rows : {0, 1, 9}) {
    for (uint16_t dimensions : {0, 4}) {
      const uint16_t words[] = {rows, dimensions, 1, 1, 2};
      std::string input(reinterpret_cast<const char*>(words), sizeof(words));
      input.resize(2000, '\x01');
      const std::string image =
          FuzzImage(reinterpret_cast<const uint8_t*>(input.data()), input.size(),
                    SegmentKind::kMulti, kMultiSections);
      auto file = SegmentFile::FromBytes(std::as_bytes(std::span(image)), "x", SegmentKind::kMulti,
                                         kMultiSections);
      ASSERT_TRUE(file.ok());
      EXPECT_FALSE(MultiSegment::FromFile(*file).ok());
    }
  }
}

}  // namespace
}  // namespace weir::index
