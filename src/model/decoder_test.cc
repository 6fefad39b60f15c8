#include "model/decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/threads.h"
#include "gtest/gtest.h"
#include "model/decoder_fixture.h"
#include "model/decoder_weights.h"

namespace weir::model {
namespace {

// Keeps everything in f32 and attends in double: the plainest thing that satisfies the port.
class PlainKv : public KvSequence {
 public:
  explicit PlainKv(const DecoderShape& s) : s_(s), k_(s.layers), v_(s.layers) {}
  int64_t length() const override { return length_; }
  absl::Status Reserve(int64_t n) override {
    return length_ + n <= 400 ? absl::OkStatus() : absl::ResourceExhaustedError("full");
  }
  void Append(int layer, int64_t n, const float* k, const float* v, Threads*) override {
    const size_t row = s_.kv_heads * s_.head_dim;
    k_[layer].resize(length_ * row);
    v_[layer].resize(length_ * row);
    k_[layer].insert(k_[layer].end(), k, k + n * row);
    v_[layer].insert(v_[layer].end(), v, v + n * row);
  }
  void Attend(int layer, int64_t n, const float* q, float* out, Threads*) override {
    const int d = s_.head_dim, group = s_.heads / s_.kv_heads;
    for (int64_t i = 0; i < n; ++i) {
      for (int h = 0; h < s_.heads; ++h) {
        const float* query = q + (i * s_.heads + h) * d;
        std::vector<double> sum(d);
        double total = 0;
        for (int64_t t = 0; t <= length_ + i; ++t) {
          const size_t at = (t * s_.kv_heads + h / group) * d;
          double dot = 0;
          for (int c = 0; c < d; ++c) dot += double(query[c]) * k_[layer][at + c];
          const double w = std::exp(dot / std::sqrt(double(d)));
          total += w;
          for (int c = 0; c < d; ++c) sum[c] += w * v_[layer][at + c];
        }
        for (int c = 0; c < d; ++c)
          out[(i * s_.heads + h) * d + c] = static_cast<float>(sum[c] / total);
      }
    }
  }
  void Commit(int64_t n) override { length_ += n; }

 private:
  DecoderShape s_;
  int64_t length_ = 0;
  std::vector<std::vector<float>> k_, v_;
};

using Row = std::vector<double>;

// The textbook forward pass of one sequence, all in double.
class NaiveDecoder {
 public:
  explicit NaiveDecoder(const SmallDecoder& m) : m_(m) {}

  std::vector<Row> Logits(const std::vector<int32_t>& tokens) {
    std::vector<Row> x;
    for (int32_t t : tokens) {
      const auto& e = m_.tensors.at("token_embd.weight");
      x.emplace_back(e.begin() + t * m_.hidden, e.begin() + (t + 1) * m_.hidden);
    }
    for (int l = 0; l < m_.layers; ++l) Layer("blk." + std::to_string(l) + ".", x);
    std::vector<Row> out;
    for (const Row& r : x)
      out.push_back(
          Times(m_.tied ? "token_embd.weight" : "output.weight", Norm(r, "output_norm.weight")));
    return out;
  }

