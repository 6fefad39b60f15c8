#include "tensor/tiled_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "tensor/simd/tiled.h"

namespace weir::tensor {
namespace {

constexpr int64_t kPanel = kTiledPanel;
constexpr float kLogTwoE = 1.44269504f;

int64_t WholePanels(int64_t n) { return (n + kPanel - 1) / kPanel * kPanel; }

}  // namespace

const TiledKernels& TiledKernelsOf(const KernelSet& set) {
  if (&set == &kAvx512Kernels) return kAvx512Tiled;
  return &set == &kAvx2Kernels ? kAvx2Tiled : kScalarTiled;
}

std::string_view NameOf(TiledSchedule schedule) {
  return schedule == TiledSchedule::kRowOuter ? "row-outer" : "two-phase";
}

absl::StatusOr<TiledAttention> TiledAttention::Make(const TiledShape& shape, TiledSchedule schedule,
                                                    const TileSizes& tiles,
                                                    const TiledKernels* kernels) {
  constexpr int64_t kMost = int64_t{1} << 28;  // products of two sizes stay far below 2^63
  for (const int64_t size : {shape.n, shape.head_dim, tiles.rows, tiles.columns, tiles.slab}) {
    if (size < 1 || size > kMost) {
      return absl::InvalidArgumentError(
          absl::StrCat("attention size: ", size, "; expected 1 to ", kMost));
    }
  }
  if (tiles.columns % kPanel != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("columns of a tile: ", tiles.columns, "; expected a multiple of ", kPanel));
  }
  TiledAttention made;
  made.shape_ = shape;
  made.schedule_ = schedule;
  made.kernels_ = kernels != nullptr ? kernels : &TiledKernelsOf(Kernels());
  made.padded_n_ = WholePanels(shape.n);
  made.padded_dim_ = WholePanels(shape.head_dim);
  made.tiles_ = {std::min(tiles.rows, shape.n), std::min(tiles.columns, made.padded_n_),
                 std::min(tiles.slab, shape.head_dim)};
  made.floats_ = made.Layout(nullptr);
  if (made.workspace_bytes() > kMaxWorkspaceBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("workspace of attention: ",
                                                     made.workspace_bytes(), " bytes; at most ",
                                                     kMaxWorkspaceBytes));
  }
  made.bytes_ = AllocateAligned(made.workspace_bytes());
  if (made.bytes_ == nullptr) {
    return absl::ResourceExhaustedError("workspace of attention: out of memory");
  }
  std::memset(made.bytes_.get(), 0, made.workspace_bytes());
  made.Layout(reinterpret_cast<float*>(made.bytes_.get()));
  return made;
}

// Places the arrays one after another, each on a line of its own; returns the floats they take.
size_t TiledAttention::Layout(float* base) {
  size_t at = 0;
  auto take = [&](int64_t rows, int64_t columns) {
    const size_t start = at;
    at += (static_cast<size_t>(rows) * columns + 15) / 16 * 16;
    return base == nullptr ? nullptr : base + start;
  };
  const bool two_phase = schedule_ == TiledSchedule::kTwoPhase;
  keys_ = take(padded_n_, shape_.head_dim);
  values_ = take(padded_dim_, shape_.n);
  queries_ = take(tiles_.rows, shape_.head_dim);
  scores_ = two_phase ? take(shape_.n, padded_n_) : take(tiles_.rows, tiles_.columns);
  weights_ = two_phase ? take(tiles_.rows, tiles_.columns) : nullptr;
  acc_ = take(tiles_.rows, two_phase ? std::min(tiles_.columns, padded_dim_) : padded_dim_);
  peak_ = take(1, two_phase ? shape_.n : tiles_.rows);
  sum_ = take(1, two_phase ? shape_.n : tiles_.rows);
  return at;
}

void TiledAttention::Pack(const float* k, const float* v) {
  const int64_t d = shape_.head_dim;
  for (int64_t first = 0; first < shape_.n; first += kPanel) {
    float* panel = keys_ + first * d;
    const int64_t here = std::min(kPanel, shape_.n - first);
    for (int64_t c = 0; c < d; ++c) {
      for (int64_t j = 0; j < here; ++j) panel[c * kPanel + j] = k[(first + j) * d + c];
    }
  }
  for (int64_t column = 0; column < d; column += kPanel) {
    float* panel = values_ + column * shape_.n;
    const int64_t here = std::min(kPanel, d - column);
    for (int64_t j = 0; j < shape_.n; ++j) {
      std::copy_n(v + j * d + column, here, panel + j * kPanel);
    }
  }
}

void TiledAttention::LoadQueries(const float* q, int64_t first, int64_t rows) {
  const int64_t d = shape_.head_dim;
  kernels_->scale(q + first * d, shape_.scale * kLogTwoE, rows * d, queries_);
}

