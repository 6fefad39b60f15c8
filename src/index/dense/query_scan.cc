#include "index/dense/query_scan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "tensor/lookup.h"
#include "tensor/vector.h"

namespace weir::index {
namespace {

using tensor::kCodewords;
using tensor::kLookupRows;
using tensor::kPartWidth;

constexpr uint16_t kNever = 65535;     // more than any sum
constexpr size_t kRunBlocks = 32;      // whose thresholds stay in the first cache
constexpr size_t kPendingRows = 48;    // candidates whose codes are asked for before they are scored
constexpr size_t kNearestClusters = 32;  // looked at first, best first, for a good threshold
constexpr size_t kSeedRows = 64;       // scored without a look at their scan codes
constexpr size_t kRescoreAhead = 8;    // f32 rows
constexpr float kInt8Deviations = 4;    // that a score of int8 codes may be off

// In standard deviations: how far above its cluster's centre a row may score, and how far below its
// true score the scan codes may put it.
struct Reach {
  float cluster, code;
};
Reach ReachOf(Effort effort) {
  switch (effort) {
    case Effort::kQuick: return {6.0f, 5.0f};
    case Effort::kNormal: return {8.0f, 7.0f};
    case Effort::kThorough: return {12.0f, 8.0f};
    case Effort::kExact: break;
  }
  return {0, 0};  // never asked
}

// std::fill over two bytes is no vector loop at -O2, and there are two values a row of the segment.
void FillLeast(uint16_t* at, size_t n, uint16_t least) {
  const uint64_t four = least * uint64_t{0x0001000100010001};
  for (; n >= 4; n -= 4, at += 4) std::memcpy(at, &four, sizeof(four));
  for (; n > 0; --n) *at++ = least;
}

void PrefetchBytes(const void* p, size_t bytes) {
  const auto* at = static_cast<const char*>(p);
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(at + i);
}

}  // namespace

QueryScan::QueryScan(std::span<const float> query, int64_t k, const VectorSearchOptions& options)
    : query_(query),
      k_(static_cast<size_t>(k)),
      options_(options),
      codes_(query.size()),
      best_(k),
      least_(kRunBlocks * kLookupRows) {
  scale_ = tensor::QuantizeInt8(query.data(), codes_.data(), query.size());
  norm_ = std::sqrt(tensor::Dot(query.data(), query.data(), query.size()));
}

bool QueryScan::Wanted(const VectorView& view, size_t row) const {
  if (view.deleted != nullptr && view.deleted->Contains(static_cast<uint32_t>(row))) return false;
  return options_.allowed == nullptr || options_.allowed->Contains(view.segment->passage(row));
}

// Rounding to int8 is off by a twelfth of a step squared in each product, on either side.
void QueryScan::Offer(const VectorView& view, size_t position, float score) {
  if (!(score >= Threshold())) return;
  const size_t row = view.segment->row_at(position);
  if (row >= view.segment->rows() || !Wanted(view, row)) return;
  const float step = view.segment->scales()[position] * norm_;
  slack_ = std::max(slack_,
                    kInt8Deviations * std::sqrt((scale_ * scale_ + step * step) * (2.0f / 12)));
  const Scored hit = {view.segment->passage(row), score};
  best_.Add(hit);
  kept_.push_back({view.segment, row, hit});
  if (kept_.size() > 8 * k_ + 1024) Prune();
}

void QueryScan::Prune() {
  const float threshold = Threshold();
  std::erase_if(kept_, [&](const Candidate& c) { return !(c.hit.score >= threshold); });
}

void QueryScan::ScanCodes(const VectorView& view, size_t begin, size_t end) {
  const VectorSegment& s = *view.segment;
  scores_.resize(end - begin);
  tensor::ScanInt8(codes_.data(), scale_, s.codes() + begin * s.dimensions(), s.scales() + begin,
                   end - begin, s.dimensions(), scores_.data(), nullptr);
  for (size_t i = 0; i < scores_.size(); ++i) {
    if (scores_[i] >= Threshold()) Offer(view, begin + i, scores_[i]);
  }
}

void QueryScan::ScoreAllowed(const VectorView& view) {
  for (const int64_t passage : options_.allowed->ids()) {
    const int64_t row = view.segment->Row(passage);
    if (row < 0 || !Wanted(view, static_cast<size_t>(row))) continue;
    const float* x = view.segment->vector(static_cast<size_t>(row));
    const Scored hit = {passage, tensor::Dot(query_.data(), x, query_.size())};
    best_.Add(hit);
    kept_.push_back({view.segment, static_cast<size_t>(row), hit});
    if (kept_.size() > 8 * k_ + 1024) Prune();
  }
}

void QueryScan::ScanRows(const VectorView& view, size_t begin, size_t end) {
  for (size_t row = begin; row < end; ++row) {
    if (!Wanted(view, row)) continue;
    const Scored hit = {view.segment->passage(row),
                        tensor::Dot(query_.data(), view.segment->vector(row), query_.size())};
    if (best_.Add(hit)) kept_.push_back({view.segment, row, hit});
    if (kept_.size() > 8 * k_ + 1024) Prune();
  }
}

// Where in the products of a damaged file no number stands, entries are 0 or the largest.
void QueryScan::MakeTables(const QuantiserView& quantiser) {
  products_.resize(quantiser.parts * kCodewords);
  tables_.resize(products_.size());
  tensor::LookupTables made = {
      .x = turned_.data(),
      .parts = quantiser.parts,
      .codebooks = quantiser.codebooks,
      .most = static_cast<uint8_t>(
          std::min<size_t>(tensor::kLargestEntry, (kNever - 1) / quantiser.parts)),
      .products = products_.data(),
      .tables = tables_.data()};
  tensor::MakeLookupTables(made);
  base_ = made.base;
  step_ = made.step;
}

// The clusters with the highest centre scores, best first.
std::vector<uint32_t> QueryScan::Nearest() const {
  const size_t n = std::min(centre_scores_.size(), kNearestClusters);
  std::vector<float> sorted = centre_scores_;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<ptrdiff_t>(n - 1), sorted.end(),
                   std::greater<float>());
  const float least = sorted[n - 1];
  std::vector<uint32_t> nearest;
  for (size_t c = 0; c < centre_scores_.size(); ++c) {
    if (centre_scores_[c] >= least) nearest.push_back(static_cast<uint32_t>(c));
  }
  std::stable_sort(nearest.begin(), nearest.end(), [&](uint32_t a, uint32_t b) {
    return centre_scores_[a] > centre_scores_[b];
  });
  return nearest;
}

