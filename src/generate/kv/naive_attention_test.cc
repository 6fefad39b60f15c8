// Whole models: greedy tokens with the engine's attention and with attention from the definition,
// in float64 over the same keys and values (rounded to f16, as the cache holds them).
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/files.h"
#include "base/threads.h"
#include "generate/engine_fixture.h"
#include "generate/kv/sequence.h"
#include "generate/sample/sampler.h"
#include "gtest/gtest.h"
#include "model/decoder.h"
#include "model/gguf.h"
#include "model/gguf_builder.h"
#include "model/tokenizer.h"
#include "tensor/dtype.h"

namespace weir::generate {
namespace {

class NaiveKv : public model::KvSequence {
 public:
  explicit NaiveKv(const model::DecoderShape& s) : s_(s), k_(s.layers), v_(s.layers) {}
  int64_t length() const override { return length_; }
  absl::Status Reserve(int64_t) override { return absl::OkStatus(); }
  void Append(int layer, int64_t n, const float* k, const float* v, Threads*) override {
    const size_t row = size_t(s_.kv_heads) * s_.head_dim;
    for (size_t i = 0; i < n * row; ++i) {
      k_[layer].push_back(tensor::HalfToFloat(tensor::FloatToHalf(k[i])));
      v_[layer].push_back(tensor::HalfToFloat(tensor::FloatToHalf(v[i])));
    }
  }
  void Attend(int layer, int64_t n, const float* q, float* out, Threads*) override {
    const int d = s_.head_dim, group = s_.heads / s_.kv_heads;
    const std::vector<float>&k = k_[layer], &v = v_[layer];
    const int64_t window = s_.per_layer[layer].window;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t first = window > 0 ? std::max<int64_t>(0, length_ + i + 1 - window) : 0;
      for (int h = 0; h < s_.heads; ++h) {
        const float* query = q + (i * s_.heads + h) * d;
        std::vector<double> score, sum(d);
        double most = -INFINITY, total = 0;
        for (int64_t t = first; t <= length_ + i; ++t) {
          const size_t at = (t * s_.kv_heads + h / group) * d;
          double dot = 0;
          for (int c = 0; c < d; ++c) dot += double(query[c]) * k[at + c];
          score.push_back(dot / std::sqrt(double(d)));
          most = std::max(most, score.back());
        }
        for (int64_t t = first; t <= length_ + i; ++t) {
          const size_t at = (t * s_.kv_heads + h / group) * d;
          const double w = std::exp(score[t - first] - most);
          total += w;
          for (int c = 0; c < d; ++c) sum[c] += w * v[at + c];
        }
        for (int c = 0; c < d; ++c)
          out[(i * s_.heads + h) * d + c] = static_cast<float>(sum[c] / total);
      }
    }
  }
  void Commit(int64_t n) override { length_ += n; }

