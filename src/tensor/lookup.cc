#include "tensor/lookup.h"

#include "tensor/kernels.h"
#include "tensor/simd/lookup.h"

namespace weir::tensor {

void ScanLookup(const LookupScan& scan) { LookupKernelsOf(Kernels()).scan(scan); }

void NearestCodewords(const float* x, size_t rows, size_t parts, const float* codebooks,
                      const float* half_norms, uint8_t* codes) {
  LookupKernelsOf(Kernels()).nearest(x, rows, parts, codebooks, half_norms, codes);
}

void MakeLookupTables(LookupTables& made) { LookupKernelsOf(Kernels()).tables(made); }

size_t FirstLargest(const float* x, size_t n) { return LookupKernelsOf(Kernels()).largest(x, n); }

}  // namespace weir::tensor