void QueryScan::BeginClusters(const VectorView& view) {
  const VectorSegment& s = *view.segment;
  const QuantiserView& quantiser = s.quantiser();
  const size_t clusters = quantiser.clusters;
  centre_scores_.resize(clusters);
  tensor::ScanInt8(codes_.data(), scale_, quantiser.centres, quantiser.centre_scales, clusters,
                   s.dimensions(), centre_scores_.data(), nullptr);
  turned_.resize(quantiser.axes());
  quantiser.Turn(query_.data(), codes_.data(), scale_, turned_.data());
  MakeTables(quantiser);
  float spread = 0, error = static_cast<float>(quantiser.parts) * step_ * step_ / 12;
  for (size_t a = 0; a < turned_.size(); ++a) {
    spread += turned_[a] * turned_[a] * quantiser.variances[a];
    error += turned_[a] * turned_[a] * quantiser.errors[a];
  }
  const Reach reach = ReachOf(options_.effort);
  margin_ = reach.code * std::sqrt(error);
  spread = reach.cluster * std::sqrt(spread);
  reach_.resize(clusters);
  for (size_t c = 0; c < clusters; ++c)
    reach_[c] = centre_scores_[c] + spread * quantiser.spreads[c];
  size_t scored = 0;
  for (const uint32_t c : Nearest()) {
    if (scored < std::max(kSeedRows, 2 * k_)) {
      ScanCodes(view, quantiser.begins[c], quantiser.begins[c + 1]);
      scored += quantiser.begins[c + 1] - quantiser.begins[c];
    } else if (reach_[c] >= Threshold()) {
      AddRange(view, c);
      FlushRun(view);
      Rescore(view);
    }
    reach_[c] = -std::numeric_limits<float>::infinity();  // done
  }
}

