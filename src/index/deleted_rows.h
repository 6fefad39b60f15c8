// Rows of a segment that are deleted in one generation.
#pragma once

#include <cstdint>
#include <vector>

namespace weir::index {

struct DeletedRows {
  std::vector<uint64_t> bits;  // one a row; empty when none is deleted
  std::vector<uint32_t> rows;  // ascending
  uint64_t tokens = 0;         // sum of their lengths (lexical segments)
  bool Contains(uint32_t row) const {
    return !bits.empty() && (bits[row / 64] >> (row % 64) & 1) != 0;
  }
};

}  // namespace weir::index
