#include "tensor/unfused_attention.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "tensor/kernels.h"
#include "tensor/simd/tiled.h"

namespace weir::tensor {
namespace {

constexpr int64_t kPanel = kTiledPanel;
// Of a tile: at 64 channels its queries, sums and a panel are 60 KiB.
constexpr int64_t kRows = 96;
// Keys of a tile whose weights meet a panel of values at a time: 192 KiB.
constexpr int64_t kDepth = 512;

int64_t WholePanels(int64_t n) { return (n + kPanel - 1) / kPanel * kPanel; }

}  // namespace

absl::StatusOr<UnfusedAttention> UnfusedAttention::Make(int64_t n, int64_t head_dim) {
  if (n < 1 || head_dim < 1 || n > 1 << 20 || head_dim > 1 << 16) {
    return absl::InvalidArgumentError(
        absl::StrCat("attention of ", n, " x ", head_dim, "; expected sizes of 1 or more"));
  }
  UnfusedAttention made;
  made.n_ = n;
  made.head_dim_ = head_dim;
  made.padded_n_ = WholePanels(n);
  made.padded_dim_ = WholePanels(head_dim);
  const size_t sizes[] = {static_cast<size_t>(made.padded_n_ * head_dim),
                          static_cast<size_t>(made.padded_dim_ * n),
                          static_cast<size_t>(n * head_dim) + 16,
                          static_cast<size_t>(n) * made.padded_n_,
                          static_cast<size_t>(n * made.padded_dim_)};
  size_t floats = 0;
  for (const size_t size : sizes) floats += (size + 15) / 16 * 16;
  if (floats * sizeof(float) > kMaxBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("scores of attention: ",
                                                     floats * sizeof(float), " bytes; at most ",
                                                     kMaxBytes));
  }
  made.bytes_ = AllocateAligned(floats * sizeof(float));
  if (made.bytes_ == nullptr) {
    return absl::ResourceExhaustedError("scores of attention: out of memory");
  }
  std::memset(made.bytes_.get(), 0, floats * sizeof(float));
  float* at = reinterpret_cast<float*>(made.bytes_.get());
  float** const arrays[] = {&made.keys_, &made.values_, &made.queries_, &made.scores_, &made.sums_};
  for (size_t i = 0; i < 5; ++i) {
    *arrays[i] = at;
    at += (sizes[i] + 15) / 16 * 16;
  }
  return made;
}

void UnfusedAttention::Pack(const float* k, const float* v, int64_t stride, Threads* threads) {
  const int64_t d = head_dim_;
  ParallelFor(threads, static_cast<size_t>(padded_n_ / kPanel), 1, [&](size_t begin, size_t end,
                                                                       int) {
    for (int64_t first = begin * kPanel; first < static_cast<int64_t>(end) * kPanel;
         first += kPanel) {
      float* panel = keys_ + first * d;
      const int64_t here = std::min(kPanel, n_ - first);
      for (int64_t j = 0; j < here; ++j) {
        for (int64_t c = 0; c < d; ++c) panel[c * kPanel + j] = k[(first + j) * stride + c];
        for (int64_t c = 0; c < d; c += kPanel) {
          std::copy_n(v + (first + j) * stride + c, std::min(kPanel, d - c),
                      values_ + c * n_ + (first + j) * kPanel);
        }
      }
    }
  });
}

void UnfusedAttention::Run(const float* q, int64_t q_stride, const float* k, const float* v,
                           int64_t k_stride, float scale, float* out, Threads* threads) {
  const KernelSet& kernels = Kernels();
  const TiledKernels& tiled = TiledKernelsOf(kernels);
  const int64_t d = head_dim_, tiles = (n_ + kRows - 1) / kRows;
  Pack(k, v, k_stride, threads);
  const int64_t workers = threads == nullptr ? 1 : threads->count();
  // A pass is done when all threads are: the scores lie in memory between them. Tiles grow with
  // their position, so threads take them in turns.
  const auto pass = [&](auto work) {
    ParallelFor(threads, static_cast<size_t>(workers), 1, [&](size_t begin, size_t end, int) {
      for (size_t w = begin; w < end; ++w) {
        for (int64_t t = w; t < tiles; t += workers) {
          work(t * kRows, std::min(kRows, n_ - t * kRows));
        }
      }
    });
  };
  pass([&](int64_t first, int64_t rows) {
    for (int64_t r = first; r < first + rows; ++r) {
      kernels.scale(q + r * q_stride, scale, d, queries_ + r * d);
    }
    for (int64_t j = 0; j < first + rows; j += kPanel) {
      tiled.product(rows, queries_ + first * d, d, keys_ + j * d, d, true,
                    scores_ + first * padded_n_ + j, padded_n_);
    }
  });
  pass([&](int64_t first, int64_t rows) {
    for (int64_t r = first; r < first + rows; ++r) {
      kernels.softmax(scores_ + r * padded_n_, r + 1);
      std::fill(scores_ + r * padded_n_ + r + 1, scores_ + r * padded_n_ + first + rows, 0.0f);
    }
  });
  pass([&](int64_t first, int64_t rows) {
    const int64_t keys = first + rows;
    float* sums = sums_ + first * padded_dim_;
    for (int64_t j = 0; j < keys; j += kDepth) {
      for (int64_t c = 0; c < padded_dim_; c += kPanel) {
        tiled.product(rows, scores_ + first * padded_n_ + j, padded_n_,
                      values_ + c * n_ + j * kPanel, std::min(kDepth, keys - j), j == 0, sums + c,
                      padded_dim_);
      }
    }
    for (int64_t r = first; r < first + rows; ++r) {
      std::copy_n(sums_ + r * padded_dim_, d, out + r * q_stride);
    }
  });
}

}  // namespace weir::tensor
