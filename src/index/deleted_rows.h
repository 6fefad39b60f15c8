// Sets of a segment's rows: those that are deleted in one generation, those that a scope allows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir::index {

struct RowSet {
  std::vector<uint64_t> bits;  // one a row; empty when no row is in the set
  std::vector<uint32_t> rows;  // ascending
  uint64_t tokens = 0;         // sum of their lengths (lexical segments)
  bool Contains(uint32_t row) const {
    return !bits.empty() && (bits[row / 64] >> (row % 64) & 1) != 0;
  }
  // Rows come in ascending order. REQUIRES: row < row_count
  void Add(uint32_t row, size_t row_count, uint64_t tokens_of_row) {
    if (bits.empty()) bits.resize((row_count + 63) / 64);
    bits[row / 64] |= uint64_t{1} << (row % 64);
    rows.push_back(row);
    tokens += tokens_of_row;
  }
};
using DeletedRows = RowSet;

}  // namespace weir::index
