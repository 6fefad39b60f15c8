// What a target gives tiled_attention.cc: one product of register tiles and the row operations of
// softmax. A panel is 32 columns wide. Chosen beside the KernelSet in use (kernels.h).
#pragma once

#include <cstddef>

#include "tensor/kernels.h"

namespace weir::tensor {

inline constexpr size_t kTiledPanel = 32;

struct TiledKernels {
  // c[rows][32] = a[rows][depth] * b[depth][32], added to what c holds unless `fresh`.
  void (*product)(size_t rows, const float* a, size_t a_stride, const float* b, size_t depth,
                  bool fresh, float* c, size_t c_stride);
  // Online softmax of one row of a tile: scores[0, n) become 2^(s - peak), zeros from `visible` on;
  // peak, sum and acc[0, width) move to the new peak. n and width are whole panels.
  void (*weigh)(float* scores, size_t visible, size_t n, float* peak, float* sum, float* acc,
                size_t width);
  // The same peak and sum, but the scores stay as they are.
  void (*observe)(const float* scores, size_t visible, float* peak, float* sum);
  // p[0, n) = 2^(scores - peak) * factor, zeros from `visible` on.
  void (*exponentiate)(const float* scores, size_t visible, size_t n, float peak, float factor,
                       float* p);
  void (*scale)(const float* x, float factor, size_t n, float* out);
};

// The entry that belongs to a set of kernels.h.
const TiledKernels& TiledKernelsOf(const KernelSet& set);

extern const TiledKernels kScalarTiled;
extern const TiledKernels kAvx2Tiled;
extern const TiledKernels kAvx512Tiled;

}  // namespace weir::tensor
