// The rows of lists that may be the best k of a query, by their int8 codes. Which of them are is
// for the caller to find out by f32 scores. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/tenants/cluster_tree.h"
#include "index/top_k.h"

namespace weir::index {

// f32 rows that are asked for before they are scored: they come from memory, one by one.
inline constexpr size_t kRescoreAhead = 4;
inline void PrefetchRow(const float* row, size_t dimensions) {
  for (size_t i = 0; i < dimensions; i += 16) __builtin_prefetch(row + i);
}

class NearestRows {
 public:
  // running: of how many best rows a list must have one, to be good for something; at least k, or 0
  // when nobody asks. Borrows the query.
  NearestRows(const TreeQuery& query, size_t k, size_t running);

  // codes: [rows, dimensions] and scales: [rows] of all rows, of which `rows` are scored. True when
  // one of them is among the running best.
  bool Scan(std::span<const uint32_t> rows, const int8_t* codes, const float* scales);
  // The same of rows that lie together, from `first` on.
  bool ScanRange(uint32_t first, size_t count, const int8_t* codes, const float* scales);

  // The rows that rounding may have kept from the best k, and those that are; in no order.
  std::vector<uint32_t> Take();

 private:
  struct Candidate {
    uint32_t row;
    float score;
  };
  bool Offer(uint32_t row, float score, float row_scale);
  float Threshold() const { return best_.Least(false) - slack_; }
  void Prune();

  const TreeQuery& query_;
  size_t k_;
  const bool running_on_;
  TopK best_, running_;  // scores alone
  float slack_ = 0;
  std::vector<Candidate> kept_;
  std::vector<float> scores_;
};

}  // namespace weir::index
