// Technique: token-codes
// Source: Jégou, Douze and Schmid, Product quantization for nearest neighbor search, TPAMI 2011;
//   Ge, He, Ke and Sun, Optimized product quantization, CVPR 2013; weighting by the queries' second
//   moment: Guo et al., Accelerating Large-Scale Inference with Anisotropic Vector Quantization,
//   ICML 2020 (there by the direction of the row)
// Idea: a token's vector becomes 72 codes of 4 bits, 36 bytes, for 96 as for 384 dimensions. Axes
//   are those along which tokens vary; each is stretched before the codewords are chosen, since
//   queries vary along the same axes and an error counts as much as they do.
// Formulas: y = stretch * (A (x - mean)); parts of at most six axes, each the nearest of sixteen
//   words; q . x ~ q . mean + sum over parts of table[part][code], table = words . (A q / stretch);
//   stretch_i = variance_i^(kStretch / 2)
// Cost: training on at most 32,768 tokens; coding n tokens takes n axes dimensions multiplications;
//   parts / 2 bytes a token.
// Differs: no iterations between axes and codewords; no coarse centres, which at this size cost
//   more bytes than they save.
// Checked by: MultiTest.*   Measured by: weir bench search --multi
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "tensor/matmul.h"

namespace weir::index {

// The numbers as a segment stores them. Borrows.
struct TokenQuantiserView {
  size_t dimensions = 0, parts = 0;
  const float* mean = nullptr;     // [dimensions]
  const float* axes = nullptr;     // [parts * 6][dimensions]; zeros where a part has fewer
  const float* stretch = nullptr;  // [parts * 6]; 1 for those
  const float* words = nullptr;    // [parts][6][16]

  static size_t PartsOf(size_t dimensions);  // a multiple of 8
  static size_t Bytes(size_t dimensions);
  // `bytes` has that size and is aligned for floats.
  static TokenQuantiserView Over(const uint8_t* bytes, size_t dimensions);
};

// tokens(i): the i-th of `count` (at least 1) vectors. The same bytes for any number of threads.
absl::StatusOr<std::vector<uint8_t>> TrainTokenQuantiser(
    size_t dimensions, size_t count, absl::FunctionRef<const float*(size_t)> token,
    const Context& context);

// A query's look-up tables.
struct TokenTables {
  size_t tokens = 0;
  std::vector<uint8_t> tables;  // [tokens][parts][16], each at most kLargestGroupEntry
  std::vector<float> bases, steps;  // score of a sum: base + step * sum
};

// Codes, decodes and makes tables. Thread-safe; the view's bytes outlive it.
class TokenCoder {
 public:
  explicit TokenCoder(const TokenQuantiserView& view);
  size_t dimensions() const { return view_.dimensions; }
  size_t parts() const { return view_.parts; }
  // x: [n][dimensions]; codes: [n][parts].
  void Encode(const float* x, size_t n, uint8_t* codes) const;
  void Decode(const uint8_t* codes, float* x) const;  // one token
  TokenTables Tables(std::span<const float> query) const;  // [tokens][dimensions]

 private:
  void Turn(const float* x, size_t n, bool rows, std::vector<float>& out) const;

  TokenQuantiserView view_;
  size_t columns_;  // dimensions, to whole blocks of the matrix
  tensor::Matrix axes_;
  std::vector<float> half_norms_;
};

}  // namespace weir::index
