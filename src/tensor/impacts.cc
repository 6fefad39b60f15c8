#include "tensor/impacts.h"

#include <algorithm>
#include <bit>

#include "tensor/kernels.h"

namespace weir::tensor {
namespace {

uint64_t AddWindow(const MaskedTerm* terms, size_t n, size_t w, uint32_t bound, uint32_t least,
                   uint32_t* sums) {
  const uint32_t most = *std::max_element(sums, sums + kImpactWindow);
  uint64_t found = 0;
  if (most + bound >= least) {
    for (size_t t = 0; t < n; ++t) {
      const uint8_t* impact = terms[t].impacts + std::min(terms[t].starts[w], terms[t].count);
      for (uint64_t mask = terms[t].masks[w]; mask != 0; mask &= mask - 1) {
        const uint32_t bit = static_cast<uint32_t>(std::countr_zero(mask));
        sums[MaskBit(bit)] += terms[t].weight * *impact++;
      }
    }
    for (size_t i = 0; i < kImpactWindow; ++i) found |= uint64_t{sums[i] >= least} << i;
  }
  if (found == 0) std::fill_n(sums, kImpactWindow, 0);
  return found;
}

size_t NextWindow(const MaskedTerm* terms, size_t n, const uint32_t* bounds, size_t begin,
                  size_t end, uint32_t least, uint32_t* sums, uint64_t* found) {
  size_t w = begin;
  for (; w < end; ++w) {
    const uint32_t bound = bounds == nullptr ? 0 : bounds[w];
    *found = AddWindow(terms, n, w, bound, least, sums + w * kImpactWindow);
    if (*found != 0) break;
  }
  return w;
}

void AddRow(const uint8_t* impacts, uint32_t weight, size_t n, uint32_t* sums) {
  for (size_t i = 0; i < n; ++i) sums[i] += weight * impacts[i];
}

uint32_t Largest(const uint32_t* sums, size_t n) {
  return n == 0 ? 0 : *std::max_element(sums, sums + n);
}

uint32_t Dot(const uint16_t* terms, const uint8_t* impacts, size_t n, const uint8_t* weights) {
  uint32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += uint32_t{weights[terms[i]]} * impacts[i];
  return sum;
}

}  // namespace

extern const ImpactKernels kScalarImpacts = {NextWindow, AddRow, Largest, Dot};

bool SupportsAvx512Impacts() {
#if defined(__x86_64__)
  return kAvx512Kernels.supported() && __builtin_cpu_supports("avx512vbmi2");
#else
  return false;
#endif
}

const ImpactKernels& Impacts() {
  static const bool wide = &Kernels() == &kAvx512Kernels && SupportsAvx512Impacts();
  return wide ? kAvx512Impacts : kScalarImpacts;
}

}  // namespace weir::tensor
