#include "model/bert.h"

#include <algorithm>
#include <cmath>

#include "tensor/attention.h"
#include "tensor/ops.h"

namespace weir::model {

constexpr size_t kRowGrain = 8;  // rows a worker takes at least

void Bert::Embed(std::span<const int32_t> ids, std::span<const int64_t> offsets,
                 std::span<const int64_t> first_parts, float* x) const {
  const size_t hidden = shape_.hidden;
  for (size_t s = 0; s + 1 < offsets.size(); ++s) {
    for (int64_t t = offsets[s]; t < offsets[s + 1]; ++t) {
      const float* position = positions_.data() + (t - offsets[s]) * hidden;
      const bool second = !first_parts.empty() && t - offsets[s] >= first_parts[s];
      const float* type = types_.data() + (second ? hidden : 0);
      float* row = x + t * hidden;
      const float* word = words_.Row(ids[t], row);
      for (size_t i = 0; i < hidden; ++i) row[i] = word[i] + type[i] + position[i];
      tensor::LayerNorm(row, embedding_norm_.weight.data(), embedding_norm_.bias.data(),
                        shape_.epsilon, row, hidden);
    }
  }
}

void Bert::Dense::Multiply(const float* x, size_t n, float* y, Workspace& w,
                           Threads* threads) const {
  if (int8.rows() > 0) return int8.Multiply(x, n, y, w.int8, threads);
  matrix.Multiply(x, n, y, threads);
  const size_t rows = matrix.rows();
  ParallelFor(threads, n, kRowGrain, [&](size_t begin, size_t end, int) {
    for (size_t t = begin; t < end; ++t) tensor::Add(y + t * rows, bias.data(), rows);
  });
}

void Bert::RunLayer(const Layer& layer, std::span<const int64_t> offsets, float* x, Workspace& w,
                    Threads* threads) const {
  const size_t n = offsets.back(), hidden = shape_.hidden, ffn = shape_.ffn;
  const int head_dim = shape_.hidden / shape_.heads;
  // x = LayerNorm(x + y)
  auto close = [&](const float* y, const Norm& norm) {
    ParallelFor(threads, n, kRowGrain, [&](size_t begin, size_t end, int) {
      for (size_t t = begin; t < end; ++t) {
        float* row = x + t * hidden;
        tensor::Add(row, y + t * hidden, hidden);
        tensor::LayerNorm(row, norm.weight.data(), norm.bias.data(), shape_.epsilon, row, hidden);
      }
    });
  };
  layer.qkv.Multiply(x, n, w.qkv.data(), w, threads);
  const float* q = w.qkv.data();
  tensor::AttendRagged(q, q + hidden, q + 2 * hidden, 3 * hidden, offsets, shape_.heads, head_dim,
                       1.0f / std::sqrt(static_cast<float>(head_dim)), w.attended.data(), hidden,
                       threads);
  layer.output.Multiply(w.attended.data(), n, w.projected.data(), w, threads);
  close(w.projected.data(), layer.attention_norm);

  layer.up.Multiply(x, n, w.inner.data(), w, threads);
  ParallelFor(threads, n, kRowGrain, [&](size_t begin, size_t end, int) {
    for (size_t t = begin; t < end; ++t) tensor::Gelu(w.inner.data() + t * ffn, ffn);
  });
  layer.down.Multiply(w.inner.data(), n, w.projected.data(), w, threads);
  close(w.projected.data(), layer.output_norm);
}

void Bert::Run(std::span<const int32_t> ids, std::span<const int64_t> offsets, float* out,
               Workspace& w, Threads* threads, std::span<const int64_t> first_parts) const {
  const auto grow = [&](std::vector<float>& part, size_t width) {
    if (part.size() < ids.size() * width) part.resize(ids.size() * width);
  };
  const size_t hidden = shape_.hidden;
  grow(w.qkv, 3 * hidden), grow(w.attended, hidden), grow(w.projected, hidden);
  grow(w.inner, shape_.ffn);
  Embed(ids, offsets, first_parts, out);
  for (const Layer& layer : layers_) RunLayer(layer, offsets, out, w, threads);
}

void Bert::Terms(float* x, std::span<const int64_t> offsets, float* peaks, Workspace& w,
                 Threads* threads) const {
  const size_t n = offsets.back(), hidden = shape_.hidden, vocabulary = shape_.vocabulary;
  if (w.projected.size() < n * hidden) w.projected.resize(n * hidden);
  float* y = w.projected.data();
  head_.transform.Multiply(x, n, y, w, threads);
  ParallelFor(threads, n, kRowGrain, [&](size_t begin, size_t end, int) {
    for (size_t t = begin; t < end; ++t) {
      float* row = y + t * hidden;
      tensor::Gelu(row, hidden);
      tensor::LayerNorm(row, head_.norm.weight.data(), head_.norm.bias.data(), shape_.epsilon, row,
                        hidden);
    }
  });
  if (head_.words.int8.rows() > 0) {
    return head_.words.int8.Peaks(y, offsets, peaks, w.int8, threads);
  }
  constexpr size_t kRows = 16;  // logits in memory at once: 2 MB of them with BERT's vocabulary
  w.logits.resize(kRows * vocabulary);
  std::fill_n(peaks, (offsets.size() - 1) * vocabulary, 0.0f);
  for (size_t s = 0; s + 1 < offsets.size(); ++s) {
    float* peak = peaks + s * vocabulary;
    for (size_t t = offsets[s]; t < static_cast<size_t>(offsets[s + 1]); t += kRows) {
      const size_t rows = std::min<size_t>(kRows, offsets[s + 1] - t);
      head_.words.Multiply(y + t * hidden, rows, w.logits.data(), w, threads);
      for (size_t i = 0; i < rows * vocabulary; ++i) {
        peak[i % vocabulary] = std::max(peak[i % vocabulary], w.logits[i]);
      }
    }
  }
}

}  // namespace weir::model
