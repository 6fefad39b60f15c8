// The small dense operations between matrix products, each vectorised, f32.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir::tensor {

// out may be x.
void RmsNorm(const float* x, const float* weight, float epsilon, float* out, size_t n);
void LayerNorm(const float* x, const float* weight, const float* bias, float epsilon, float* out,
               size_t n);
void Add(float* x, const float* y, size_t n);                                 // x += y
void SiluMultiply(const float* gate, const float* up, float* out, size_t n);  // silu(gate) * up
// gelu(gate) * up with the tanh form 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) (Gemma).
void GeluTanhMultiply(const float* gate, const float* up, float* out, size_t n);
void Gelu(float* x, size_t n);  // exact, with erf (BERT)
void Softmax(float* x, size_t n);
// Rotary embedding of one vector of a head at `position`. Interleaved pairs (i, i+1) as in Llama's
// GGUF, or halves (i, i + dim/2) as in Qwen2 ("neox"). cos_sin: [dim/2][2] of this position.
void RotaryTable(int64_t position, int dim, float base, const float* frequency_factors /*or null*/,
                 float* cos_sin);
void RotaryInterleaved(float* head, const float* cos_sin, int dim);
void RotaryHalves(float* head, const float* cos_sin, int dim);

}  // namespace weir::tensor
