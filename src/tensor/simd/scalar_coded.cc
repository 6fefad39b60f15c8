// The scalar target of attention over coded blocks.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/simd/coded.h"
#include "tensor/simd/unroll.h"
#include "tensor/simd/vec16_scalar.h"

namespace weir::tensor {
namespace scalar {
namespace {

inline constexpr int kScoreRows = 1;
inline constexpr int kValueRows = 1;
inline constexpr int kValueVectors = 1;
inline constexpr int kCodedRows = 1;

// (a >> kShift) & mask of each dword.
template <int kShift>
inline Ints ShiftMask(Ints a, int32_t mask) {
  return MapInts(
      [&](int i) { return static_cast<int32_t>(static_cast<uint32_t>(a.v[i]) >> kShift) & mask; });
}
// Adds the four products of code (at most 15) and signed query of each lane.
inline Ints DotCodes(Ints acc, Ints codes, const int8_t* q) {
  return MapInts([&](int i) {
    int32_t sum = acc.v[i];
    for (int b = 0; b < 4; ++b) sum += ByteOf(codes.v[i], b) * q[b];
    return sum;
  });
}
inline Ints RoundToInts(Floats a) {
  return MapInts([&](int i) {
    return std::fabs(a.v[i]) < 1e9f ? static_cast<int32_t>(std::nearbyint(a.v[i])) : 0;
  });
}
// a = 128 * HighSeven(a) + LessSeven(a, HighSeven(a)), the latter in [-64, 64).
inline Ints HighSeven(Ints a) {
  return MapInts([&](int i) { return (a.v[i] + 64) >> 7; });
}
inline Ints LessSeven(Ints a, Ints high) {
  return MapInts([&](int i) { return a.v[i] - high.v[i] * 128; });
}
inline Ints AddInts(Ints a, Ints b) {
  return MapInts([&](int i) { return a.v[i] + b.v[i]; });
}
// Scales of one byte: f16 without the sign and the low 7 bits.
inline Floats LoadShort(const std::byte* p) {
  return Map(
      [&](int i) { return HalfToFloat(static_cast<uint16_t>(static_cast<int>(p[i]) << 7)); });
}
inline Floats LoadSigned(const std::byte* p) {
  return Map([&](int i) { return static_cast<float>(static_cast<int8_t>(p[i])); });
}
inline void StoreUnsignedBytes(uint8_t* p, Ints a) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<uint8_t>(a.v[i]);
}

namespace coded {
using ::weir::tensor::scalar::Ints;
// clang-format off
#include "tensor/simd/ops-inl.h"
#include "tensor/simd/attention-inl.h"
#include "tensor/simd/coded-inl.h"
// clang-format on
}  // namespace coded

}  // namespace
}  // namespace scalar

extern const CodedKernel kScalarCoded = scalar::coded::AttendCodedTile;

}  // namespace weir::tensor
