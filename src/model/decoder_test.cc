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
    const int64_t window = s_.per_layer[layer].window;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t first = window > 0 ? std::max<int64_t>(0, length_ + i + 1 - window) : 0;
      for (int h = 0; h < s_.heads; ++h) {
        const float* query = q + (i * s_.heads + h) * d;
        std::vector<double> sum(d);
        double total = 0;
        for (int64_t t = first; t <= length_ + i; ++t) {
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
  explicit NaiveDecoder(const SmallDecoder& m) : m_(m), gemma_(m.architecture == "gemma3") {}

  std::vector<Row> Logits(const std::vector<int32_t>& tokens) {
    std::vector<Row> x;
    for (int32_t t : tokens) {
      const auto& e = m_.tensors.at("token_embd.weight");
      x.emplace_back(e.begin() + t * m_.hidden, e.begin() + (t + 1) * m_.hidden);
      if (gemma_) {
        for (double& v : x.back()) v *= std::sqrt(double(m_.hidden));
      }
    }
    for (int l = 0; l < m_.layers; ++l) Layer(l, x);
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
  // Which layers of a Gemma 3 see `window` tokens only: all but every sixth or as the file says.
  bool HasWindow(int layer) const {
    const int every = m_.window_pattern > 0 ? m_.window_pattern : 6;
    return gemma_ && m_.window > 0 && (layer + 1) % every != 0;
  }
  void NormHeads(Row& row, const std::string& name) const {
    if (!gemma_) return;
    for (size_t h = 0; h < row.size(); h += m_.head_dim) {
      const Row head = Norm(Row(&row[h], &row[h] + m_.head_dim), name);
      std::copy(head.begin(), head.end(), &row[h]);
    }
  }
  void Rotate(Row& row, int heads, size_t position, int layer) const {
    const int d = m_.head_dim;
    double base = m_.base;
    if (HasWindow(layer)) base = m_.window_base > 0 ? m_.window_base : 10000;
    for (int h = 0; h < heads; ++h) {
      for (int i = 0; i < d / 2; ++i) {
        double angle = position * std::pow(base, -2.0 * i / d);
        if (!m_.rope_freqs.empty()) angle /= m_.rope_freqs[i];
        if (!HasWindow(layer)) angle /= m_.rope_divisor;
        const bool halves = m_.architecture != "llama";
        double &a = row[h * d + (halves ? i : 2 * i)],
               &b = row[h * d + (halves ? i + d / 2 : 2 * i + 1)];
        const double u = a * std::cos(angle) - b * std::sin(angle),
                     v = a * std::sin(angle) + b * std::cos(angle);
        a = u, b = v;
      }
    }
  }
  void AddInto(Row& x, const Row& delta, const std::string& norm) const {
    const Row d = gemma_ ? Norm(delta, norm) : delta;
    for (size_t c = 0; c < x.size(); ++c) x[c] += d[c];
  }
  Row Attend(const Row& q, const std::vector<Row>& k, const std::vector<Row>& v, int layer) const {
    const int d = m_.head_dim, group = m_.heads / m_.kv_heads;
    const size_t window = m_.window;
    const size_t first = HasWindow(layer) && k.size() > window ? k.size() - window : 0;
    const double scale = gemma_ && m_.layers == 62 ? std::sqrt(double(m_.hidden) / m_.heads)
                                                   : std::sqrt(double(d));
    Row attended(q.size());
    for (int h = 0; h < m_.heads; ++h) {
      Row w(k.size());
      double total = 0;
      for (size_t t = first; t < k.size(); ++t) {
        double dot = 0;
        for (int c = 0; c < d; ++c) dot += q[h * d + c] * k[t][h / group * d + c];
        total += w[t] = std::exp(dot / scale);
      }
      for (size_t t = first; t < k.size(); ++t) {
        for (int c = 0; c < d; ++c) attended[h * d + c] += w[t] / total * v[t][h / group * d + c];
      }
    }
    return attended;
  }
  double Activate(double g) const {
    if (!gemma_) return g / (1 + std::exp(-g));
    return 0.5 * g * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (g + 0.044715 * g * g * g)));
  }
  void Layer(int layer, std::vector<Row>& x) const {
    const std::string p = "blk." + std::to_string(layer) + ".";
    std::vector<Row> k, v;
    for (size_t i = 0; i < x.size(); ++i) {
      const Row n = Norm(x[i], p + "attn_norm.weight");
      Row q = Times(p + "attn_q.weight", n);
      k.push_back(Times(p + "attn_k.weight", n));
      v.push_back(Times(p + "attn_v.weight", n));
      NormHeads(q, p + "attn_q_norm.weight");
      NormHeads(k.back(), p + "attn_k_norm.weight");
      Rotate(q, m_.heads, i, layer);
      Rotate(k.back(), m_.kv_heads, i, layer);
      AddInto(x[i], Times(p + "attn_output.weight", Attend(q, k, v, layer)),
              p + "post_attention_norm.weight");
    }
    for (Row& r : x) {
      const Row n = Norm(r, p + "ffn_norm.weight");
      Row gate = Times(p + "ffn_gate.weight", n);
      const Row up = Times(p + "ffn_up.weight", n);
      for (size_t c = 0; c < gate.size(); ++c) gate[c] = Activate(gate[c]) * up[c];
      AddInto(r, Times(p + "ffn_down.weight", gate), p + "post_ffw_norm.weight");
    }
  }

  const SmallDecoder& m_;
  const bool gemma_;
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
          SmallDecoder{.architecture = "qwen2", .layers = 3}.Fill(),
          // Heads wider than hidden / heads, as the real files have them. Seven layers: the sixth
          // sees everything; then a pattern and a base of the file's own; then no window at all.
          SmallDecoder{.architecture = "gemma3",
                       .layers = 7,
                       .kv_heads = 1,
                       .head_dim = 32,
                       .base = 1e6f,
                       .epsilon = 1e-6f,
                       .window = 9}
              .Fill(),
          SmallDecoder{.architecture = "gemma3",
                       .layers = 3,
                       .base = 1e5f,
                       .window = 5,
                       .window_pattern = 2,
                       .window_base = 500}
              .Fill(),
          SmallDecoder{.architecture = "gemma3", .tied = false, .base = 1e6f}.Fill()};
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

