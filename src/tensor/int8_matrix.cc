#include "tensor/int8_matrix.h"

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tensor/kernels.h"
#include "tensor/simd/int8_rows.h"

namespace weir::tensor {
namespace {

constexpr size_t kMostColumns = 65536;  // sums of 255 * 127 stay below 2^31

}  // namespace

absl::StatusOr<Int8Matrix> Int8Matrix::Pack(std::span<const float> weights,
                                            std::span<const float> bias, size_t columns) {
  if (columns == 0 || columns % 16 != 0 || columns > kMostColumns ||
      weights.size() != bias.size() * columns) {
    return absl::InvalidArgumentError(
        absl::StrCat("int8 matrix: ", weights.size(), " weights, ", bias.size(), " rows, ", columns,
                     " columns; expected rows x columns, columns a multiple of 16 up to ",
                     kMostColumns));
  }
  Int8Matrix m;
  m.rows_ = bias.size();
  m.columns_ = columns;
  const size_t groups = (m.rows_ + kGroupRows - 1) / kGroupRows, steps = columns / 4;
  m.lines_.resize(groups * steps);
  m.scales_.resize(groups * kGroupRows);
  m.bias_.resize(groups * kGroupRows);
  std::copy(bias.begin(), bias.end(), m.bias_.begin());
  std::vector<int8_t> codes(columns);
  for (size_t row = 0; row < groups * kGroupRows; ++row) {
    std::fill(codes.begin(), codes.end(), int8_t{0});
    if (row < m.rows_) {
      m.scales_[row] =
          Kernels().quantize_vector(&weights[row * columns], columns, codes.data());
    }
    Line* lines = &m.lines_[row / kGroupRows * steps];
    for (size_t c = 0; c < columns; ++c) {
      lines[c / 4].bytes[row % kGroupRows * 4 + c % 4] = static_cast<std::byte>(codes[c] + 128);
    }
  }
  return m;
}

// The rows of x in int8, and what of a product does not depend on its kind.
Int8Rows Int8Matrix::Quantise(const float* x, size_t n, Workspace& w, Threads* threads) const {
  if (w.codes.size() < n * columns_) w.codes.resize(n * columns_);
  if (w.scales.size() < n) w.scales.resize(n), w.negative_sums.resize(n);
  const KernelSet& kernels = Kernels();
  static const std::vector<int8_t>& ones = *new std::vector<int8_t>(kMostColumns, 1);
  ParallelShare(n > 4 ? threads : nullptr, n, 16, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      int8_t* codes = &w.codes[i * columns_];
      w.scales[i] = kernels.quantize_vector(x + i * columns_, columns_, codes);
      w.negative_sums[i] = -kernels.dot_int8(codes, ones.data(), columns_);
    }
  });
  return {.weights = lines_.data()->bytes,
          .scales = scales_.data(),
          .bias = bias_.data(),
          .steps = columns_ / 4,
          .rows = rows_,
          .codes = w.codes.data(),
          .x_scales = w.scales.data(),
          .negative_sums = w.negative_sums.data(),
          .n = n};
}

void Int8Matrix::Multiply(const float* x, size_t n, float* y, Workspace& w,
                          Threads* threads) const {
  if (n == 0 || rows_ == 0) return;
  Int8Rows product = Quantise(x, n, w, threads);
  product.y = y;
  const Int8RowsKernel kernel = Int8RowsKernelOf(Kernels());
  ShareGroups(threads, groups(), n, 2,
              [&](size_t begin, size_t end, int) { kernel(product, begin, end); });
}

void Int8Matrix::Peaks(const float* x, std::span<const int64_t> offsets, float* y, Workspace& w,
                       Threads* threads) const {
  const size_t parts = offsets.size() - 1, n = static_cast<size_t>(offsets.back());
  if (parts == 0 || rows_ == 0) return;
  Int8Rows product = Quantise(x, n, w, threads);
  product.y = y;
  product.offsets = offsets.data();
  product.parts = parts;
  const Int8RowsKernel kernel = Int8PeaksKernelOf(Kernels());
  ShareGroups(threads, groups(), n, 2,
              [&](size_t begin, size_t end, int) { kernel(product, begin, end); });
}

}  // namespace weir::tensor
