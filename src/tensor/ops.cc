#include "tensor/ops.h"

#include <cmath>

#include "tensor/kernels.h"
#include "tensor/simd/gate.h"

namespace weir::tensor {

void RmsNorm(const float* x, const float* weight, float epsilon, float* out, size_t n) {
  Kernels().rms_norm(x, weight, epsilon, out, n);
}

void LayerNorm(const float* x, const float* weight, const float* bias, float epsilon, float* out,
               size_t n) {
  Kernels().layer_norm(x, weight, bias, epsilon, out, n);
}

void Add(float* x, const float* y, size_t n) { Kernels().add_to(x, y, n); }

void SiluMultiply(const float* gate, const float* up, float* out, size_t n) {
  Kernels().silu_multiply(gate, up, out, n);
}

void GeluTanhMultiply(const float* gate, const float* up, float* out, size_t n) {
  static const GateKernel kernel = GeluTanhKernel(Kernels());
  kernel(gate, up, out, n);
}

void Gelu(float* x, size_t n) { Kernels().gelu(x, n); }

void Softmax(float* x, size_t n) { Kernels().softmax(x, n); }

void RotaryTable(int64_t position, int dim, float base, const float* frequency_factors,
                 float* cos_sin) {
  // In double: at position 100,000 an f32 angle would be off by up to 4e-3 radians.
  const double log_base = std::log(static_cast<double>(base));
  for (int i = 0; i < dim / 2; ++i) {
    double angle = static_cast<double>(position) * std::exp(-2.0 * i / dim * log_base);
    if (frequency_factors != nullptr) angle /= frequency_factors[i];
    cos_sin[2 * i] = static_cast<float>(std::cos(angle));
    cos_sin[2 * i + 1] = static_cast<float>(std::sin(angle));
  }
}

void RotaryInterleaved(float* head, const float* cos_sin, int dim) {
  Kernels().rotary_interleaved(head, cos_sin, dim);
}

void RotaryHalves(float* head, const float* cos_sin, int dim) {
  Kernels().rotary_halves(head, cos_sin, dim);
}

}  // namespace weir::tensor
