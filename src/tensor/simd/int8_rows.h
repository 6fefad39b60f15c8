// Products of int8 rows with int8 weight rows (int8_matrix.h), for each target; the same bytes on
// all of them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/kernels.h"

namespace weir::tensor {

struct Int8Rows {
  const std::byte* weights = nullptr;  // [groups][steps][64]: 16 rows x 4 columns, plus 128
  const float* scales = nullptr;       // [groups][16]
  const float* bias = nullptr;         // [groups][16]
  size_t steps = 0;                    // columns / 4
  size_t rows = 0;                     // of the weights
  const int8_t* codes = nullptr;       // [n][columns]
  const float* x_scales = nullptr;     // [n]
  const int32_t* negative_sums = nullptr;  // [n] -sum of a row's codes
  size_t n = 0;
  float* y = nullptr;  // [n][rows]
  // Of the kernels that keep the largest: part s of x is rows [offsets[s], offsets[s + 1]), and y
  // is [parts][rows].
  const int64_t* offsets = nullptr;
  size_t parts = 0;
};

// Groups [begin, end).
using Int8RowsKernel = void (*)(const Int8Rows& product, size_t begin, size_t end);

extern const Int8RowsKernel kScalarInt8Rows, kAvx2Int8Rows, kAvx512Int8Rows;
// y[s][r] = the largest of 0 and row r's values over part s: the same values, never all stored.
extern const Int8RowsKernel kScalarInt8Peaks, kAvx2Int8Peaks, kAvx512Int8Peaks;

// The one of a set's target.
inline Int8RowsKernel Int8RowsKernelOf(const KernelSet& kernels) {
  if (&kernels == &kAvx512Kernels) return kAvx512Int8Rows;
  return &kernels == &kAvx2Kernels ? kAvx2Int8Rows : kScalarInt8Rows;
}
inline Int8RowsKernel Int8PeaksKernelOf(const KernelSet& kernels) {
  if (&kernels == &kAvx512Kernels) return kAvx512Int8Peaks;
  return &kernels == &kAvx2Kernels ? kAvx2Int8Peaks : kScalarInt8Peaks;
}

}  // namespace weir::tensor
