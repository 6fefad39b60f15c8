// Kernels of rans.h beside the table of kernels.h: the same symbols and states on every target.
#pragma once

#include "tensor/kernels.h"
#include "tensor/rans.h"

namespace weir::tensor {

// What a CPU target runs; `next` moves on. False when the words ended first.
struct RansRun {
  int symbol_bits = 0;
  const uint32_t* dividers = nullptr;
  const uint32_t* words = nullptr;
  const uint16_t* lanes = nullptr;
  size_t rows = 0;
  uint32_t* states = nullptr;
  const char* next = nullptr;
  const char* end = nullptr;
  uint8_t* out = nullptr;
};

using RansKernel = bool (*)(RansRun& run);

extern const RansKernel kScalarRans, kAvx2Rans, kAvx512Rans;

// The one of a set's target.
inline RansKernel RansKernelOf(const KernelSet& kernels) {
  if (&kernels == &kAvx512Kernels) return kAvx512Rans;
  return &kernels == &kAvx2Kernels ? kAvx2Rans : kScalarRans;
}

// Another target than the machine's, for tests.
void RansRunOn(RansDecoder& decoder, const KernelSet& kernels);

}  // namespace weir::tensor
