#include "generate/passages/stored_rows.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tensor/vector.h"

namespace weir::generate {
namespace {

constexpr size_t kRowGrain = 8;  // rows that one worker compares at least

// The sum of squares of a - b and that of a.
struct Distance {
  double difference = 0, size = 0;
};
Distance Between(const float* a, const float* b, size_t n) {
  Distance d;
  for (size_t i = 0; i < n; ++i) {
    d.difference += (a[i] - b[i]) * (a[i] - b[i]);
    d.size += a[i] * a[i];
  }
  return d;
}

}  // namespace

void RowsAgain::Positions(int64_t n, int64_t* out) const {
  std::copy_n(positions_.begin() + static_cast<std::ptrdiff_t>(done_), n, out);
}

absl::Status RowsAgain::Reserve(int64_t) { return sequence_->MakePrivate(positions_.front()); }

void RowsAgain::Append(int layer, int64_t n, const float* k, const float* v, Threads* threads) {
  sequence_->Overwrite(layer, Chunk(n), k, v, threads);
}

void RowsAgain::Attend(int layer, int64_t n, const float* q, float* out, Threads* threads) {
  sequence_->AttendAt(layer, Chunk(n), q, out, nullptr, threads);
}

void DeviatingRows::Append(int layer, int64_t n, const float* k, const float* v,
                           Threads* threads) {
  if (layer < kSelecting) return RowsAgain::Append(layer, n, k, v, threads);
  const size_t row = size_t(sequence().shape().kv_heads) * sequence().shape().head_dim;
  if (layer > kSelecting) return sequence().Overwrite(layer, positions_, k, v, threads);
  Choose(layer, Chunk(n), k, v, threads);
  std::vector<float> keys, values;
  for (int32_t r : chosen_) {
    keys.insert(keys.end(), k + r * row, k + (r + 1) * row);
    values.insert(values.end(), v + r * row, v + (r + 1) * row);
  }
  sequence().Overwrite(layer, positions_, keys.data(), values.data(), threads);
}

// Keys and values differ in scale: each difference counts relative to what the chunk's are in all.
void DeviatingRows::Choose(int layer, std::span<const int64_t> positions, const float* k,
                           const float* v, Threads* threads) {
  const size_t n = positions.size();
  const KvShape& shape = sequence().shape();
  const size_t row = size_t(shape.kv_heads) * shape.head_dim;
  const std::vector<std::byte*> blocks = sequence().Blocks(layer);
  std::vector<Distance> keys(n), values(n);
  ParallelFor(threads, n, kRowGrain, [&](size_t begin, size_t end, int) {
    std::vector<float> old_k(row), old_v(row);
    for (size_t i = begin; i < end; ++i) {
      const int64_t p = positions[i];
      const absl::Status read =
          sequence().format().Read(blocks[p / kBlockTokens], static_cast<int>(p % kBlockTokens),
                                   old_k.data(), old_v.data(), shape);
      if (!read.ok()) continue;  // PassageCache::Check asked the format for it
      keys[i] = Between(k + i * row, old_k.data(), row);
      values[i] = Between(v + i * row, old_v.data(), row);
    }
  });
  Distance all_k, all_v;
  for (size_t i = 0; i < n; ++i) all_k.size += keys[i].size, all_v.size += values[i].size;
  std::vector<double> deviation(n);
  for (size_t i = 0; i < n; ++i) {
    deviation[i] = keys[i].difference / std::max(all_k.size, 1e-30) +
                   values[i].difference / std::max(all_v.size, 1e-30);
  }
  std::vector<int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return deviation[a] > deviation[b]; });
  order.resize(std::min<size_t>(n, static_cast<size_t>(std::ceil(share_ * n))));
  std::sort(order.begin(), order.end());
  chosen_ = std::move(order);
  positions_.clear();
  for (int32_t r : chosen_) positions_.push_back(positions[r]);
}

int64_t DeviatingRows::Narrow(int layer, int64_t n, int32_t* rows) {
  if (layer != kSelecting) return n;
  std::copy(chosen_.begin(), chosen_.end(), rows);
  return static_cast<int64_t>(chosen_.size());
}

void DeviatingRows::Attend(int layer, int64_t n, const float* q, float* out, Threads* threads) {
  if (layer < kSelecting) return RowsAgain::Attend(layer, n, q, out, threads);
  sequence().AttendAt(layer, positions_, q, out, nullptr, threads);
}

void DeviatingRows::Commit(int64_t n) {
  total_ += static_cast<int64_t>(chosen_.size());
  RowsAgain::Commit(n);
}

std::vector<int64_t> AttentionProbe::Next(int64_t n) const {
  std::vector<int64_t> positions(n);
  std::iota(positions.begin(), positions.end(), length());
  return positions;
}

void AttentionProbe::Append(int layer, int64_t n, const float* k, const float* v,
                            Threads* threads) {
  sequence_->Overwrite(layer, Next(n), k, v, threads);
}

void AttentionProbe::Attend(int layer, int64_t n, const float* q, float* out, Threads* threads) {
  const std::vector<int64_t> positions = Next(n);
  const bool counted = layer >= first_;
  std::vector<float> lse(counted ? static_cast<size_t>(n) * sequence_->shape().heads : 0);
  sequence_->AttendAt(layer, positions, q, out, counted ? lse.data() : nullptr, threads);
  if (counted) Count(layer, positions, q, lse.data(), threads);
}

void AttentionProbe::Count(int layer, std::span<const int64_t> positions, const float* q,
                           const float* lse, Threads* threads) {
  const KvShape& shape = sequence_->shape();
  const int d = shape.head_dim, group = shape.heads / shape.kv_heads;
  const size_t row = size_t(shape.kv_heads) * d, q_row = size_t(shape.heads) * d;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  const int64_t window = shape.window(layer);
  const std::vector<std::byte*> blocks = sequence_->Blocks(layer);
  ParallelFor(threads, weights_.size(), kRowGrain, [&](size_t begin, size_t end, int) {
    std::vector<float> k(row), v(row);
    for (size_t t = begin; t < end; ++t) {
      const absl::Status read =
          sequence_->format().Read(blocks[t / kBlockTokens], static_cast<int>(t % kBlockTokens),
                                   k.data(), v.data(), shape);
      if (!read.ok()) continue;
      float sum = 0;
      for (size_t i = 0; i < positions.size(); ++i) {
        if (window > 0 && static_cast<int64_t>(t) <= positions[i] - window) continue;
        for (int h = 0; h < shape.heads; ++h) {
          const float dot = tensor::Dot(q + i * q_row + static_cast<size_t>(h) * d,
                                        k.data() + static_cast<size_t>(h / group) * d, d);
          sum += std::exp(dot * scale - lse[i * shape.heads + h]);
        }
      }
      weights_[t] += sum;
    }
  });
}

}  // namespace weir::generate
