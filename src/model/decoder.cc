#include "model/decoder.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/decoder_weights.h"
#include "tensor/ops.h"

namespace weir::model {
namespace {

constexpr int64_t kMaxBatchTokens = 4096;
// Rows of small operations that one worker takes at least; a single row never starts the workers.
constexpr size_t kRowGrain = 4;

class Buffers : public Decoder::Workspace {
 public:
  Buffers(const DecoderShape& s, int64_t batch_tokens) : batch(batch_tokens) {
    const size_t n = static_cast<size_t>(batch);
    x.resize(n * s.hidden);
    normed.resize(n * s.hidden);
    q.resize(n * s.heads * s.head_dim);
    k.resize(n * s.kv_heads * s.head_dim);
    v.resize(n * s.kv_heads * s.head_dim);
    attended.resize(n * s.heads * s.head_dim);
    gate.resize(n * s.ffn);
    up.resize(n * s.ffn);
    rotary.resize(s.rope_bases.size() * n * s.head_dim);
    positions.resize(n);
    rows.resize(n);
  }
  DecoderTimes& times() override { return times_; }

  int64_t batch;
  std::vector<float> x, normed, q, k, v, attended, gate, up;
  std::vector<float> rotary;  // [rope_bases][batch][head_dim] cosines and sines
  std::vector<int64_t> positions;
  std::vector<int32_t> rows;

 private:
  DecoderTimes times_;
};

// Adds the time since the last call to a stage.
class StageClock {
 public:
  StageClock() : last_(SteadyNowNs()) {}
  void Charge(int64_t& stage) {
    const int64_t now = SteadyNowNs();
    stage += now - last_;
    last_ = now;
  }

 private:
  int64_t last_;
};

class TransformerDecoder : public Decoder {
 public:
  explicit TransformerDecoder(DecoderWeights weights) : w_(std::move(weights)) {}

  const DecoderShape& shape() const override { return w_.shape; }
  int64_t weight_bytes() const override { return w_.bytes; }
  std::unique_ptr<Workspace> MakeWorkspace(int64_t max_batch_tokens) const override {
    return std::make_unique<Buffers>(w_.shape,
                                     std::clamp<int64_t>(max_batch_tokens, 1, kMaxBatchTokens));
  }

  absl::Status Forward(std::span<const int32_t> tokens, KvSequence& kv, LogitRows rows,
                       std::span<float> logits, Workspace& workspace,
                       const Context& context) const override;
  absl::Status ForwardRows(std::span<const int32_t> tokens, KvSequence& kv,
                           std::span<const int32_t> logit_rows, std::span<float> logits,
                           Workspace& workspace, const Context& context) const override;
  KeyMove MoveKeys(int layer, int64_t delta) const override;

 private:
  absl::Status CheckTokens(std::span<const int32_t> tokens) const;
  // Returns how many rows reached the end.
  size_t Chunk(std::span<const int32_t> tokens, KvSequence& kv, Buffers& b, Threads* threads) const;
  void Embed(std::span<const int32_t> tokens, Buffers& b, Threads* threads) const;
  // Returns how many of the n rows went through it, the first of the buffers then.
  size_t Layer(int index, size_t n, KvSequence& kv, Buffers& b, Threads* threads) const;
  size_t Narrow(int index, size_t n, KvSequence& kv, Buffers& b) const;
  // What happens to queries, keys and values between their products and attention.
  void PrepareHeads(int index, size_t n, Buffers& b, Threads* threads) const;
  // Row by row: b.x += b.normed, which goes through the norm `inner` before unless that is empty;
  // then b.normed = norm(b.x) with `next`.
  void AddAndNorm(const std::vector<float>& inner, const std::vector<float>& next, size_t n,
                  Buffers& b, Threads* threads) const;
  void Gate(size_t n, Buffers& b, Threads* threads) const;

