// Makes the inverted side of a sparse segment from its rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "index/sparse/format.h"

namespace weir::index {

// The forward index in memory.
struct SparseRows {
  std::vector<int64_t> ids;
  std::vector<uint64_t> starts = {0};
  std::vector<uint16_t> terms;
  std::vector<uint8_t> impacts;

  void Add(int64_t id, std::span<const uint16_t> row_terms, const uint8_t* row_impacts) {
    ids.push_back(id);
    terms.insert(terms.end(), row_terms.begin(), row_terms.end());
    impacts.insert(impacts.end(), row_impacts, row_impacts + row_terms.size());
    starts.push_back(terms.size());
  }
};

// How many of a term's postings the approximate search sees, in a segment of so many rows.
uint64_t HeavyLimit(size_t rows);

// The sections behind the forward index. The same rows give the same bytes.
class SparseInverted {
 public:
  SparseInverted(const SparseRows& rows, int32_t vocabulary, uint64_t heavy_limit);

  std::span<const uint8_t> directory_bytes() const { return Bytes(directory_); }
  std::span<const uint8_t> masked_bytes() const { return Bytes(masked_); }
  std::span<const uint8_t> list_row_bytes() const { return Bytes(list_rows_); }
  std::span<const uint8_t> list_impact_bytes() const { return list_impacts_; }

 private:
  struct Posting {
    uint16_t row;
    uint8_t impact;
  };
  // Postings of a term above `above` are heavy, and `ties` more of exactly that impact.
  struct Heavy {
    int above = -1;
    uint64_t ties = 0;
  };

  template <class T>
  static std::span<const uint8_t> Bytes(const std::vector<T>& values) {
    return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T)};
  }
  static std::vector<Heavy> FindHeavy(const SparseRows& rows, int32_t vocabulary, uint64_t limit);
  void AddChunk(const SparseRows& rows, size_t chunk, std::vector<Heavy>& heavy,
                const SparseDirectory& layout, std::vector<SparseEntry>& entries);
  SparseEntry AddTerm(std::span<const Posting> postings, size_t rows_of_chunk, Heavy& heavy);
  void AddMasked(std::span<const Posting> postings, size_t rows_of_chunk);

  std::vector<uint64_t> directory_, masked_;  // as bytes
  std::vector<uint16_t> list_rows_;
  std::vector<uint8_t> list_impacts_;
};

}  // namespace weir::index