size_t TiledAttention::VisibleIn(int64_t row, int64_t first_key, int64_t keys) const {
  return static_cast<size_t>(std::clamp<int64_t>(Visible(row) - first_key, 0, keys));
}

// A slab of a panel (slab x 32 floats) is what L1 must hold while the tile's rows pass.
void TiledAttention::ScoreTile(int64_t rows, int64_t first_key, int64_t keys, float* scores,
                               size_t stride) {
  const int64_t d = shape_.head_dim;
  for (int64_t c = 0; c < d; c += tiles_.slab) {
    const int64_t depth = std::min(tiles_.slab, d - c);
    for (int64_t j = 0; j < keys; j += kPanel) {
      kernels_->product(rows, queries_ + c, d, keys_ + (first_key + j) * d + c * kPanel, depth,
                        c == 0, scores + j, stride);
    }
  }
}

void TiledAttention::RunRowOuter(const float* q, float* out) {
  const int64_t n = shape_.n, d = shape_.head_dim, width = tiles_.columns;
  for (int64_t first = 0; first < n; first += tiles_.rows) {
    const int64_t rows = std::min(tiles_.rows, n - first);
    const int64_t seen = Visible(first + rows - 1);
    LoadQueries(q, first, rows);
    std::fill_n(acc_, rows * padded_dim_, 0.0f);
    std::fill_n(peak_, rows, -INFINITY);
    std::fill_n(sum_, rows, 0.0f);
    for (int64_t key = 0; key < seen; key += width) {
      const int64_t keys = std::min(width, seen - key), padded = WholePanels(keys);
      ScoreTile(rows, key, keys, scores_, width);
      for (int64_t r = 0; r < rows; ++r) {
        kernels_->weigh(scores_ + r * width, VisibleIn(first + r, key, keys), padded, peak_ + r,
                        sum_ + r, acc_ + r * padded_dim_, padded_dim_);
      }
      for (int64_t c = 0; c < padded_dim_; c += kPanel) {
        kernels_->product(rows, scores_, width, values_ + c * n + key * kPanel, keys, false,
                          acc_ + c, padded_dim_);
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      kernels_->scale(acc_ + r * padded_dim_, 1.0f / sum_[r], d, out + (first + r) * d);
    }
  }
}

void TiledAttention::SumOutputTile(int64_t first, int64_t rows, int64_t column, float* out) {
  const int64_t n = shape_.n, d = shape_.head_dim, width = tiles_.columns;
  const int64_t columns = std::min(width, d - column), seen = Visible(first + rows - 1);
  const int64_t acc_stride = std::min(width, padded_dim_);
  std::fill_n(acc_, rows * acc_stride, 0.0f);
  for (int64_t key = 0; key < seen; key += width) {
    const int64_t keys = std::min(width, seen - key), padded = WholePanels(keys);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t row = first + r;
      kernels_->exponentiate(scores_ + row * padded_n_ + key, VisibleIn(row, key, keys), padded,
                             peak_[row], sum_[row], weights_ + r * width);
    }
    for (int64_t c = 0; c < columns; c += kPanel) {
      kernels_->product(rows, weights_, width, values_ + (column + c) * n + key * kPanel, keys,
                        false, acc_ + c, acc_stride);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    std::copy_n(acc_ + r * acc_stride, columns, out + (first + r) * d + column);
  }
}

void TiledAttention::RunTwoPhase(const float* q, float* out) {
  const int64_t n = shape_.n, width = tiles_.columns;
  std::fill_n(peak_, n, -INFINITY);
  std::fill_n(sum_, n, 0.0f);
  for (int64_t first = 0; first < n; first += tiles_.rows) {
    const int64_t rows = std::min(tiles_.rows, n - first);
    const int64_t seen = Visible(first + rows - 1);
    LoadQueries(q, first, rows);
    for (int64_t key = 0; key < seen; key += width) {
      const int64_t keys = std::min(width, seen - key);
      float* tile = scores_ + first * padded_n_ + key;
      ScoreTile(rows, key, keys, tile, padded_n_);
      for (int64_t r = 0; r < rows; ++r) {
        kernels_->observe(tile + r * padded_n_, VisibleIn(first + r, key, keys), peak_ + first + r,
                          sum_ + first + r);
      }
    }
    for (int64_t r = first; r < first + rows; ++r) sum_[r] = 1.0f / sum_[r];
  }
  for (int64_t first = 0; first < n; first += tiles_.rows) {
    const int64_t rows = std::min(tiles_.rows, n - first);
    for (int64_t column = 0; column < shape_.head_dim; column += width) {
      SumOutputTile(first, rows, column, out);
    }
  }
}

void TiledAttention::Run(const float* q, const float* k, const float* v, float* out) {
  Pack(k, v);
  schedule_ == TiledSchedule::kRowOuter ? RunRowOuter(q, out) : RunTwoPhase(q, out);
}

}  // namespace weir::tensor
