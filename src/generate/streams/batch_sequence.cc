#include "generate/streams/batch_sequence.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::generate {

void BatchSequence::Begin(std::span<const Part> parts) {
  parts_.assign(parts.begin(), parts.end());
  done_ = total_ = shared_tokens_ = 0;
  for (const Part& part : parts_) total_ += part.rows;
  // Sequences with equal first blocks become neighbours, which is where sharing is looked for.
  std::vector<size_t> order(parts_.size());
  std::iota(order.begin(), order.end(), 0);
  const auto blocks = [&](size_t i) { return parts_[i].sequence->blocks(0); };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const auto x = blocks(a), y = blocks(b);
    return std::lexicographical_compare(x.begin(), x.end(), y.begin(), y.end());
  });
  rank_.resize(parts_.size());
  for (size_t i = 0; i < order.size(); ++i) {
    rank_[order[i]] = i;
    if (i == 0) continue;
    const auto x = blocks(order[i - 1]), y = blocks(order[i]);
    const auto differ = std::mismatch(x.begin(), x.end(), y.begin(), y.end()).first;
    shared_tokens_ += (differ - x.begin()) * kBlockTokens;
  }
}

void BatchSequence::Segments(int64_t n, std::vector<Segment>& out) const {
  out.clear();
  int64_t at = -done_;  // of a part's first row among the next n
  for (const Part& part : parts_) {
    const int64_t begin = std::max<int64_t>(at, 0), end = std::min(at + part.rows, n);
    if (begin < end) out.push_back({part.sequence, begin, end - begin});
    at += part.rows;
  }
}

void BatchSequence::Positions(int64_t n, int64_t* out) const {
  std::vector<Segment> segments;
  Segments(n, segments);
  for (const Segment& s : segments) s.sequence->Positions(s.rows, out + s.offset);
}

absl::Status BatchSequence::Reserve(int64_t n) {
  if (done_ != 0 || n != total_) {
    return absl::FailedPreconditionError(
        absl::StrCat("batch: ", n, " rows after ", done_, "; its parts have ", total_));
  }
  for (size_t i = 0; i < parts_.size(); ++i) {
    absl::Status status = parts_[i].sequence->Reserve(parts_[i].rows);
    if (status.ok()) continue;
    for (size_t j = 0; j < i; ++j) parts_[j].sequence->Truncate(parts_[j].sequence->length());
    return status;
  }
  return absl::OkStatus();
}

void BatchSequence::Append(int layer, int64_t n, const float* k, const float* v, Threads* threads) {
  const int64_t width = int64_t{shape_.kv_heads} * shape_.head_dim;
  Segments(n, segments_);
  for (const Segment& s : segments_) {
    s.sequence->Append(layer, s.rows, k + s.offset * width, v + s.offset * width, threads);
  }
}

void BatchSequence::Attend(int layer, int64_t n, const float* q, float* out, Threads* threads) {
  const int64_t width = int64_t{shape_.heads} * shape_.head_dim;
  Segments(n, segments_);
  by_rank_.assign(parts_.size(), {});
  int64_t at = -done_;
  size_t segment = 0;
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (at + parts_[i].rows > 0 && at < n) {
      const Segment& s = segments_[segment++];
      by_rank_[rank_[i]] = s.sequence->StartAttend(layer, s.rows, q + s.offset * width,
                                                   out + s.offset * width);
    }
    at += parts_[i].rows;
  }
  jobs_.clear();
  for (std::span<const AttendJob> jobs : by_rank_) {
    jobs_.insert(jobs_.end(), jobs.begin(), jobs.end());
  }
  policy_->execution().Attend(policy_->format(), jobs_, shape_, threads);
  for (const Segment& s : segments_) s.sequence->FinishAttend(layer, s.rows);
}

void BatchSequence::Commit(int64_t n) {
  Segments(n, segments_);
  for (const Segment& s : segments_) s.sequence->Commit(s.rows);
  done_ += n;
}

}  // namespace weir::generate
