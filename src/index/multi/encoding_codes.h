// Scan codes of fixed dimensional encodings: six numbers are one of sixteen codewords (product
// quantisation, as in the paper, with smaller parts whose tables fit a register). Of int8 rows, so
// that a merge gives the codes that writing would have given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/context.h"

namespace weir::index {

// At least one row; `rows` and `scales` as a segment has them: row i is scales[i] * rows[i].
// [parts][6][16].
std::vector<float> TrainEncodingWords(size_t length, std::span<const int8_t* const> rows,
                                      std::span<const float> scales, const Context& context);

class EncodingCoder {
 public:
  // Borrows the words.
  EncodingCoder(size_t length, const float* words);
  struct Scratch {
    std::vector<float> x;
    std::vector<uint8_t> codes;
  };
  // n of at most 16 rows, [n][length], as a group of tensor/group_lookup.h.
  void EncodeGroup(const int8_t* rows, const float* scales, size_t n, uint8_t* group,
                   Scratch& scratch) const;

 private:
  size_t length_, parts_;
  const float* words_;
  std::vector<float> half_norms_;
};

// A query's tables: score of a sum = base + step * sum.
struct EncodingTables {
  std::vector<uint8_t> tables;  // [parts][16]
  float base = 0, step = 1;
};
EncodingTables MakeEncodingTables(std::span<const float> query, const float* words);

}  // namespace weir::index