 private:
  Row Times(const std::string& name, const Row& x) const {
    const auto& w = m_.tensors.at(name);
    Row y(w.size() / x.size());
    for (size_t r = 0; r < y.size(); ++r) {
      for (size_t c = 0; c < x.size(); ++c) y[r] += w[r * x.size() + c] * x[c];
    }
    const auto bias = m_.tensors.find(name.substr(0, name.rfind('.')) + ".bias");
    if (bias != m_.tensors.end()) {
      for (size_t r = 0; r < y.size(); ++r) y[r] += bias->second[r];
    }
    return y;
  }
  Row Norm(const Row& x, const std::string& name) const {
    double squares = 0;
    for (double v : x) squares += v * v;
    const double scale = 1 / std::sqrt(squares / x.size() + m_.epsilon);
    Row y(x.size());
    for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * scale * m_.tensors.at(name)[i];
    return y;
  }
  void Rotate(Row& row, int heads, size_t position) const {
    const int d = m_.head_dim;
    for (int h = 0; h < heads; ++h) {
      for (int i = 0; i < d / 2; ++i) {
        double angle = position * std::pow(m_.base, -2.0 * i / d);
        if (!m_.rope_freqs.empty()) angle /= m_.rope_freqs[i];
        const bool halves = m_.architecture == "qwen2";
        double &a = row[h * d + (halves ? i : 2 * i)],
               &b = row[h * d + (halves ? i + d / 2 : 2 * i + 1)];
        const double u = a * std::cos(angle) - b * std::sin(angle),
                     v = a * std::sin(angle) + b * std::cos(angle);
        a = u, b = v;
      }
    }
  }
  void Layer(const std::string& p, std::vector<Row>& x) const {
    const int d = m_.head_dim, group = m_.heads / m_.kv_heads;
    std::vector<Row> k, v;
    for (size_t i = 0; i < x.size(); ++i) {
      const Row n = Norm(x[i], p + "attn_norm.weight");
      Row q = Times(p + "attn_q.weight", n);
      k.push_back(Times(p + "attn_k.weight", n));
      v.push_back(Times(p + "attn_v.weight", n));
      Rotate(q, m_.heads, i);
      Rotate(k.back(), m_.kv_heads, i);
      Row attended(q.size());
      for (int h = 0; h < m_.heads; ++h) {
        std::vector<double> w(i + 1);
        double total = 0;
        for (size_t t = 0; t <= i; ++t) {
          double dot = 0;
          for (int c = 0; c < d; ++c) dot += q[h * d + c] * k[t][h / group * d + c];
          total += w[t] = std::exp(dot / std::sqrt(double(d)));
        }
        for (size_t t = 0; t <= i; ++t) {
          for (int c = 0; c < d; ++c) attended[h * d + c] += w[t] / total * v[t][h / group * d + c];
        }
      }
      const Row o = Times(p + "attn_output.weight", attended);
      for (size_t c = 0; c < o.size(); ++c) x[i][c] += o[c];
    }
    for (Row& r : x) {
      const Row n = Norm(r, p + "ffn_norm.weight");
      Row gate = Times(p + "ffn_gate.weight", n);
      const Row up = Times(p + "ffn_up.weight", n);
      for (size_t c = 0; c < gate.size(); ++c) gate[c] = gate[c] / (1 + std::exp(-gate[c])) * up[c];
      const Row down = Times(p + "ffn_down.weight", gate);
      for (size_t c = 0; c < r.size(); ++c) r[c] += down[c];
    }
  }