 private:
  model::DecoderShape s_;
  int64_t length_ = 0;
  std::vector<std::vector<float>> k_, v_;
};

// The likeliest next token after each row of `tokens`.
std::vector<int32_t> Likeliest(const model::Decoder& decoder, model::KvSequence& kv,
                               const std::vector<int32_t>& tokens, const Context& context) {
  const size_t vocabulary = decoder.shape().vocabulary;
  const auto workspace = decoder.MakeWorkspace(512);
  std::vector<float> logits(tokens.size() * vocabulary);
  EXPECT_TRUE(
      decoder.Forward(tokens, kv, model::LogitRows::kAll, logits, *workspace, context).ok());
  std::vector<int32_t> best;
  for (size_t i = 0; i < tokens.size(); ++i)
    best.push_back(ArgMax(std::span(logits).subspan(i * vocabulary, vocabulary)));
  return best;
}

// Greedy decoding with the engine's attention; then one pass with the naive one over what came out,
// which would have chosen the same tokens if it finds each of them likeliest.
void ExpectSameTokens(const model::GgufFile& text, std::shared_ptr<const model::GgufFile> weights,
                      const std::vector<std::string>& prompts, int count) {
  Threads threads(2);
  Context context;
  context.threads = &threads;
  const auto tokenizer = model::Tokenizer::FromGguf(text);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto decoder = model::Decoder::Load(std::move(weights), context);
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  const model::DecoderShape& s = (*decoder)->shape();
  KvShape shape{s.layers, s.heads, s.kv_heads, s.head_dim, {}};
  for (const auto& layer : s.per_layer) shape.windows.push_back(layer.window);
  const auto policy = *KvPolicy::Make({.format = "f16"}, shape);
  const auto placement = *policy->MakePlacement(shape, 1024);
  for (const std::string& prompt : prompts) {
    std::vector<int32_t> tokens = (*tokenizer)->Encode(prompt, {});
    const size_t given = tokens.size();
    PagedSequence tiled(policy, shape, placement.get());
    std::vector<int32_t> next = {Likeliest(**decoder, tiled, tokens, context).back()};
    while (tokens.push_back(next[0]), tokens.size() < given + count)
      next = Likeliest(**decoder, tiled, next, context);
    const std::vector<int32_t> made(tokens.begin() + given, tokens.end());
    tokens.pop_back();
    NaiveKv naive(s);
    const std::vector<int32_t> best = Likeliest(**decoder, naive, tokens, context);
    EXPECT_EQ(made, std::vector<int32_t>(best.begin() + given - 1, best.end())) << prompt;
  }
}

// The same model with weights in f32: products over quantised weights round activations to 8 bits,
// which turns the last bit of a sum into a change of the next layer's inputs by some 1e-3.
std::string WithFloatWeights(const model::GgufFile& file) {
  model::GgufBuilder out;
  for (const auto& [key, value] : file.metadata()) {
    if (const auto* text = std::get_if<std::string_view>(&value)) out.Text(key, *text);
    if (const auto* number = std::get_if<uint64_t>(&value)) out.U32(key, *number);
    if (const auto* number = std::get_if<double>(&value)) out.F32(key, *number);
  }
  for (const model::GgufTensor& t : file.tensors()) {
    const tensor::MatrixView m = t.Matrix();
    std::string bytes(m.rows * m.columns * sizeof(float), '\0');
    for (size_t r = 0; r < m.rows; ++r) {
      tensor::Dequantize(m.type, m.data + r * tensor::RowBytes(m.type, m.columns),
                         reinterpret_cast<float*>(bytes.data()) + r * m.columns, m.columns);
    }
    out.Tensor(t.name, t.shape, 0, bytes);
  }
  return out.Build();
}

std::vector<std::string> Prompts() {
  return {"The capital of France is",
          "Water boils at",
          "In the beginning",
          "def fibonacci(n):",
          "The three laws of thermodynamics say that",
          "A recipe for bread: take flour,",
          "Once upon a time there was a",
          "The largest planet of the solar system is",
          "To be or not to be,",
          "Photosynthesis is the process by which",
          "The contract may be terminated by either party if",
          "SELECT name FROM customers WHERE",
          "Her heart rate was 72 beats per minute and",
          "The Second World War ended in",
          "An index of documents is a",
          "1, 1, 2, 3, 5, 8, 13,",
          "Dear Sir or Madam,",
          "The speed of light in vacuum is",
          "A weir is a low dam that",
          "Der Rhein fließt durch"};
}

TEST(WholeModelAttentionTest, GreedyTokensOfASmallModelEqualTheNaiveOnes) {
  const std::string path = testing::TempDir() + "/naive_attention.gguf";
  ASSERT_TRUE(WriteFileAtomic(path, SmallModelBytes()).ok());
  const auto file = model::GgufFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ExpectSameTokens(**file, *file, Prompts(), 60);
}

TEST(WholeModelAttentionTest, GreedyTokensOfSmollmEqualTheNaiveOnes) {
  const auto file =
      model::GgufFile::Open(WeirHome() + "/models/smollm2-135m/smollm2-135m.gguf");
  if (!file.ok()) GTEST_SKIP() << "no smollm2-135m below WEIR_HOME";
  const std::string bytes = WithFloatWeights(**file);
  const auto floats =
      model::GgufFile::Parse({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
  ASSERT_TRUE(floats.ok()) << floats.status();
  ExpectSameTokens(**file, *floats, Prompts(), 8);
}

}  // namespace
}  // namespace weir::generate
