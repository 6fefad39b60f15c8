// The AVX2 target of attention over coded blocks.
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/simd/coded.h"
#include "tensor/simd/unroll.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx2.h"
#include "tensor/simd/vec16_avx2.h"
// clang-format on

namespace weir::tensor {
namespace avx2 {
namespace {

inline constexpr int kScoreRows = 3;
inline constexpr int kValueRows = 4;
inline constexpr int kValueVectors = 1;
inline constexpr int kCodedRows = 2;  // 16 registers: 8 of sums, the rest on the way

template <int kShift>
inline Ints ShiftMask(Ints a, int32_t mask) {
  const __m256i bits = _mm256_set1_epi32(mask);
  return {_mm256_and_si256(_mm256_srli_epi32(a.lo, kShift), bits),
          _mm256_and_si256(_mm256_srli_epi32(a.hi, kShift), bits)};
}
inline __m256i DotCodes(__m256i acc, __m256i codes, __m256i q) {
  const __m256i pairs = _mm256_maddubs_epi16(codes, q);
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
inline Ints DotCodes(Ints acc, Ints codes, const int8_t* q) {
  const __m256i word = BroadcastDword(q);
  return {DotCodes(acc.lo, codes.lo, word), DotCodes(acc.hi, codes.hi, word)};
}
inline Ints RoundToInts(Floats a) {
  return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)};
}
// a = 128 * HighSeven(a) + LessSeven(a, HighSeven(a)), the latter in [-64, 64).
inline Ints HighSeven(Ints a) {
  const __m256i half = _mm256_set1_epi32(64);
  return {_mm256_srai_epi32(_mm256_add_epi32(a.lo, half), 7),
          _mm256_srai_epi32(_mm256_add_epi32(a.hi, half), 7)};
}
inline Ints LessSeven(Ints a, Ints high) {
  return {_mm256_sub_epi32(a.lo, _mm256_slli_epi32(high.lo, 7)),
          _mm256_sub_epi32(a.hi, _mm256_slli_epi32(high.hi, 7))};
}
inline Ints AddInts(Ints a, Ints b) {
  return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
// Scales of one byte: f16 without the sign and the low 7 bits.
inline Floats LoadShort(const std::byte* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m256i halves = _mm256_slli_epi16(_mm256_cvtepu8_epi16(bytes), 7);
  return {_mm256_cvtph_ps(_mm256_castsi256_si128(halves)),
          _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1))};
}
inline Floats LoadSigned(const std::byte* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}
// Lanes are at most 255.
inline void StoreUnsignedBytes(uint8_t* p, Ints a) {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(a.lo, a.hi), 0xd8);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_packus_epi16(_mm256_castsi256_si128(words),
                                    _mm256_extracti128_si256(words, 1)));
}

namespace coded {
// clang-format off
#include "tensor/simd/ops-inl.h"
#include "tensor/simd/attention-inl.h"
#include "tensor/simd/coded-inl.h"
// clang-format on
}  // namespace coded

}  // namespace
}  // namespace avx2
}  // namespace weir::tensor

#include "tensor/simd/target_end.h"

namespace weir::tensor {

extern const CodedKernel kAvx2Coded = avx2::coded::AttendCodedTile;

}  // namespace weir::tensor
