// The best of many scored passages: a list that is cut to its best now and then.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "index/scored.h"

namespace weir::cli {

class BestList {
 public:
  explicit BestList(size_t depth) : depth_(depth) {}
  void Add(index::Scored hit) {
    if (hit.score < least_) return;
    hits_.push_back(hit);
    if (hits_.size() >= 2 * depth_ + 64) Cut();
  }
  // By (score descending, passage ascending).
  std::vector<index::Scored> Take() {
    Cut();
    return std::move(hits_);
  }

 private:
  void Cut() {
    std::sort(hits_.begin(), hits_.end(), [](const index::Scored& a, const index::Scored& b) {
      return a.score != b.score ? a.score > b.score : a.passage < b.passage;
    });
    if (hits_.size() < depth_) return;
    hits_.resize(depth_);
    least_ = hits_.back().score;
  }
  size_t depth_;
  float least_ = -1e30f;
  std::vector<index::Scored> hits_;
};

}  // namespace weir::cli
