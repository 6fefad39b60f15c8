// Gate kernels beside the table of kernels.h: activation(gate) * up for each target, the same bytes
// on all of them.
#pragma once

#include <cstddef>

#include "tensor/kernels.h"

namespace weir::tensor {

using GateKernel = void (*)(const float* gate, const float* up, float* out, size_t n);

extern const GateKernel kScalarGeluTanh, kAvx2GeluTanh, kAvx512GeluTanh;

// The one of a set's target.
inline GateKernel GeluTanhKernel(const KernelSet& kernels) {
  if (&kernels == &kAvx512Kernels) return kAvx512GeluTanh;
  return &kernels == &kAvx2Kernels ? kAvx2GeluTanh : kScalarGeluTanh;
}

}  // namespace weir::tensor
