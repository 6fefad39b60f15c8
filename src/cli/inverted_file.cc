#include "cli/inverted_file.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "index/tenants/nearest_rows.h"
#include "index/top_k.h"
#include "tensor/vector.h"

namespace weir::cli {
namespace {

constexpr int kRounds = 8;
constexpr size_t kScannedWhole = 128;  // rows that need no clusters

}  // namespace

InvertedFile::InvertedFile(std::span<const float> vectors, size_t d, std::vector<uint32_t> rows)
    : vectors_(vectors), d_(d), rows_(std::move(rows)) {
  const size_t n = rows_.size();
  Train(n <= kScannedWhole ? 1 : std::max<size_t>(2, std::lround(std::sqrt(n))));
  codes_.resize(n * d);
  scales_.resize(n);
  for (size_t i = 0; i < n; ++i)
    scales_[i] = tensor::QuantizeInt8(&vectors_[rows_[i] * d], &codes_[i * d], d);
}

void InvertedFile::Train(size_t clusters) {
  const size_t n = rows_.size();
  std::vector<float> centres(clusters * d_), scores(clusters);
  for (size_t c = 0; c < clusters; ++c)
    std::copy_n(&vectors_[rows_[c * n / clusters] * d_], d_, &centres[c * d_]);
  std::vector<uint32_t> nearest(n);
  std::vector<int8_t> codes(d_);
  centres_.resize(clusters * d_);
  centre_scales_.resize(clusters);
  biases_.resize(clusters);
  for (int round = 0; round <= kRounds; ++round) {
    for (size_t c = 0; c < clusters; ++c) {
      const float* centre = &centres[c * d_];
      centre_scales_[c] = tensor::QuantizeInt8(centre, &centres_[c * d_], d_);
      biases_[c] = -0.5f * tensor::Dot(centre, centre, d_);
    }
    std::vector<size_t> counts(clusters);
    std::vector<float> sums(clusters * d_);
    for (size_t i = 0; i < n; ++i) {
      const float* x = &vectors_[rows_[i] * d_];
      const float scale = tensor::QuantizeInt8(x, codes.data(), d_);
      tensor::ScanInt8(codes.data(), scale, centres_.data(), centre_scales_.data(), clusters, d_,
                       scores.data(), nullptr);
      for (size_t c = 0; c < clusters; ++c) scores[c] += biases_[c];
      nearest[i] = static_cast<uint32_t>(std::max_element(scores.begin(), scores.end()) -
                                         scores.begin());
      ++counts[nearest[i]];
      for (size_t j = 0; j < d_; ++j) sums[nearest[i] * d_ + j] += x[j];
    }
    for (size_t c = 0; c < clusters && round < kRounds; ++c) {
      for (size_t j = 0; j < d_ && counts[c] > 0; ++j)
        centres[c * d_ + j] = sums[c * d_ + j] / static_cast<float>(counts[c]);
    }
  }
  std::vector<uint32_t> order(n), sorted(n);
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return nearest[a] < nearest[b]; });
  begins_.assign(clusters + 1, 0);
  for (size_t i = 0; i < n; ++i) {
    sorted[i] = rows_[order[i]];
    ++begins_[nearest[i] + 1];
  }
  std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
  rows_ = std::move(sorted);
}

std::vector<uint32_t> InvertedFile::Nearest(const index::TreeQuery& query, size_t probes) const {
  const size_t n = clusters();
  probes = std::min(probes, n);
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  if (n == 1) return order;
  std::vector<float> scores(n);
  tensor::ScanInt8(query.codes.data(), query.scale, centres_.data(), centre_scales_.data(), n, d_,
                   scores.data(), nullptr);
  for (size_t c = 0; c < n; ++c) scores[c] += biases_[c];
  const auto better = [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; };
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(probes), order.end(),
                    better);
  order.resize(probes);
  return order;
}

std::vector<index::Scored> InvertedFile::Rescore(std::span<const float> query, int64_t k,
                                                 std::span<const uint32_t> positions) const {
  index::TopK top(k);
  const auto ask = [&](size_t i) {
    if (i < positions.size()) index::PrefetchRow(&vectors_[rows_[positions[i]] * d_], d_);
  };
  for (size_t i = 0; i < index::kRescoreAhead; ++i) ask(i);
  for (size_t i = 0; i < positions.size(); ++i) {
    ask(i + index::kRescoreAhead);
    const uint32_t p = positions[i];
    top.Add({rows_[p], tensor::Dot(query.data(), &vectors_[rows_[p] * d_], d_)});
  }
  return top.Take();
}

std::vector<index::Scored> InvertedFile::Search(std::span<const float> query, int64_t k,
                                                size_t probes) const {
  const index::TreeQuery q(query);
  index::NearestRows nearest(q, std::min(static_cast<size_t>(k), rows_.size()), 0);
  for (const uint32_t c : Nearest(q, probes)) {
    nearest.ScanRange(begins_[c], begins_[c + 1] - begins_[c], codes_.data(), scales_.data());
  }
  return Rescore(query, k, nearest.Take());
}

std::vector<index::Scored> InvertedFile::SearchAllowed(
    std::span<const float> query, int64_t k, size_t probes,
    const std::vector<uint64_t>& allowed) const {
  const index::TreeQuery q(query);
  index::NearestRows nearest(q, static_cast<size_t>(k), 0);
  std::vector<uint32_t> positions;
  for (const uint32_t c : Nearest(q, probes)) {
    positions.clear();
    for (uint32_t p = begins_[c]; p < begins_[c + 1]; ++p) {
      if ((allowed[rows_[p] / 64] >> (rows_[p] % 64) & 1) != 0) positions.push_back(p);
    }
    nearest.Scan(positions, codes_.data(), scales_.data());
  }
  return Rescore(query, k, nearest.Take());
}

size_t InvertedFile::bytes() const {
  return rows_.size() * (d_ + sizeof(float) + sizeof(uint32_t)) +
         clusters() * (d_ + 2 * sizeof(float) + sizeof(uint32_t));
}

}  // namespace weir::cli
