// Kernels of lookup.h beside the table of kernels.h.
#pragma once

#include "tensor/kernels.h"
#include "tensor/lookup.h"

namespace weir::tensor {

struct LookupKernels {
  void (*scan)(const LookupScan& scan);
  void (*nearest)(const float* x, size_t rows, size_t parts, const float* codebooks,
                  const float* half_norms, uint8_t* codes);
  void (*tables)(LookupTables& made);
  size_t (*largest)(const float* x, size_t n);
};

extern const LookupKernels kScalarLookup, kAvx2Lookup, kAvx512Lookup;

// Those of a set's target.
inline const LookupKernels& LookupKernelsOf(const KernelSet& kernels) {
  if (&kernels == &kAvx512Kernels) return kAvx512Lookup;
  return &kernels == &kAvx2Kernels ? kAvx2Lookup : kScalarLookup;
}

}  // namespace weir::tensor
