#include "tensor/simd/lookup.h"
#include "tensor/simd/vec16_scalar.h"

namespace weir::tensor::scalar {
namespace {

uint8_t FirstLaneOf(const Floats& a, float value) {
  for (uint8_t i = 0; i < 16; ++i) {
    if (a.v[i] == value) return i;
  }
  return 0;
}

#include "tensor/simd/nearest-inl.h"

void Scan(const LookupScan& scan) {
  const size_t lines = scan.parts / 2;
  for (size_t block = 0; block < scan.blocks; ++block) {
    uint32_t sums[kLookupRows] = {};
    for (size_t line = 0; line < lines; ++line) {
      const uint8_t* codes = scan.codes + (block * lines + line) * kLookupRows;
      const uint8_t* table = scan.tables + 2 * line * kCodewords;
      for (size_t r = 0; r < kLookupRows; ++r)
        sums[r] += table[codes[r] & 15] + table[kCodewords + (codes[r] >> 4)];
    }
    uint64_t found = 0;
    for (size_t r = 0; r < kLookupRows; ++r) {
      if (sums[r] >= scan.least[block * kLookupRows + r]) found |= uint64_t{1} << r;
    }
    scan.found[block] = found;
  }
}

}  // namespace
}  // namespace weir::tensor::scalar

namespace weir::tensor {
const LookupKernels kScalarLookup = {scalar::Scan, scalar::NearestCodewords,
                                       scalar::MakeTables,
                                       scalar::FirstLargest};
}  // namespace weir::tensor