  DecoderWeights w_;
};

void RotateHeads(float* heads, int count, int dim, const float* cos_sin, bool halves) {
  for (int h = 0; h < count; ++h) {
    if (halves) {
      tensor::RotaryHalves(heads + h * dim, cos_sin, dim);
    } else {
      tensor::RotaryInterleaved(heads + h * dim, cos_sin, dim);
    }
  }
}

void NormHeads(float* heads, int count, const std::vector<float>& weight, float epsilon) {
  const size_t dim = weight.size();
  for (int h = 0; h < count && dim > 0; ++h) {
    tensor::RmsNorm(heads + h * dim, weight.data(), epsilon, heads + h * dim, dim);
  }
}

// Leaves the embeddings in b.x, their norm for the first layer in b.normed, and the rotary tables
// of b.positions.
void TransformerDecoder::Embed(std::span<const int32_t> tokens, Buffers& b,
                               Threads* threads) const {
  const DecoderShape& s = w_.shape;
  const size_t hidden = s.hidden, dim = s.head_dim;
  const size_t row_bytes = tensor::RowBytes(w_.embedding.type, hidden);
  const float scale = w_.family->scaled_embedding ? std::sqrt(static_cast<float>(hidden)) : 1.0f;
  ParallelShare(threads, tokens.size(), kRowGrain, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      float* x = &b.x[i * hidden];
      tensor::Dequantize(w_.embedding.type, w_.embedding.data + tokens[i] * row_bytes, x, hidden);
      if (scale != 1) {
        for (size_t c = 0; c < hidden; ++c) x[c] *= scale;
      }
      for (size_t r = 0; r < s.rope_bases.size(); ++r) {
        const std::vector<float>& factors = w_.rotary_factors[r];
        tensor::RotaryTable(b.positions[i], s.head_dim, s.rope_bases[r],
                            factors.empty() ? nullptr : factors.data(),
                            &b.rotary[(r * b.batch + i) * dim]);
      }
      tensor::RmsNorm(x, w_.layers[0].attention_norm.data(), s.norm_epsilon, &b.normed[i * hidden],
                      hidden);
    }
  });
}

void TransformerDecoder::AddAndNorm(const std::vector<float>& inner, const std::vector<float>& next,
                                    size_t n, Buffers& b, Threads* threads) const {
  const size_t hidden = w_.shape.hidden;
  const float epsilon = w_.shape.norm_epsilon;
  ParallelShare(threads, n, kRowGrain, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      float *x = &b.x[i * hidden], *normed = &b.normed[i * hidden];
      if (!inner.empty()) tensor::RmsNorm(normed, inner.data(), epsilon, normed, hidden);
      tensor::Add(x, normed, hidden);
      tensor::RmsNorm(x, next.data(), epsilon, normed, hidden);
    }
  });
}

void TransformerDecoder::PrepareHeads(int index, size_t n, Buffers& b, Threads* threads) const {
  const DecoderShape& s = w_.shape;
  const DecoderLayer& layer = w_.layers[index];
  const size_t q_size = size_t(s.heads) * s.head_dim, kv_size = size_t(s.kv_heads) * s.head_dim;
  const size_t table = static_cast<size_t>(s.per_layer[index].rotary) * b.batch;
  ParallelShare(threads, n, kRowGrain, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      float *q = &b.q[i * q_size], *k = &b.k[i * kv_size], *v = &b.v[i * kv_size];
      if (!layer.q_bias.empty()) tensor::Add(q, layer.q_bias.data(), q_size);
      if (!layer.k_bias.empty()) tensor::Add(k, layer.k_bias.data(), kv_size);
      if (!layer.v_bias.empty()) tensor::Add(v, layer.v_bias.data(), kv_size);
      NormHeads(q, s.heads, layer.q_norm, s.norm_epsilon);
      NormHeads(k, s.kv_heads, layer.k_norm, s.norm_epsilon);
      const float* cos_sin = &b.rotary[(table + i) * s.head_dim];
      RotateHeads(q, s.heads, s.head_dim, cos_sin, w_.family->rotary_halves);
      RotateHeads(k, s.kv_heads, s.head_dim, cos_sin, w_.family->rotary_halves);
      for (size_t j = 0; j < layer.key_center.size(); ++j) k[j] -= layer.key_center[j];
    }
  });
}

void TransformerDecoder::Gate(size_t n, Buffers& b, Threads* threads) const {
  const size_t ffn = w_.shape.ffn;
  const bool gelu = w_.family->activation == GateActivation::kGeluTanh;
  ParallelShare(threads, n, kRowGrain, [&](size_t begin, size_t end, int) {
    // Row by row: the bits of a row must not depend on where a batch was split.
    for (size_t i = begin; i < end; ++i) {
      float *gate = &b.gate[i * ffn], *up = &b.up[i * ffn];
      if (gelu) {
        tensor::GeluTanhMultiply(gate, up, gate, ffn);
      } else {
        tensor::SiluMultiply(gate, up, gate, ffn);
      }
    }
  });
}

