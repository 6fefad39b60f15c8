#include "model/cross_encoder.h"

#include <filesystem>
#include <fstream>
#include <random>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/threads.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/adapter.h"
#include "model/bert_fixture.h"
#include "model/weights.h"

namespace weir::model {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

std::vector<float> Normal(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, 0.3f);
  std::vector<float> out(n);
  for (float& v : out) v = normal(random);
  return out;
}

struct NamedTensor {
  std::string name;
  std::vector<uint64_t> shape;
  std::vector<float> values;
};

std::string Safetensors(const std::vector<NamedTensor>& tensors) {
  std::string header = "{", data;
  for (const NamedTensor& t : tensors) {
    absl::StrAppend(&header, header.size() > 1 ? "," : "", "\"", t.name,
                    "\":{\"dtype\":\"F32\",\"shape\":[");
    for (size_t i = 0; i < t.shape.size(); ++i) {
      absl::StrAppend(&header, i ? "," : "", t.shape[i]);
    }
    const size_t bytes = t.values.size() * sizeof(float);
    absl::StrAppend(&header, "],\"data_offsets\":[", data.size(), ",", data.size() + bytes, "]}");
    data.append(reinterpret_cast<const char*>(t.values.data()), bytes);
  }
  header += "}";
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

class CrossEncoderTest : public ::testing::Test {
 protected:
  static constexpr int kHidden = TinyBert::kHidden, kFfn = TinyBert::kFfn, kRank = 3;
  static constexpr const char* kUp = "encoder.layer.1.intermediate.dense";

  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / absl::StrCat("weir-cross-", getpid());
    std::filesystem::create_directories(folder_);
    path_ = (folder_ / "model.safetensors").string();
    std::ofstream(path_, std::ios::binary) << tiny_.Safetensors();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  absl::StatusOr<std::unique_ptr<const Bert>> LoadAdapted(const std::string& adapter) {
    auto file = SafetensorsFile::Parse(std::as_bytes(std::span(adapter)));
    if (!file.ok()) return file.status();
    auto base = *WeightFile::Open(path_);
    const AdaptedWeights weights(*base, **file);
    return Bert::Load(weights, TinyBert::kHeads, 1e-12f, Arithmetic::kFloat, nullptr);
  }

  std::unique_ptr<CrossEncoder> Make(const std::string& adapter) {
    const EncoderSpec spec{.name = "tiny-cross",
                           .weights = path_,
                           .tokenizer = "",
                           .max_tokens = TinyBert::kPositions,
                           .heads = TinyBert::kHeads};
    return std::make_unique<CrossEncoder>(spec, *Tokenizer::FromJson(TinyBert::TokenizerJson()),
                                          *LoadAdapted(adapter), head_);
  }

  TinyBert tiny_{7};
  const std::vector<float> up_ = Normal(kFfn * kRank, 1), down_ = Normal(kRank * kHidden, 2),
                           types_ = Normal(2 * kHidden, 3);
  const CrossEncoder::Head head_{Normal(kHidden, 4), Normal(kHidden, 5)};
  const std::string adapter_ =
      Safetensors({{"layer.1.intermediate.dense.up", {kFfn, kRank}, up_},
                   {"layer.1.intermediate.dense.down", {kRank, kHidden}, down_},
                   {"types", {2, kHidden}, types_}});
  std::filesystem::path folder_;
  std::string path_;
};

// The definition in double precision: adapted weights, types, mean and first row.
TEST_F(CrossEncoderTest, EqualsTheDefinition) {
  TinyBert adapted = tiny_;
  adapted.Adapt(kUp, up_, down_, kRank);
  adapted.AdaptTypes(types_);
  const auto expected = [&](const std::vector<int32_t>& ids, int first_part) {
    const auto rows = adapted.LastRows(ids, first_part);
    double score = 0;
    for (int c = 0; c < kHidden; ++c) {
      double mean = 0;
      for (const auto& row : rows) mean += row[c] / static_cast<double>(rows.size());
      score += mean * head_.mean[c] + rows[0][c] * head_.first[c];
    }
    return score;
  };
  const std::unique_ptr<CrossEncoder> cross = Make(adapter_);
  Threads threads(2);
  // letters are tokens 4..29, [CLS] is 2, [SEP] 3
  const std::vector<std::string_view> passages = {"c d e", "", "z y x w v u t"};
  for (const Context& context : {Context(), Context{.threads = &threads}}) {
    std::vector<float> scores(passages.size());
    ASSERT_TRUE(cross->Score("a b", passages, scores, context).ok());
    EXPECT_NEAR(scores[0], expected({2, 4, 5, 3, 6, 7, 8, 3}, 4), 2e-3);
    EXPECT_NEAR(scores[1], expected({2, 4, 5, 3, 3}, 4), 2e-3);
    EXPECT_NEAR(scores[2], expected({2, 4, 5, 3, 29, 28, 27, 26, 25, 24, 23, 3}, 4), 2e-3);
    std::vector<float> alone(1);
    ASSERT_TRUE(cross->Score("a b", std::span(passages).subspan(2), alone, context).ok());
    EXPECT_EQ(alone[0], scores[2]);
  }
}

TEST_F(CrossEncoderTest, LongTextsAreCut) {
  const std::unique_ptr<CrossEncoder> cross = Make(adapter_);
  std::string letters;
  for (int i = 0; i < 100; ++i) absl::StrAppend(&letters, std::string(1, 'a' + i % 26), " ");
  const std::string_view longer = letters;
  const std::string_view shorter = longer.substr(0, 2 * 36);
  std::vector<float> both(2);
  ASSERT_TRUE(cross->Score("q", std::vector{longer, shorter}, both, Context()).ok());
  EXPECT_EQ(both[0], both[1]);  // the window of 40: [CLS] q [SEP], 36 letters and [SEP]
  ASSERT_TRUE(cross->Score(letters, std::vector{longer, shorter}, both, Context()).ok());
  EXPECT_TRUE(std::isfinite(both[0]));
}

TEST_F(CrossEncoderTest, WrongAdaptersAreRefused) {
  const auto refused = [&](std::vector<NamedTensor> tensors) {
    return LoadAdapted(Safetensors(tensors)).status();
  };
  const std::string up = "layer.1.intermediate.dense.up", down = "layer.1.intermediate.dense.down";
  const absl::Status half = refused({{up, {kFfn, kRank}, up_}});
  EXPECT_EQ(half.code(), StatusCode::kNotFound);
  EXPECT_THAT(std::string(half.message()), HasSubstr(down));
  const absl::Status shape = refused({{up, {kRank, kFfn}, up_}, {down, {kRank, kHidden}, down_}});
  EXPECT_EQ(shape.code(), StatusCode::kDataLoss);
  EXPECT_THAT(std::string(shape.message()), HasSubstr("layer.1.intermediate.dense"));
  EXPECT_EQ(refused({{"types", {2, kHidden / 2}, Normal(kHidden, 1)}}).code(),
            StatusCode::kDataLoss);
}

TEST_F(CrossEncoderTest, OnlyTheWeightsItWasTrainedOn) {
  std::ofstream(folder_ / "tokenizer.json") << TinyBert::TokenizerJson();
  const EncoderSpec spec{.name = "other",
                         .weights = path_,
                         .tokenizer = (folder_ / "tokenizer.json").string(),
                         .max_tokens = 40,
                         .heads = TinyBert::kHeads};
  EXPECT_EQ(LoadCrossEncoder(spec, Context()).status().code(), StatusCode::kFailedPrecondition);
}

// With the real weights, where they are installed.
TEST(CrossEncoder, PutsTheAnswerFirst) {
  const std::string folder = absl::StrCat(WeirHome(), "/models/minilm-l6");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "minilm-l6 is not installed";
  for (Arithmetic arithmetic : {Arithmetic::kFloat, Arithmetic::kInt8}) {
    const EncoderSpec spec{.name = "minilm-l6",
                           .weights = folder + "/model.safetensors",
                           .tokenizer = folder + "/tokenizer.json",
                           .max_tokens = 256,
                           .heads = 12,
                           .arithmetic = arithmetic};
    auto cross = LoadCrossEncoder(spec, Context());
    ASSERT_TRUE(cross.ok()) << cross.status();
    const std::vector<std::string_view> passages = {
        "The bridge over the Weser was opened to traffic by the mayor.",
        "The bridge over the Weser was built in 1897 from steel arches.",
        "Weser salmon return to the river since the weir has a ladder."};
    std::vector<float> scores(3);
    ASSERT_TRUE(
        (*cross)->Score("In which year was the bridge built?", passages, scores, Context()).ok());
    EXPECT_GT(scores[1], scores[0]);
    EXPECT_GT(scores[0], scores[2]);
  }
}

}  // namespace
}  // namespace weir::model
