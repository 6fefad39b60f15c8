// The scalar twin, lane after lane.
#include <cstring>

#include "tensor/simd/rans.h"

namespace weir::tensor {
namespace {

bool Decode(RansRun& run) {
  const int shift = kRansBits - run.symbol_bits;
  const uint32_t inside = (1u << shift) - 1;
  for (size_t row = 0; row < run.rows; ++row) {
    for (int lane = 0; lane < kRansLanes; ++lane) {
      uint32_t state = run.states[lane];
      const uint32_t slot = state & (kRansTotal - 1);
      const uint32_t bucket = (uint32_t{run.lanes[lane]} << run.symbol_bits) + (slot >> shift);
      const uint32_t second = (slot & inside) >= run.dividers[bucket] ? 1 : 0;
      const uint32_t word = run.words[2 * bucket + second];
      const uint32_t frequency = ((word >> 8) & 4095) + 1;
      state = frequency * (state >> kRansBits) + ((slot + (word >> 20)) & (kRansTotal - 1));
      run.out[row * kRansLanes + lane] = static_cast<uint8_t>(word);
      if (state < kRansLow) {
        if (run.end - run.next < 2) return false;
        uint16_t more;
        std::memcpy(&more, run.next, 2);
        run.next += 2;
        state = state << 16 | more;
      }
      run.states[lane] = state;
    }
  }
  return true;
}

}  // namespace

extern const RansKernel kScalarRans = Decode;

}  // namespace weir::tensor
