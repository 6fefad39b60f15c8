// The AVX-512 target of attention over coded blocks.
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/simd/coded.h"
#include "tensor/simd/unroll.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx512.h"
#include "tensor/simd/avx512_dot.h"
#include "tensor/simd/vec16_avx512.h"
// clang-format on

namespace weir::tensor {
namespace avx512 {
namespace {

inline constexpr int kScoreRows = 8;
inline constexpr int kValueRows = 4;
inline constexpr int kValueVectors = 4;
inline constexpr int kCodedRows = 8;  // 32 registers: 16 of sums, 4 of codes, the rest on the way

template <int kShift>
inline Ints ShiftMask(Ints a, int32_t mask) {
  return {_mm512_and_si512(_mm512_srli_epi32(a.v, kShift), _mm512_set1_epi32(mask))};
}
inline Ints DotCodes(Ints acc, Ints codes, const int8_t* q) {
  DotInto(acc.v, codes.v, BroadcastWord(q));
  return acc;
}
inline Ints RoundToInts(Floats a) { return {_mm512_cvtps_epi32(a.v)}; }
// a = 128 * HighSeven(a) + LessSeven(a, HighSeven(a)), the latter in [-64, 64).
inline Ints HighSeven(Ints a) {
  return {_mm512_srai_epi32(_mm512_add_epi32(a.v, _mm512_set1_epi32(64)), 7)};
}
inline Ints LessSeven(Ints a, Ints high) {
  return {_mm512_sub_epi32(a.v, _mm512_slli_epi32(high.v, 7))};
}
inline Ints AddInts(Ints a, Ints b) { return {_mm512_add_epi32(a.v, b.v)}; }
// Scales of one byte: f16 without the sign and the low 7 bits.
inline Floats LoadShort(const std::byte* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(bytes), 7))};
}
inline Floats LoadSigned(const std::byte* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
}
// Lanes are at most 255.
inline void StoreUnsignedBytes(uint8_t* p, Ints a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}

namespace coded {
// clang-format off
#include "tensor/simd/ops-inl.h"
#include "tensor/simd/attention-inl.h"
#include "tensor/simd/coded-inl.h"
// clang-format on
}  // namespace coded

}  // namespace
}  // namespace avx512
}  // namespace weir::tensor

#include "tensor/simd/target_end.h"

namespace weir::tensor {

extern const CodedKernel kAvx512Coded = avx512::coded::AttendCodedTile;

}  // namespace weir::tensor