  const SmallDecoder& m_;
};

// The bytes live as long as the decoder of a test.
struct Loaded {
  explicit Loaded(std::string file_bytes) : storage(file_bytes.size() / 8 + 8) {
    std::memcpy(storage.data(), file_bytes.data(), file_bytes.size());
    auto file =
        GgufFile::Parse({reinterpret_cast<const std::byte*>(storage.data()), file_bytes.size()});
    if (!file.ok()) {
      status = file.status();
      return;
    }
    auto loaded = Decoder::Load(*file, Context());
    status = loaded.status();
    if (loaded.ok()) decoder = *loaded;
  }
  std::vector<uint64_t> storage;  // aligned as a mapping is
  absl::Status status;
  std::shared_ptr<const Decoder> decoder;
};

std::vector<int32_t> Tokens(int n) {
  std::vector<int32_t> tokens(n);
  for (int i = 0; i < n; ++i) tokens[i] = (i * 17 + 5) % 50;
  return tokens;
}

std::vector<SmallDecoder> Variants() {
  return {SmallDecoder{}.Fill(), SmallDecoder{.kv_heads = 4, .tied = false}.Fill(),
          SmallDecoder{.rope_freqs = {1, 1, 1, 2, 4, 8, 8, 8}}.Fill(),
          SmallDecoder{
              .architecture = "qwen2", .kv_heads = 1, .tied = false, .base = 1e6f, .epsilon = 1e-6f}
              .Fill(),
          SmallDecoder{.architecture = "qwen2", .layers = 3}.Fill()};
}

TEST(DecoderTest, EqualsTheNaiveForwardPass) {
  for (const SmallDecoder& m : Variants()) {
    Loaded l(m.Builder().Build());
    ASSERT_TRUE(l.status.ok()) << l.status;
    EXPECT_EQ(l.decoder->shape().vocabulary, 50);
    const auto tokens = Tokens(23);
    PlainKv kv(l.decoder->shape());
    auto workspace = l.decoder->MakeWorkspace(64);
    std::vector<float> logits(23 * 50);
    ASSERT_TRUE(
        l.decoder->Forward(tokens, kv, LogitRows::kAll, std::span(logits), *workspace, Context())
            .ok());
    const auto expected = NaiveDecoder(m).Logits(tokens);
    for (size_t i = 0; i < logits.size(); ++i)
      EXPECT_NEAR(logits[i], expected[i / 50][i % 50], 2e-3) << m.architecture;
  }
}

TEST(DecoderTest, BitEqualForAnyThreadsAndChunks) {
  Threads two(2);
  for (const SmallDecoder& m : Variants()) {
    Loaded l(m.Builder().Build());
    ASSERT_TRUE(l.status.ok()) << l.status;
    const auto tokens = Tokens(40);
    std::vector<float> reference;
    for (Threads* threads : {static_cast<Threads*>(nullptr), &two}) {
      Context context;
      context.threads = threads;
      for (int batch : {64, 1, 7, 16}) {
        PlainKv kv(l.decoder->shape());
        auto workspace = l.decoder->MakeWorkspace(batch);
        std::vector<float> logits(40 * 50);
        // Two calls as well as chunks inside them.
        ASSERT_TRUE(l.decoder
                        ->Forward(std::span(tokens).first(11), kv, LogitRows::kAll,
                                  std::span(logits).first(11 * 50), *workspace, context)
                        .ok());
        ASSERT_TRUE(l.decoder
                        ->Forward(std::span(tokens).subspan(11), kv, LogitRows::kAll,
                                  std::span(logits).subspan(11 * 50), *workspace, context)
                        .ok());
        if (reference.empty()) reference = logits;
        EXPECT_EQ(logits, reference) << batch;
        PlainKv again(l.decoder->shape());
        std::vector<float> last(50);
        ASSERT_TRUE(
            l.decoder
                ->Forward(tokens, again, LogitRows::kLast, std::span(last), *workspace, context)
                .ok());
        EXPECT_TRUE(std::equal(last.begin(), last.end(), reference.end() - 50));
      }
    }
  }
}

TEST(DecoderTest, LinearScalingDividesPositions) {
  SmallDecoder m = SmallDecoder{}.Fill();
  SmallDecoder factors = SmallDecoder{.rope_freqs = std::vector<float>(8, 4.0f)}.Fill();
  Loaded scaled(m.Builder()
                    .Text("llama.rope.scaling.type", "linear")
                    .F32("llama.rope.scaling.factor", 4)
                    .Build());
  Loaded same(factors.Builder().Build());
  ASSERT_TRUE(scaled.status.ok() && same.status.ok()) << scaled.status << same.status;
  std::vector<std::vector<float>> out;
  for (const Loaded* l : {&scaled, &same}) {
    PlainKv kv(l->decoder->shape());
    auto workspace = l->decoder->MakeWorkspace(8);
    out.emplace_back(50);
    ASSERT_TRUE(l->decoder
                    ->Forward(Tokens(20), kv, LogitRows::kLast, std::span(out.back()), *workspace,
                              Context())
                    .ok());
  }
  EXPECT_EQ(out[0], out[1]);
}

TEST(DecoderTest, RefusesBadCalls) {
  Loaded l(SmallDecoder{}.Fill().Builder().Build());
  ASSERT_TRUE(l.status.ok());
  PlainKv kv(l.decoder->shape());
  auto workspace = l.decoder->MakeWorkspace(16);
  std::vector<float> logits(50);
  const auto forward = [&](std::vector<int32_t> tokens, LogitRows rows, size_t room) {
    return l.decoder
        ->Forward(tokens, kv, rows, std::span(logits).first(room), *workspace, Context())
        .code();
  };
  EXPECT_EQ(forward({}, LogitRows::kNone, 0), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(forward({50}, LogitRows::kLast, 50), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(forward({-1}, LogitRows::kLast, 50), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(forward({1}, LogitRows::kLast, 49), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(forward(Tokens(401), LogitRows::kLast, 50), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(kv.length(), 0);
  CancelToken cancel;
  cancel.Cancel();
  Context context;
  context.cancel = &cancel;
  EXPECT_EQ(l.decoder->Forward(Tokens(4), kv, LogitRows::kNone, {}, *workspace, context).code(),
            absl::StatusCode::kCancelled);
  EXPECT_GT(l.decoder->weight_bytes(), 0);
}

// One wrong thing each; the code says whose fault it is.
TEST(DecoderTest, RefusesHostileFiles) {
  using Code = absl::StatusCode;
  const SmallDecoder good = SmallDecoder{}.Fill();
  struct Case {
    std::string what;
    std::string bytes;
    Code code;
  };
  std::vector<Case> cases;
  const auto with = [&](std::string what, Code code,
                        const std::function<void(SmallDecoder&)>& change) {
    SmallDecoder m = good;
    change(m);
    cases.push_back({std::move(what), m.Builder().Build(), code});
  };
  with("no layers", Code::kDataLoss, [](auto& m) { m.layers = 0; });
  with("too many layers", Code::kDataLoss, [](auto& m) { m.layers = 513; });
  with("more layers than tensors", Code::kDataLoss, [](auto& m) { m.layers = 3; });
  with("fewer layers than tensors", Code::kUnimplemented, [](auto& m) { m.layers = 1; });
  with("heads not a multiple", Code::kDataLoss, [](auto& m) { m.kv_heads = 3; });
  with("huge hidden", Code::kDataLoss, [](auto& m) { m.hidden = 1 << 20; });
  with("other hidden", Code::kDataLoss, [](auto& m) { m.hidden = 128, m.head_dim = 32; });
  with("other ffn", Code::kDataLoss, [](auto& m) { m.ffn = 64; });
  with("odd head", Code::kUnimplemented, [](auto& m) { m.head_dim = 12; });
  with("no base", Code::kDataLoss, [](auto& m) { m.base = 0; });
  with("NaN epsilon", Code::kDataLoss, [](auto& m) { m.epsilon = NAN; });
  with("no norm", Code::kNotFound, [](auto& m) { m.tensors.erase("blk.1.attn_norm.weight"); });
  with("unknown architecture", Code::kUnimplemented, [](auto& m) { m.architecture = "mamba"; });
  with("qwen2 without biases", Code::kNotFound, [](auto& m) { m.architecture = "qwen2"; });
  with("unknown tensor", Code::kUnimplemented,
       [](auto& m) { m.Add("blk.0.attn_q_norm.weight", {16}, 1, 1, 1); });
  with("vector with two dimensions", Code::kDataLoss, [](auto& m) {
    m.shapes["output_norm.weight"] = {32, 2};
  });
  with("embedding with one dimension", Code::kDataLoss,
       [](auto& m) { m.shapes["token_embd.weight"] = {3200}; });
  with("negative frequency factor", Code::kDataLoss, [](auto& m) {
    m.rope_freqs = {1, 1, 1, 1, 1, 1, 1, -1};
    m.Fill();
  });
  cases.push_back({"yarn", good.Builder().Text("llama.rope.scaling.type", "yarn").Build(),
                   Code::kUnimplemented});
  cases.push_back({"linear by zero",
                   good.Builder()
                       .Text("llama.rope.scaling.type", "linear")
                       .F32("llama.rope.scaling.factor", 0)
                       .Build(),
                   Code::kDataLoss});
  cases.push_back(
      {"experts", good.Builder().U32("llama.expert_count", 8).Build(), Code::kUnimplemented});
  cases.push_back({"sliding window",
                   good.Builder().U32("llama.attention.sliding_window", 4096).Build(),
                   Code::kUnimplemented});
  cases.push_back({"partial rotary", good.Builder().U32("llama.attention.key_length", 32).Build(),
                   Code::kUnimplemented});
  cases.push_back({"other vocabulary",
                   good.Builder().Texts("tokenizer.ggml.tokens", {"a", "b"}).Build(),
                   Code::kDataLoss});
  cases.push_back({"no architecture", GgufBuilder().Build(), Code::kNotFound});
  for (const Case& c : cases) {
    Loaded l(c.bytes);
    EXPECT_EQ(l.status.code(), c.code) << c.what << ": " << l.status;
  }
}

}  // namespace
}  // namespace weir::model
