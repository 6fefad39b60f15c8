#include "tensor/matmul.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tensor/kernels.h"
#include "tensor/packed.h"

namespace weir::tensor {

struct Matrix::Packed {
  PackedMatrix matrix;
  std::shared_ptr<const void> owner;  // of the bytes
};

absl::StatusOr<MatrixArena> MatrixArena::Make(size_t bytes) {
  MatrixArena arena;
  arena.memory_ = AllocateAligned(bytes);
  if (arena.memory_ == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("memory for ", bytes, " bytes of weights"));
  }
  arena.bytes_ = bytes;
  return arena;
}

size_t Matrix::PackedBytes(const MatrixView& view) {
  if (view.columns % InfoOf(view.type).block_columns != 0) return 0;
  const size_t group = GroupBytes(view.type, view.columns);
  const size_t groups = view.rows / kGroupRows + (view.rows % kGroupRows != 0);
  if (group != 0 && groups > std::numeric_limits<ptrdiff_t>::max() / group) return 0;
  return group * groups;
}

Matrix::Matrix() = default;
Matrix::Matrix(DType type, size_t rows, size_t columns)
    : rows_(rows), columns_(columns), type_(type), packed_(std::make_unique<Packed>()) {
  PackedMatrix& m = packed_->matrix;
  m.type = type;
  m.rows = rows;
  m.columns = columns;
  m.groups = rows / kGroupRows + (rows % kGroupRows != 0);
  m.group_bytes = GroupBytes(type, columns);
}
Matrix::~Matrix() = default;
Matrix::Matrix(Matrix&&) noexcept = default;
Matrix& Matrix::operator=(Matrix&&) noexcept = default;

absl::StatusOr<Matrix> Matrix::Pack(const MatrixView& view, Threads* threads,
                                    MatrixArena* arena) {
  const DTypeInfo& info = InfoOf(view.type);
  if (view.columns % info.block_columns != 0) {
    return absl::InvalidArgumentError(absl::StrCat("matrix columns: ", view.columns, "; ",
                                                   info.name, " expects a multiple of ",
                                                   info.block_columns));
  }
  if (view.data == nullptr && view.rows * view.columns != 0) {
    return absl::InvalidArgumentError("matrix data: null; expected rows * columns elements");
  }
  Matrix out(view.type, view.rows, view.columns);
  PackedMatrix& m = out.packed_->matrix;
  if (m.group_bytes != 0 && m.groups > std::numeric_limits<ptrdiff_t>::max() / m.group_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("matrix of ", view.rows, " x ", view.columns));
  }
  const size_t bytes = m.groups * m.group_bytes;
  std::byte* memory = nullptr;
  if (arena != nullptr && bytes <= arena->bytes_ - arena->used_) {
    memory = arena->memory_.get() + arena->used_;
    arena->used_ += bytes;
    out.packed_->owner = arena->memory_;
  } else {
    std::shared_ptr<std::byte[]> own = AllocateAligned(bytes);
    memory = own.get();
    out.packed_->owner = std::move(own);
  }
  if (memory == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("memory for a matrix of ", view.rows, " x ", view.columns));
  }
  m.data = memory;
  ParallelFor(threads, m.groups, 1, [&](size_t begin, size_t end, int) {
    for (size_t g = begin; g < end; ++g)
      PackGroup(view, g, memory + g * m.group_bytes);
  });
  return out;
}

absl::StatusOr<Matrix> Matrix::Borrow(DType type, size_t rows, size_t columns,
                                      std::span<const std::byte> packed,
                                      std::shared_ptr<const void> owner) {
  if (packed.size() != PackedBytes({type, nullptr, rows, columns}) ||
      reinterpret_cast<uintptr_t>(packed.data()) % 64 != 0) {
    return absl::InvalidArgumentError(absl::StrCat("packed matrix: ", packed.size(),
                                                   " bytes; expected aligned ones of ", rows, " x ",
                                                   columns));
  }
  Matrix out(type, rows, columns);
  out.packed_->matrix.data = packed.data();
  out.packed_->owner = std::move(owner);
  return out;
}

std::span<const std::byte> Matrix::packed() const {
  if (packed_ == nullptr) return {};
  const PackedMatrix& m = packed_->matrix;
  return {m.data, m.groups * m.group_bytes};
}

size_t Matrix::bytes() const { return packed().size(); }

void Matrix::Multiply(const float* x, size_t n, float* y, Threads* threads) const {
  const Matrix* self = this;
  MultiplyTogether({&self, 1}, x, n, {&y, 1}, threads);
}

// All groups of all matrices form one range that is split over the threads.
void MultiplyTogether(std::span<const Matrix* const> matrices, const float* x, size_t n,
                      std::span<float* const> ys, Threads* threads) {
  size_t groups = 0;
  bool codes = false;
  for (const Matrix* m : matrices) {
    groups += (m->rows() + kGroupRows - 1) / kGroupRows;
    codes |= !IsFloat(m->type());
  }
  if (groups == 0 || n == 0) return;
  if (matrices[0]->columns() == 0) {
    for (size_t j = 0; j < matrices.size(); ++j) std::fill_n(ys[j], n * matrices[j]->rows(), 0.0f);
    return;
  }
  const KernelSet& kernels = Kernels();
  const QuantizedActivations activations(kernels, x, n, matrices[0]->columns(), codes, threads);
  const auto multiply = [&](size_t begin, size_t end, int) {
    size_t first = 0;  // of the matrix at hand
    for (size_t j = 0; j < matrices.size() && first < end; ++j) {
      const PackedMatrix& w = matrices[j]->packed_->matrix;
      const size_t from = std::max(begin, first), to = std::min(end, first + w.groups);
      if (from < to) kernels.multiply(w, from - first, to - first, activations.view(), ys[j]);
      first += w.groups;
    }
  };
  ShareGroups(threads, groups, n, n == 1 ? 1 : 2, multiply);
}

}  // namespace weir::tensor
