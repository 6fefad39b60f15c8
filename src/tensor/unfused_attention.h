// Softmax attention as three passes through memory: all scores, their softmax, their product with
// the values. The baseline beside which the engine's attention is measured, with the same f32
// product kernels as tiled_attention.h, tuned: operands in panels, row tiles that stay in L2, what
// a causal mask hides is not computed, rows split over threads.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "base/threads.h"
#include "tensor/packed.h"

namespace weir::tensor {

// One head of n queries and keys, causal. Run may be called many times, by one thread.
class UnfusedAttention {
 public:
  static constexpr size_t kMaxBytes = size_t{4} << 30;

  // kInvalidArgument for sizes below 1, kResourceExhausted above kMaxBytes (n * n scores).
  static absl::StatusOr<UnfusedAttention> Make(int64_t n, int64_t head_dim);

  // q, out: [n] rows of head_dim floats, `q_stride` apart; k, v: likewise, `k_stride` apart.
  void Run(const float* q, int64_t q_stride, const float* k, const float* v, int64_t k_stride,
           float scale, float* out, Threads* threads);

 private:
  UnfusedAttention() = default;
  void Pack(const float* k, const float* v, int64_t stride, Threads* threads);

  int64_t n_ = 0, head_dim_ = 0, padded_n_ = 0, padded_dim_ = 0;
  AlignedBytes bytes_;
  float* keys_ = nullptr;     // [padded_n / 32][head_dim][32]
  float* values_ = nullptr;   // [padded_dim / 32][n][32]
  float* queries_ = nullptr;  // [n][head_dim], scaled
  float* scores_ = nullptr;   // [n][padded_n]
  float* sums_ = nullptr;     // [n][padded_dim]
};

}  // namespace weir::tensor
