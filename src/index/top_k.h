// The best k of a stream by (score descending, passage ascending).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "index/scored.h"

namespace weir::index {

inline bool Better(const Scored& a, const Scored& b) {
  return a.score != b.score ? a.score > b.score : a.passage < b.passage;
}

class TopK {
 public:
  explicit TopK(int64_t k) : k_(static_cast<size_t>(k)) {
    heap_.reserve(std::min<size_t>(k_, 1024));
  }
  bool full() const { return heap_.size() == k_; }
  // The least score that may still enter. With `ascending`, what comes has a higher passage id than
  // all before, so it must beat the worst score, not only reach it.
  float Least(bool ascending) const { return ascending ? above_worst_ : worst_; }
  // True when it entered.
  bool Add(Scored hit) {
    if (full()) {
      if (!Better(hit, heap_.front())) return false;
      std::pop_heap(heap_.begin(), heap_.end(), Better);
      heap_.back() = hit;
    } else {
      heap_.push_back(hit);
    }
    std::push_heap(heap_.begin(), heap_.end(), Better);
    if (full()) {
      worst_ = heap_.front().score;
      above_worst_ = std::nextafter(worst_, std::numeric_limits<float>::infinity());
    }
    return true;
  }
  std::vector<Scored> Take() {
    std::sort(heap_.begin(), heap_.end(), Better);
    return std::move(heap_);
  }

 private:
  size_t k_;  // REQUIRES: at least 1
  std::vector<Scored> heap_;  // worst on top
  // of a full heap
  float worst_ = -std::numeric_limits<float>::infinity(), above_worst_ = worst_;
};

}  // namespace weir::index
