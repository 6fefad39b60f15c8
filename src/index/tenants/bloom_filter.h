// A set that may say yes to what is not in it, never no to what is: Bloom, "Space/time trade-offs
// in hash coding with allowable errors", CACM 1970; two hashes make all (Kirsch and Mitzenmacher,
// ESA 2006).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir::index {

class BloomFilter {
 public:
  // About one wrong yes in a hundred with `capacity` members.
  explicit BloomFilter(size_t capacity = 0)
      : capacity_(capacity), words_(capacity == 0 ? 0 : (capacity * kBitsPerMember + 63) / 64) {}

  void Add(uint32_t member) {
    if (words_.empty()) return;
    bool fresh = false;
    for (const uint64_t at : Places(member)) {
      const uint64_t bit = uint64_t{1} << (at % 64);
      fresh |= (words_[at / 64] & bit) == 0;
      words_[at / 64] |= bit;
    }
    members_ += fresh;
  }
  bool Contains(uint32_t member) const {
    if (words_.empty()) return false;
    for (const uint64_t at : Places(member)) {
      if ((words_[at / 64] >> (at % 64) & 1) == 0) return false;
    }
    return true;
  }
  // More members than it was made for: wrong answers become frequent.
  bool full() const { return members_ > capacity_; }
  size_t bytes() const { return words_.size() * sizeof(uint64_t); }

 private:
  static constexpr size_t kBitsPerMember = 10;
  static constexpr int kHashes = 7;

  std::array<uint64_t, kHashes> Places(uint32_t member) const {
    const uint64_t a = (member + uint64_t{0x9E3779B97F4A7C15}) * uint64_t{0xBF58476D1CE4E5B9};
    const uint64_t mixed = (a ^ (a >> 31)) * uint64_t{0x94D049BB133111EB};
    uint32_t hash = static_cast<uint32_t>(mixed >> 32);
    const uint32_t step = static_cast<uint32_t>(mixed) | 1;
    std::array<uint64_t, kHashes> places;
    for (uint64_t& place : places) {
      place = (uint64_t{hash} * (words_.size() * 64)) >> 32;
      hash += step;
    }
    return places;
  }

  size_t capacity_ = 0, members_ = 0;
  std::vector<uint64_t> words_;
};

}  // namespace weir::index