std::vector<float> LastLogits(const std::string& bytes, int tokens) {
  Loaded l(bytes);
  EXPECT_TRUE(l.status.ok()) << l.status;
  if (!l.status.ok()) return {};
  PlainKv kv(l.decoder->shape());
  auto workspace = l.decoder->MakeWorkspace(8);
  std::vector<float> out(50);
  EXPECT_TRUE(l.decoder
                  ->Forward(Tokens(tokens), kv, LogitRows::kLast, std::span(out), *workspace,
                            Context())
                  .ok());
  return out;
}

// Layers with a window turn by a base of their own, which no scaling touches.
TEST(DecoderTest, ScalingSparesLayersWithAWindow) {
  SmallDecoder m = SmallDecoder{
      .architecture = "gemma3", .layers = 3, .base = 1e6f, .window = 6, .window_pattern = 2}
                       .Fill();
  const std::string scaled = m.Builder()
                                 .Text("gemma3.rope.scaling.type", "linear")
                                 .F32("gemma3.rope.scaling.factor", 8)
                                 .Build();
  const std::vector<float> plain = LastLogits(m.Builder().Build(), 20);
  m.rope_divisor = 8;
  const std::vector<float> got = LastLogits(scaled, 20);
  const Row want = NaiveDecoder(m).Logits(Tokens(20)).back();
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 2e-3);
  EXPECT_NE(got, plain);
}

// Gemma 3 27B alone divides by sqrt(hidden / heads).
TEST(DecoderTest, SixtyTwoLayersOfGemmaScaleTheirQueriesOtherwise) {
  const SmallDecoder m = SmallDecoder{.architecture = "gemma3",
                                      .layers = 62,
                                      .hidden = 32,
                                      .heads = 2,
                                      .kv_heads = 1,
                                      .head_dim = 32,
                                      .ffn = 32,
                                      .window = 6}
                             .Fill();
  const std::vector<float> got = LastLogits(m.Builder().Build(), 12);
  const Row want = NaiveDecoder(m).Logits(Tokens(12)).back();
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-2);
}

