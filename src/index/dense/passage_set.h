// The passages that a search may return, one bit each. Immutable.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace weir::index {

class PassageSet {
 public:
  // ids: in any order, repeated ones count once, negative ones are no passages. Takes a bit for
  // each id between the least and the greatest.
  explicit PassageSet(std::span<const int64_t> ids) : ids_(ids.begin(), ids.end()) {
    std::sort(ids_.begin(), ids_.end());
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
    ids_.erase(ids_.begin(), std::lower_bound(ids_.begin(), ids_.end(), int64_t{0}));
    if (ids_.empty()) return;
    bits_.resize(static_cast<size_t>(ids_.back() - ids_.front()) / 64 + 1);
    for (int64_t id : ids_) {
      const size_t at = static_cast<size_t>(id - ids_.front());
      bits_[at / 64] |= uint64_t{1} << (at % 64);
    }
  }
  std::span<const int64_t> ids() const { return ids_; }  // ascending
  bool Contains(int64_t id) const {
    if (ids_.empty() || id < ids_.front() || id > ids_.back()) return false;
    const size_t at = static_cast<size_t>(id - ids_.front());
    return (bits_[at / 64] >> (at % 64) & 1) != 0;
  }

 private:
  std::vector<int64_t> ids_;
  std::vector<uint64_t> bits_;
};

}  // namespace weir::index