uint16_t QueryScan::LeastSum(size_t cluster) const {
  const float least = (Threshold() - margin_ - centre_scores_[cluster] - base_) / step_;
  if (!(least > 0)) return 0;  // no number either
  return least < static_cast<float>(kNever) - 1 ? static_cast<uint16_t>(least + 1) : kNever;
}

void QueryScan::AddRange(const VectorView& view, size_t cluster) {
  size_t begin = view.segment->quantiser().begins[cluster];
  const size_t end = view.segment->quantiser().begins[cluster + 1];
  const uint16_t least = LeastSum(cluster);
  if (least == kNever) return;
  while (begin < end) {
    const size_t first = begin / kLookupRows, last = (end - 1) / kLookupRows + 1;
    if (run_begin_ == run_end_ || first > run_end_ || first - run_begin_ >= kRunBlocks) {
      FlushRun(view);
      run_begin_ = run_end_ = first;
    }
    const size_t stop = std::min(last, run_begin_ + kRunBlocks);
    for (; run_end_ < stop; ++run_end_)
      FillLeast(&least_[(run_end_ - run_begin_) * kLookupRows], kLookupRows, kNever);
    const size_t upto = std::min(end, stop * kLookupRows);
    FillLeast(&least_[begin - run_begin_ * kLookupRows], upto - begin, least);
    begin = upto;
  }
}

void QueryScan::FlushRun(const VectorView& view) {
  if (run_begin_ == run_end_) return;
  const VectorSegment& s = *view.segment;
  const QuantiserView& quantiser = s.quantiser();
  found_.resize(run_end_ - run_begin_);
  tensor::ScanLookup({.codes = s.scan_codes() + run_begin_ * quantiser.block_bytes(),
                      .tables = tables_.data(),
                      .parts = quantiser.parts,
                      .blocks = found_.size(),
                      .least = least_.data(),
                      .found = found_.data()});
  for (size_t b = 0; b < found_.size(); ++b) {
    for (uint64_t left = found_[b]; left != 0; left &= left - 1) {
      const size_t position = (run_begin_ + b) * kLookupRows + std::countr_zero(left);
      if (position >= s.rows()) break;
      PrefetchBytes(s.codes() + position * s.dimensions(), s.dimensions());
      pending_.push_back(static_cast<uint32_t>(position));
    }
  }
  run_begin_ = run_end_ = 0;
  if (pending_.size() >= kPendingRows) Rescore(view);
}

void QueryScan::Rescore(const VectorView& view) {
  const VectorSegment& s = *view.segment;
  const size_t d = s.dimensions();
  for (const uint32_t p : pending_) {
    const int32_t dot = tensor::DotInt8(codes_.data(), s.codes() + p * d, d);
    Offer(view, p, static_cast<float>(dot) * s.scales()[p] * scale_);
  }
  pending_.clear();
}

void QueryScan::ScanClusters(const VectorView& view, size_t begin, size_t end) {
  for (size_t c = begin; c < end; ++c) {
    if (reach_[c] >= Threshold()) AddRange(view, c);
  }
  FlushRun(view);
  Rescore(view);
}

std::vector<Scored> QueryScan::Take() {
  Prune();
  TopK top(static_cast<int64_t>(k_));
  for (size_t i = 0; i < kept_.size(); ++i) {
    if (i + kRescoreAhead < kept_.size()) {
      const Candidate& next = kept_[i + kRescoreAhead];
      PrefetchBytes(next.segment->vector(next.row), query_.size() * sizeof(float));
    }
    const Candidate& c = kept_[i];
    top.Add({c.hit.passage, tensor::Dot(query_.data(), c.segment->vector(c.row), query_.size())});
  }
  return top.Take();
}

}  // namespace weir::index