TEST(DecoderTest, SaysWhichLayersHaveAWindow) {
  Loaded l(SmallDecoder{.architecture = "gemma3", .layers = 13, .base = 1e6f, .window = 512}
               .Fill()
               .Builder()
               .Build());
  ASSERT_TRUE(l.status.ok()) << l.status;
  const DecoderShape& s = l.decoder->shape();
  EXPECT_EQ(s.rope_bases, (std::vector<float>{1e6f, 1e4f}));
  for (int i = 0; i < 13; ++i) {
    const bool all = i == 5 || i == 11;
    EXPECT_EQ(s.per_layer[i].window, all ? 0 : 512) << i;
    EXPECT_EQ(s.per_layer[i].rotary, all ? 0 : 1) << i;
  }
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
  for (const char* cap : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    cases.push_back({cap, good.Builder().F32(std::string("llama.") + cap, 30).Build(),
                     Code::kUnimplemented});
  }
  cases.push_back({"no architecture", GgufBuilder().Build(), Code::kNotFound});
  for (const Case& c : cases) {
    Loaded l(c.bytes);
    EXPECT_EQ(l.status.code(), c.code) << c.what << ": " << l.status;
  }
}

TEST(DecoderTest, RefusesHostileGemmaFiles) {
  using Code = absl::StatusCode;
  const SmallDecoder good = SmallDecoder{.architecture = "gemma3", .layers = 2, .window = 8}.Fill();
  const auto load = [&](const std::function<void(SmallDecoder&)>& change,
                        const std::function<void(GgufBuilder&)>& more = [](GgufBuilder&) {}) {
    SmallDecoder m = good;
    change(m);
    GgufBuilder b = m.Builder();
    more(b);
    return Loaded(b.Build()).status.code();
  };
  const auto same = [](SmallDecoder&) {};
  EXPECT_EQ(load(same), Code::kOk);
  for (const char* name : {"attn_q_norm", "attn_k_norm", "post_attention_norm", "post_ffw_norm"}) {
    const std::string tensor = std::string("blk.1.") + name + ".weight";
    EXPECT_EQ(load([&](auto& m) { m.tensors.erase(tensor); }), Code::kNotFound) << name;
    EXPECT_EQ(load([&](auto& m) { m.Add(tensor, {48}, 1, 1, 1); }), Code::kDataLoss) << name;
    EXPECT_EQ(load([&](auto& m) { m.Add(tensor, {16, 64}, 1, 1, 1); }), Code::kDataLoss) << name;
  }
  EXPECT_EQ(load([](auto& m) { m.window = 1 << 25; }), Code::kDataLoss);
  EXPECT_EQ(load([](auto& m) { m.window = -1; }), Code::kDataLoss);
  EXPECT_EQ(load([](auto& m) { m.window_pattern = 513; }), Code::kDataLoss);
  EXPECT_EQ(load([](auto& m) { m.window_base = NAN; }), Code::kDataLoss);
  EXPECT_EQ(load([](auto& m) { m.window_base = -5; }), Code::kDataLoss);
  EXPECT_EQ(load([](auto& m) { m.window = 0; },
                 [](auto& b) { b.Text("gemma3.attention.sliding_window", "8"); }),
            Code::kDataLoss);
  EXPECT_EQ(load(same, [](auto& b) { b.U32("gemma3.attention.sliding_window_pattern", 0); }),
            Code::kDataLoss);
  EXPECT_EQ(load(same,
                 [](auto& b) {
                   b.Numbers("gemma3.attention.sliding_window_pattern", GgufBuilder::kI32,
                             std::vector<int32_t>{1, 0});
                 }),
            Code::kDataLoss);
  EXPECT_EQ(load(same, [](auto& b) { b.F32("gemma3.final_logit_softcapping", 30); }),
            Code::kUnimplemented);
  EXPECT_EQ(load(same, [](auto& b) { b.F32("gemma3.final_logit_softcapping", 0); }), Code::kOk);
  EXPECT_EQ(load([](auto& m) {
              m.rope_freqs = std::vector<float>(8, 2.0f);
              m.Fill();
            }),
            Code::kUnimplemented);
}

}  // namespace
}  // namespace weir::model
