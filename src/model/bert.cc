#include "model/bert.h"

#include <cmath>

#include "tensor/attention.h"
#include "tensor/ops.h"

namespace weir::model {

void Bert::Embed(std::span<const int32_t> ids, std::span<const int64_t> offsets, float* x) const {
  const size_t hidden = shape_.hidden;
  for (size_t s = 0; s + 1 < offsets.size(); ++s) {
    for (int64_t t = offsets[s]; t < offsets[s + 1]; ++t) {
      const float* word = words_.data + ids[t] * hidden;
      const float* position = positions_.data() + (t - offsets[s]) * hidden;
      float* row = x + t * hidden;
      for (size_t i = 0; i < hidden; ++i) row[i] = word[i] + type_[i] + position[i];
      tensor::LayerNorm(row, embedding_norm_.weight.data(), embedding_norm_.bias.data(),
                        shape_.epsilon, row, hidden);
    }
  }
}

void Bert::RunLayer(const Layer& layer, std::span<const int64_t> offsets, float* x, Workspace& w,
                    Threads* threads) const {
  const size_t n = offsets.back(), hidden = shape_.hidden, ffn = shape_.ffn;
  const int head_dim = shape_.hidden / shape_.heads;
  const size_t grain = 8;  // rows a worker takes at least

  const tensor::Matrix* qkv[] = {&layer.query.matrix, &layer.key.matrix, &layer.value.matrix};
  float* const parts[] = {w.q.data(), w.k.data(), w.v.data()};
  tensor::MultiplyTogether(qkv, x, n, parts, threads);
  const std::vector<float>* biases[] = {&layer.query.bias, &layer.key.bias, &layer.value.bias};
  ParallelFor(threads, n, grain, [&](size_t begin, size_t end, int) {
    for (int p = 0; p < 3; ++p) {
      for (size_t t = begin; t < end; ++t) {
        tensor::Add(parts[p] + t * hidden, biases[p]->data(), hidden);
      }
    }
  });
  tensor::AttendRagged(w.q.data(), w.k.data(), w.v.data(), hidden, offsets, shape_.heads, head_dim,
                       1.0f / std::sqrt(static_cast<float>(head_dim)), w.attended.data(), hidden,
                       threads);

  // x = LayerNorm(x + y + bias)
  auto close = [&](const float* y, const std::vector<float>& bias, const Norm& norm) {
    ParallelFor(threads, n, grain, [&](size_t begin, size_t end, int) {
      for (size_t t = begin; t < end; ++t) {
        float* row = x + t * hidden;
        tensor::Add(row, y + t * hidden, hidden);
        tensor::Add(row, bias.data(), hidden);
        tensor::LayerNorm(row, norm.weight.data(), norm.bias.data(), shape_.epsilon, row, hidden);
      }
    });
  };
  layer.output.matrix.Multiply(w.attended.data(), n, w.projected.data(), threads);
  close(w.projected.data(), layer.output.bias, layer.attention_norm);

  layer.up.matrix.Multiply(x, n, w.inner.data(), threads);
  ParallelFor(threads, n, grain, [&](size_t begin, size_t end, int) {
    for (size_t t = begin; t < end; ++t) {
      tensor::Add(w.inner.data() + t * ffn, layer.up.bias.data(), ffn);
      tensor::Gelu(w.inner.data() + t * ffn, ffn);
    }
  });
  layer.down.matrix.Multiply(w.inner.data(), n, w.projected.data(), threads);
  close(w.projected.data(), layer.down.bias, layer.output_norm);
}

void Bert::Run(std::span<const int32_t> ids, std::span<const int64_t> offsets, float* out,
               Workspace& w, Threads* threads) const {
  const size_t wide = ids.size() * shape_.hidden;
  for (std::vector<float>* part : {&w.q, &w.k, &w.v, &w.attended, &w.projected}) {
    if (part->size() < wide) part->resize(wide);
  }
  if (w.inner.size() < ids.size() * shape_.ffn) w.inner.resize(ids.size() * shape_.ffn);
  Embed(ids, offsets, out);
  for (const Layer& layer : layers_) RunLayer(layer, offsets, out, w, threads);
}

}  // namespace weir::model
