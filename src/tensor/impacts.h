// The arithmetic of a sparse index: sums over the terms of a query of weight times impact, exact in
// integers, so the order of the terms, the threads and the CPU change nothing. Positions go in
// windows of 64. Weights are at most 127 and impacts at most 255, so sums of 65,536 terms stay
// below 2^31.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir::tensor {

inline constexpr size_t kImpactWindow = 64;

// The bit that stands for a position of a window in a mask: the two 2-bit fields above the lowest
// are swapped, so that interleaving the bytes of four terms (which works in lanes of 16) leaves the
// sums in order. Its own inverse.
inline constexpr uint32_t MaskBit(uint32_t position) {
  return (position & 3) | (position >> 4 & 3) << 2 | (position >> 2 & 3) << 4;
}

// A frequent term: which positions of each window have it, and their impacts in the order of the
// mask's bits, one window after the other.
struct MaskedTerm {
  const uint64_t* masks = nullptr;    // [windows]
  const uint32_t* starts = nullptr;   // [windows] the window's first impact
  const uint8_t* impacts = nullptr;   // [count + 64]: readable for a window behind the last one
  uint32_t count = 0;                 // greater starts are read as this one
  uint32_t weight = 0;
};

struct ImpactKernels {
  // The first of the windows [begin, end) that has a total of at least `least`, or `end`. Totals
  // are sums[64 w, 64 w + 64) plus the terms' products; where no sum plus bounds[w] (0 where
  // `bounds` is null) reaches `least`, the terms are not looked at. The sums of windows that are
  // passed are zeroed; those of the one returned hold its totals, and `found` has the positions
  // that reach `least`, as bits in natural order. REQUIRES: least >= 1; sums 64-byte aligned.
  size_t (*next_window)(const MaskedTerm* terms, size_t n, const uint32_t* bounds, size_t begin,
                        size_t end, uint32_t least, uint32_t* sums, uint64_t* found);
  // sums[i] += weight * impacts[i]; n is a multiple of 16.
  void (*add_row)(const uint8_t* impacts, uint32_t weight, size_t n, uint32_t* sums);
  // The largest of n sums; n is a multiple of 16.
  uint32_t (*largest)(const uint32_t* sums, size_t n);
  // Sum of weights[terms[i]] * impacts[i]. weights: [65536 + 3].
  uint32_t (*dot)(const uint16_t* terms, const uint8_t* impacts, size_t n, const uint8_t* weights);
};

extern const ImpactKernels kScalarImpacts, kAvx512Impacts;
// The best that runs here (AVX-512 with VNNI and VBMI2, else plain C++), or what WEIR_CPU_TARGET
// allows.
const ImpactKernels& Impacts();
bool SupportsAvx512Impacts();

}  // namespace weir::tensor
