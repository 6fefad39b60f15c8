#include "index/dense/query_scan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "index/tenants/range_lists.h"
#include "tensor/lookup.h"
#include "tensor/vector.h"

namespace weir::index {
namespace {

using tensor::kCodewords;
using tensor::kLookupRows;
using tensor::kPartWidth;

constexpr uint16_t kNever = 65535;     // more than any sum
constexpr size_t kRunBlocks = 32;      // whose thresholds stay in the first cache
// candidates whose codes are asked for before they are scored
constexpr size_t kPendingRows = 48;
constexpr size_t kNearestClusters = 16;  // looked at first, best first, for a good threshold
constexpr size_t kNearestGroup = 16;     // clusters that are compared by their best
constexpr size_t kSeedRows = 64;       // scored without a look at their scan codes
constexpr size_t kRescoreAhead = 8;    // f32 rows
constexpr int64_t kRunning = 32;       // best rows of which a list must have one
constexpr float kLeastExpected = 0.05f;  // of a score, from the centre
constexpr float kInt8Deviations = 4;    // that a score of int8 codes may be off

// How far a row's score may be above what its cluster's centre, and what its scan codes, make one
// expect, in standard deviations.
//
// A row is x = c + o, centre and offset, where o.c is nothing on average, so o.x = |o|^2. A query q
// with q.x = s looks, apart from chance, along s x: q.o is about s |o|^2, and q.c = s (1 - |o|^2).
// Codes give the centre's part and all but an error e of the offset, and q.e is s |e|^2. Of chance,
// q.o and q.e have the variance of o and e along q. Both shrink with the cluster's spread.
struct Reach {
  float cluster, code;
};
Reach ReachOf(Effort effort) {
  switch (effort) {
    case Effort::kQuick: return {1.6f, 2.5f};
    case Effort::kNormal: return {3.0f, 4.0f};
    case Effort::kThorough: return {4.0f, 5.0f};
    case Effort::kExact: break;
  }
  return {0, 0};  // never asked
}

double PatienceOf(Effort effort) {
  switch (effort) {
    case Effort::kQuick: return 0.3;
    case Effort::kNormal: return 1;
    case Effort::kThorough: return 4;
    case Effort::kExact: break;
  }
  return 0;
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
      running_(std::max(k, kRunning)),
      least_(kRunBlocks * kLookupRows) {
  scale_ = tensor::QuantizeInt8(query.data(), codes_.data(), query.size());
  norm_ = std::sqrt(tensor::Dot(query.data(), query.data(), query.size()));
}

bool QueryScan::Wanted(const VectorView& view, size_t row) const {
  if (view.deleted != nullptr && view.deleted->Contains(static_cast<uint32_t>(row))) return false;
  return options_.allowed == nullptr || options_.allowed->Contains(view.segment->passage(row));
}

void QueryScan::Keep(const Candidate& candidate) {
  best_.Add({0, candidate.score});
  kept_.push_back(candidate);
  if (kept_.size() > 8 * k_ + 1024) Prune();
}

// Rounding to int8 is off by a twelfth of a step squared in each product, on either side.
void QueryScan::Offer(const VectorView& view, size_t position, float score) {
  if (!(score >= Threshold())) return;
  const bool whole = view.deleted == nullptr || view.deleted->bits.empty();
  if (!whole || options_.allowed != nullptr) {
    const size_t row = view.segment->row_at(position);
    if (row >= view.segment->rows() || !Wanted(view, row)) return;
  }
  const float step = view.segment->scales()[position] * norm_;
  slack_ = std::max(slack_,
                    kInt8Deviations * std::sqrt((scale_ * scale_ + step * step) * (2.0f / 12)));
  Keep({view.segment, position, false, score});
}

void QueryScan::Prune() {
  const float threshold = Threshold();
  std::erase_if(kept_, [&](const Candidate& c) { return !(c.score >= threshold); });
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
    const int64_t found = view.segment->Row(passage);
    if (found < 0 || !Wanted(view, static_cast<size_t>(found))) continue;
    const size_t row = static_cast<size_t>(found);
    const float* x = view.segment->vector(row);
    Keep({view.segment, row, true, tensor::Dot(query_.data(), x, query_.size())});
  }
}

void QueryScan::ScoreRows(const VectorView& view) {
  for (const uint32_t row : view.allowed->rows) {
    const float* x = view.segment->vector(row);
    Keep({view.segment, row, true, tensor::Dot(query_.data(), x, query_.size())});
  }
}

// True when one of them is among the running best.
bool QueryScan::ScanAt(const VectorView& view, std::span<const uint32_t> positions) {
  const VectorSegment& s = *view.segment;
  scores_.resize(positions.size());
  tensor::ScanInt8At(codes_.data(), scale_, s.codes(), s.scales(), positions.data(),
                     positions.size(), s.dimensions(), scores_.data());
  bool good = false;
  for (size_t i = 0; i < positions.size(); ++i) {
    good |= running_.Add({0, scores_[i]});
    if (scores_[i] >= Threshold()) Offer(view, positions[i], scores_[i]);
  }
  return good;
}

// REQUIRES: no clusters, so that rows are positions.
void QueryScan::ScanAllowed(const VectorView& view) { ScanAt(view, view.allowed->rows); }

void QueryScan::WalkLists(const VectorView& view) {
  WalkTree(
      view.lists->tree(), TreeQuery(query_),
      PatienceFor(PatienceOf(options_.effort), view.allowed->rows.size()),
      [&](uint32_t node) { return view.lists->At(node); },
      [&](std::span<const uint32_t> positions) { return ScanAt(view, positions); });
}

void QueryScan::ScanRows(const VectorView& view, size_t begin, size_t end) {
  for (size_t row = begin; row < end; ++row) {
    if (!Wanted(view, row)) continue;
    const float score = tensor::Dot(query_.data(), view.segment->vector(row), query_.size());
    if (score >= best_.Least(false)) Keep({view.segment, row, true, score});
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
  // As many groups have a maximum that is at least `least`, so as many clusters have; a few more
  // do.
  std::vector<float> maxima;
  for (size_t c = 0; c < centre_scores_.size(); c += kNearestGroup) {
    const size_t end = std::min(centre_scores_.size(), c + kNearestGroup);
    float most = centre_scores_[c];
    for (size_t i = c + 1; i < end; ++i) most = std::max(most, centre_scores_[i]);
    maxima.push_back(most);
  }
  const size_t n = std::min(maxima.size(), kNearestClusters);
  std::nth_element(maxima.begin(), maxima.begin() + static_cast<ptrdiff_t>(n - 1), maxima.end(),
                   std::greater<float>());
  const float least = maxima[n - 1];
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
  float offset = 0, error = static_cast<float>(quantiser.parts) * step_ * step_ / 12;
  float all_offset = 0;
  all_error_ = 0;
  for (size_t a = 0; a < turned_.size(); ++a) {
    const float square = turned_[a] * turned_[a];
    offset += square * quantiser.variances[a];
    error += square * quantiser.errors[a];
    all_offset += quantiser.variances[a];
    all_error_ += quantiser.errors[a];
  }
  const Reach reach = ReachOf(options_.effort);
  margin_ = reach.code * std::sqrt(error);
  offset = reach.cluster * std::sqrt(offset);
  reach_.resize(clusters);
  expected_.resize(clusters);
  for (size_t c = 0; c < clusters; ++c) {
    const float spread = quantiser.spreads[c];
    reach_[c] = centre_scores_[c] + offset * spread;
    expected_[c] = std::max(kLeastExpected, 1 - all_offset * spread * spread);
  }
  size_t scored = 0;
  for (const uint32_t c : Nearest()) {
    if (scored < std::max(kSeedRows, 2 * k_)) {
      ScanCodes(view, quantiser.begins[c], quantiser.begins[c + 1]);
      scored += quantiser.begins[c + 1] - quantiser.begins[c];
    } else if (MayReach(c)) {
      AddRange(view, c);
      FlushRun(view);
      Rescore(view);
    }
    reach_[c] = -std::numeric_limits<float>::infinity();  // done
  }
}

bool QueryScan::MayReach(size_t cluster) const {
  return reach_[cluster] >= Threshold() * expected_[cluster];
}

uint16_t QueryScan::LeastSum(size_t cluster, float spread) const {
  const float threshold = Threshold();
  const float margin = std::max(threshold, 0.0f) * all_error_ * spread * spread + margin_ * spread;
  const float least = (threshold - margin - centre_scores_[cluster] - base_) / step_;
  if (!(least > 0)) return 0;  // no number either
  return least < static_cast<float>(kNever) - 1 ? static_cast<uint16_t>(least + 1) : kNever;
}

void QueryScan::AddRange(const VectorView& view, size_t cluster) {
  size_t begin = view.segment->quantiser().begins[cluster];
  const size_t end = view.segment->quantiser().begins[cluster + 1];
  const uint16_t least = LeastSum(cluster, view.segment->quantiser().spreads[cluster]);
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
      PrefetchBytes(s.scales() + position, sizeof(float));
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
    if (MayReach(c)) AddRange(view, c);
  }
  FlushRun(view);
  Rescore(view);
}

std::vector<Scored> QueryScan::Take() {
  Prune();
  std::vector<size_t> rows;
  for (const Candidate& c : kept_) rows.push_back(c.is_row ? c.at : c.segment->row_at(c.at));
  TopK top(static_cast<int64_t>(k_));
  for (size_t i = 0; i < kept_.size(); ++i) {
    if (i + kRescoreAhead < kept_.size()) {
      const VectorSegment& next = *kept_[i + kRescoreAhead].segment;
      const size_t row = rows[i + kRescoreAhead];
      if (row < next.rows()) {
        PrefetchBytes(next.vector(row), query_.size() * sizeof(float));
        PrefetchBytes(next.passages() + row, sizeof(int64_t));
      }
    }
    const VectorSegment& segment = *kept_[i].segment;
    if (rows[i] >= segment.rows()) continue;  // a damaged file
    top.Add({segment.passage(rows[i]),
             tensor::Dot(query_.data(), segment.vector(rows[i]), query_.size())});
  }
  return top.Take();
}

}  // namespace weir::index
