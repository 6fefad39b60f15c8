// y = x W^T + b with W in int8, one scale a row, and x rounded to int8, one scale a row of x, on
// entry: the arithmetic of encoders, which bear it (LLM.int8: Dettmers et al. 2022, section 2.2,
// vector-wise quantisation). Sums are integers, so the result depends on neither the threads nor
// the other rows nor the CPU. A value is off by at most half a step, max|row| / 127, of either
// side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/threads.h"

namespace weir::tensor {

struct Int8Rows;  // simd/int8_rows.h

class Int8Matrix {
 public:
  Int8Matrix() = default;
  // weights: [rows, columns] f32, row-major; bias: [rows]. Errors: kInvalidArgument (columns not a
  // multiple of 16 or more than 65,536, sizes that do not fit together).
  static absl::StatusOr<Int8Matrix> Pack(std::span<const float> weights,
                                         std::span<const float> bias, size_t columns);
  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }
  size_t bytes() const { return groups() * columns_ * 16; }

  // Working memory of a product, grown as needed and reused.
  struct Workspace {
    std::vector<int8_t> codes;
    std::vector<float> scales;
    std::vector<int32_t> negative_sums;
  };
  // x: [n, columns] f32, y: [n, rows] f32.
  void Multiply(const float* x, size_t n, float* y, Workspace& workspace, Threads* threads) const;
  // y[s][r] = the largest of 0 and row r's values over rows [offsets[s], offsets[s + 1]) of x, as
  // Multiply gives them, without storing those. x: [offsets.back(), columns], y: [parts, rows].
  void Peaks(const float* x, std::span<const int64_t> offsets, float* y, Workspace& workspace,
             Threads* threads) const;

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  size_t groups() const { return scales_.size() / 16; }
  Int8Rows Quantise(const float* x, size_t n, Workspace& workspace, Threads* threads) const;

  size_t rows_ = 0, columns_ = 0;
  std::vector<Line> lines_;            // [groups][columns / 4]: dword r holds 4 columns of row r
  std::vector<float> scales_, bias_;   // [groups][16], zeros past the last row
};

}  // namespace weir::tensor
