// y = x W^T for a weight matrix W of any DType, one activation row (decode) or many (prefill).
//
// Pack() turns a matrix into the layout that this CPU's kernels read (16 rows interleaved for VNNI,
// another for AVX2); Matrix owns or borrows those bytes. Activations are quantised to int8 in
// blocks of 32 columns on entry to each product, f32 accumulation between blocks, so results do not
// depend on the number of threads or on the other rows of the batch: logits are bit-equal for any
// split.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/threads.h"
#include "tensor/dtype.h"

namespace weir::tensor {

// A matrix as a file stores it: [rows, columns] of `type`, row-major, borrowed.
struct MatrixView {
  DType type = DType::kF32;
  const std::byte* data = nullptr;
  size_t rows = 0;
  size_t columns = 0;
};

// One allocation for the matrices of a model, in the order in which they are read: what one product
// leaves unread of a prefetch is the beginning of the next, and large pages cover all of it. A
// matrix keeps the allocation alive.
class MatrixArena {
 public:
  // kResourceExhausted when the system refuses. Memory is touched only when it is packed into.
  static absl::StatusOr<MatrixArena> Make(size_t bytes);

 private:
  friend class Matrix;
  std::shared_ptr<std::byte[]> memory_;
  size_t bytes_ = 0, used_ = 0;
};

// A matrix ready for products. Immutable and thread-safe once packed.
class Matrix {
 public:
  Matrix();
  ~Matrix();
  Matrix(Matrix&&) noexcept;
  Matrix& operator=(Matrix&&) noexcept;

  // Errors: kInvalidArgument if columns is not whole blocks, kResourceExhausted. Without an arena
  // (or when it is full) the matrix has memory of its own.
  static absl::StatusOr<Matrix> Pack(const MatrixView& view, Threads* threads,
                                     MatrixArena* arena = nullptr);
  // What Pack takes; 0 for a matrix that it refuses.
  static size_t PackedBytes(const MatrixView& view);
  // A matrix over bytes that Pack made (packed() of another one), which begin at a multiple of 64
  // and belong to `owner`. kInvalidArgument when there are more or fewer than the shape takes.
  static absl::StatusOr<Matrix> Borrow(DType type, size_t rows, size_t columns,
                                       std::span<const std::byte> packed,
                                       std::shared_ptr<const void> owner);
  std::span<const std::byte> packed() const;
  size_t rows() const { return rows_; }
  size_t columns() const { return columns_; }
  DType type() const { return type_; }
  size_t bytes() const;  // read per product with one activation row

  // y[i, r] = sum_c x[i, c] * W[r, c] for i in [0, n). x: [n, columns] f32, y: [n, rows] f32.
  void Multiply(const float* x, size_t n, float* y, Threads* threads) const;

 private:
  friend void MultiplyTogether(std::span<const Matrix* const> matrices, const float* x, size_t n,
                               std::span<float* const> ys, Threads* threads);
  struct Packed;
  Matrix(DType type, size_t rows, size_t columns);  // without bytes yet
  size_t rows_ = 0, columns_ = 0;
  DType type_ = DType::kF32;
  std::unique_ptr<Packed> packed_;
};

// Several products over one activation (q, k, v or gate, up): the activation is quantised once and
// the rows of all matrices are split over the threads together, one barrier. ys[j]: [n,
// matrices[j].rows()]. REQUIRES: all matrices are packed and have the same columns.
void MultiplyTogether(std::span<const Matrix* const> matrices, const float* x, size_t n,
                      std::span<float* const> ys, Threads* threads);

// "AVX3_DL+VNNI", "AVX2", "SCALAR": the kernel set in use. WEIR_CPU_TARGET=avx2|scalar lowers it
// (tests).
std::string_view KernelTarget();

}  // namespace weir::tensor