// On entry b.normed is the layer's normed input; on return b.x holds the residual stream without
// the feed-forward's part, which is in b.normed: the next norm adds it in the same pass.
size_t TransformerDecoder::Layer(int index, size_t n, KvSequence& kv, Buffers& b,
                                 Threads* threads) const {
  const DecoderLayer& layer = w_.layers[index];
  DecoderTimes& t = b.times();
  StageClock clock;
  const tensor::Matrix* qkv[] = {&layer.q, &layer.k, &layer.v};
  float* qkv_out[] = {b.q.data(), b.k.data(), b.v.data()};
  tensor::MultiplyTogether(qkv, b.normed.data(), n, qkv_out, threads);
  clock.Charge(t.qkv);
  PrepareHeads(index, n, b, threads);
  clock.Charge(t.other);
  kv.Append(index, static_cast<int64_t>(n), b.k.data(), b.v.data(), threads);
  n = Narrow(index, n, kv, b);
  if (n == 0) return 0;
  kv.Attend(index, static_cast<int64_t>(n), b.q.data(), b.attended.data(), threads);
  clock.Charge(t.attention);
  layer.output.Multiply(b.attended.data(), n, b.normed.data(), threads);
  clock.Charge(t.output);
  AddAndNorm(layer.post_attention_norm, layer.ffn_norm, n, b, threads);
  clock.Charge(t.other);
  const tensor::Matrix* gate_up[] = {&layer.gate, &layer.up};
  float* gate_up_out[] = {b.gate.data(), b.up.data()};
  tensor::MultiplyTogether(gate_up, b.normed.data(), n, gate_up_out, threads);
  Gate(n, b, threads);
  layer.down.Multiply(b.gate.data(), n, b.normed.data(), threads);
  clock.Charge(t.ffn);
  return n;
}

// Moves what the rest of the layers reads of the rows that go on to the front.
size_t TransformerDecoder::Narrow(int index, size_t n, KvSequence& kv, Buffers& b) const {
  std::iota(b.rows.begin(), b.rows.begin() + static_cast<std::ptrdiff_t>(n), 0);
  const auto kept = static_cast<size_t>(kv.Narrow(index, static_cast<int64_t>(n), b.rows.data()));
  if (kept == n) return n;
  const size_t hidden = w_.shape.hidden, q_size = size_t(w_.shape.heads) * w_.shape.head_dim;
  const auto move = [](std::vector<float>& in, size_t base, size_t from, size_t to, size_t size) {
    std::copy_n(&in[(base + from) * size], size, &in[(base + to) * size]);
  };
  for (size_t to = 0; to < kept; ++to) {
    const size_t from = b.rows[to];
    if (from == to) continue;
    move(b.x, 0, from, to, hidden);
    move(b.q, 0, from, to, q_size);
    for (size_t r = 0; r < w_.shape.rope_bases.size(); ++r) {
      move(b.rotary, r * b.batch, from, to, w_.shape.head_dim);
    }
  }
  return kept;
}

// Leaves the final hidden states, after the output norm, in b.normed.
size_t TransformerDecoder::Chunk(std::span<const int32_t> tokens, KvSequence& kv, Buffers& b,
                                 Threads* threads) const {
  size_t n = tokens.size();
  StageClock clock;
  kv.Positions(static_cast<int64_t>(n), b.positions.data());
  Embed(tokens, b, threads);
  clock.Charge(b.times().other);
  for (int l = 0; l < w_.shape.layers && n > 0; ++l) {
    n = Layer(l, n, kv, b, threads);
    StageClock rest;
    const bool last = l + 1 == w_.shape.layers;
    AddAndNorm(w_.layers[l].post_ffn_norm,
               last ? w_.output_norm : w_.layers[l + 1].attention_norm, n, b, threads);
    rest.Charge(b.times().other);
  }
  kv.Commit(static_cast<int64_t>(tokens.size()));
  return n;
}

absl::Status TransformerDecoder::CheckTokens(std::span<const int32_t> tokens) const {
  if (tokens.empty()) return absl::InvalidArgumentError("forward: no tokens");
  for (int32_t token : tokens) {
    if (token < 0 || token >= w_.shape.vocabulary) {
      return absl::InvalidArgumentError(
          absl::StrCat("forward: token ", token, "; the vocabulary has ", w_.shape.vocabulary));
    }
  }
  return absl::OkStatus();
}

