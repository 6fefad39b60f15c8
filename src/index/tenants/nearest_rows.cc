#include "index/tenants/nearest_rows.h"

#include <algorithm>
#include <cmath>

#include "tensor/vector.h"

namespace weir::index {
namespace {

constexpr float kInt8Deviations = 4;  // that a score of int8 codes may be off

}  // namespace

NearestRows::NearestRows(const TreeQuery& query, size_t k, size_t running)
    : query_(query),
      k_(k),
      running_on_(running > 0),
      best_(static_cast<int64_t>(k)),
      running_(static_cast<int64_t>(std::max<size_t>(running, 1))) {
  kept_.reserve(4 * k_ + 64);
}

// Rounding to int8 is off by a twelfth of a step squared in each product, on either side.
bool NearestRows::Offer(uint32_t row, float score, float row_scale) {
  const bool good =
      running_on_ && score > running_.Least(false) && running_.Add({0, score});
  if (!(score >= Threshold())) return good;
  const float step = row_scale * query_.norm;
  slack_ = std::max(slack_, kInt8Deviations * std::sqrt((query_.scale * query_.scale +
                                                         step * step) * (2.0f / 12)));
  best_.Add({0, score});
  kept_.push_back({row, score});
  if (kept_.size() > 8 * k_ + 1024) Prune();
  return good;
}

bool NearestRows::Scan(std::span<const uint32_t> rows, const int8_t* codes, const float* scales) {
  scores_.resize(rows.size());
  tensor::ScanInt8At(query_.codes.data(), query_.scale, codes, scales, rows.data(), rows.size(),
                     query_.codes.size(), scores_.data());
  bool good = false;
  for (size_t i = 0; i < rows.size(); ++i) good |= Offer(rows[i], scores_[i], scales[rows[i]]);
  return good;
}

bool NearestRows::ScanRange(uint32_t first, size_t count, const int8_t* codes,
                            const float* scales) {
  const size_t d = query_.codes.size();
  scores_.resize(count);
  tensor::ScanInt8(query_.codes.data(), query_.scale, codes + first * d, scales + first, count, d,
                   scores_.data(), nullptr);
  bool good = false;
  for (uint32_t i = 0; i < count; ++i) good |= Offer(first + i, scores_[i], scales[first + i]);
  return good;
}

void NearestRows::Prune() {
  const float threshold = Threshold();
  std::erase_if(kept_, [&](const Candidate& c) { return !(c.score >= threshold); });
}

std::vector<uint32_t> NearestRows::Take() {
  Prune();
  std::vector<uint32_t> rows;
  for (const Candidate& c : kept_) rows.push_back(c.row);
  return rows;
}

}  // namespace weir::index