absl::Status TransformerDecoder::Forward(std::span<const int32_t> tokens, KvSequence& kv,
                                         LogitRows rows, std::span<float> logits,
                                         Workspace& workspace, const Context& context) const {
  std::vector<int32_t> logit_rows;
  if (rows != LogitRows::kNone && !tokens.empty()) {
    logit_rows.resize(rows == LogitRows::kLast ? 1 : tokens.size());
    std::iota(logit_rows.begin(), logit_rows.end(),
              static_cast<int32_t>(tokens.size() - logit_rows.size()));
  }
  return ForwardRows(tokens, kv, logit_rows, logits, workspace, context);
}

// A cached key at p is R(p) k - c (DecoderLayer::key_center); at p + delta it is
// R(delta) (R(p) k - c) + (R(delta) c - c).
Decoder::KeyMove TransformerDecoder::MoveKeys(int layer, int64_t delta) const {
  const DecoderShape& s = w_.shape;
  const int rotary = s.per_layer[layer].rotary, dim = s.head_dim;
  const std::vector<float>& factors = w_.rotary_factors[rotary];
  KeyMove move{w_.family->rotary_halves, std::vector<float>(dim), {}};
  tensor::RotaryTable(delta, dim, s.rope_bases[rotary], factors.empty() ? nullptr : factors.data(),
                      move.cos_sin.data());
  const std::vector<float>& center = w_.layers[layer].key_center;
  move.shift.resize(center.size());
  for (size_t head = 0; head < center.size(); head += dim) {
    for (int i = 0; i < dim / 2; ++i) {
      const size_t a = head + (move.halves ? i : 2 * i);
      const size_t b = head + (move.halves ? i + dim / 2 : 2 * i + 1);
      const double cosine = move.cos_sin[2 * i], sine = move.cos_sin[2 * i + 1];
      move.shift[a] = static_cast<float>(center[a] * cosine - center[b] * sine - center[a]);
      move.shift[b] = static_cast<float>(center[b] * cosine + center[a] * sine - center[b]);
    }
  }
  return move;
}

absl::Status TransformerDecoder::ForwardRows(std::span<const int32_t> tokens, KvSequence& kv,
                                             std::span<const int32_t> logit_rows,
                                             std::span<float> logits, Workspace& workspace,
                                             const Context& context) const {
  const size_t vocabulary = w_.shape.vocabulary, hidden = w_.shape.hidden;
  WEIR_RETURN_IF_ERROR(CheckTokens(tokens));
  if (logits.size() != logit_rows.size() * vocabulary) {
    return absl::InvalidArgumentError(
        absl::StrCat("forward: room for ", logits.size(), " logits; expected ",
                     logit_rows.size() * vocabulary));
  }
  for (size_t i = 0; i < logit_rows.size(); ++i) {
    const int32_t least = i == 0 ? 0 : logit_rows[i - 1] + 1;
    if (logit_rows[i] >= least && static_cast<size_t>(logit_rows[i]) < tokens.size()) continue;
    return absl::InvalidArgumentError(absl::StrCat("forward: logits of row ", logit_rows[i],
                                                   "; expected ", least, " to ",
                                                   tokens.size() - 1));
  }
  WEIR_RETURN_IF_ERROR(kv.Reserve(static_cast<int64_t>(tokens.size())));
  Buffers& b = static_cast<Buffers&>(workspace);
  size_t done = 0;  // rows whose logits are written
  for (size_t begin = 0; begin < tokens.size(); begin += b.batch) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    const size_t n = std::min<size_t>(b.batch, tokens.size() - begin);
    if (Chunk(tokens.subspan(begin, n), kv, b, context.threads) < n && !logit_rows.empty()) {
      return absl::FailedPreconditionError("forward: logits asked of rows that the cache left out");
    }
    StageClock clock;
    size_t count = 0;
    for (; done + count < logit_rows.size(); ++count) {
      const size_t row = static_cast<size_t>(logit_rows[done + count]) - begin;
      if (row >= n) break;
      // Rows ascend, so none is overwritten before it moves to the front.
      if (row != count) std::copy_n(&b.normed[row * hidden], hidden, &b.normed[count * hidden]);
    }
    if (count > 0) {
      w_.head.Multiply(b.normed.data(), count, &logits[done * vocabulary], context.threads);
    }
    done += count;
    clock.Charge(b.times().head);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Decoder>> Decoder::Load(std::shared_ptr<const GgufFile> file,
                                                             const Context& context) {
  const std::string path = file->path();
  absl::StatusOr<DecoderWeights> weights = LoadDecoderWeights(std::move(file), context);
  if (!weights.ok()) return Annotate(weights.status(), path.empty() ? "decoder" : path);
  return std::make_shared<const TransformerDecoder>(*std::move(weights));
}

}  // namespace weir::model
