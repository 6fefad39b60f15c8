// Quants and scales of a superblock as AVX-512 vectors (packed.h has the layout). Include after
// target_avx512.h.
#pragma once

namespace weir::tensor::avx512 {

inline __m512i Line(const std::byte* p) { return _mm512_load_si512(p); }
inline __m512i LowNibbles(__m512i pair) { return _mm512_and_si512(pair, _mm512_set1_epi8(15)); }
inline __m512i HighNibbles(__m512i pair) { return LowNibbles(_mm512_srli_epi16(pair, 4)); }

// (a & mask) | b in one instruction.
inline __m512i AndOr(__m512i a, __m512i mask, __m512i b) {
  return _mm512_ternarylogic_epi32(a, mask, b, 0xea);
}

// `low` with bit T of `high` added as 16.
template <int T>
inline __m512i WithFifth(__m512i low, __m512i high) {
  const __m512i moved = T < 4 ? _mm512_slli_epi16(high, T < 4 ? 4 - T : 0)
                              : _mm512_srli_epi16(high, T < 4 ? 0 : T - 4);
  return AndOr(moved, _mm512_set1_epi8(16), low);
}

// Line T (columns 4T .. 4T+3) of a 32-column block, unsigned.
template <DType kType, int T>
inline __m512i BlockLine(const std::byte* quants, const std::byte* high) {
  if constexpr (kType == DType::kQ8_0) return Line(quants + 64 * T);
  const __m512i pair = Line(quants + 64 * (T % 4));
  const __m512i low = T < 4 ? LowNibbles(pair) : HighNibbles(pair);
  if constexpr (IsFiveBit(kType)) return WithFifth<T>(low, Line(high));
  return low;
}

inline __m512 Halves(const std::byte* p) {
  return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(p)));
}

// The 6-bit scales and minima of Q4_K and Q5_K: lane k of [j] holds those of sub-block 4j + k, 16
// rows.
struct ScalesK {
  __m512i scales[2], minima[2];
};
inline ScalesK UnpackScales(const std::byte* p) {
  const __m512i z0 = Line(p), z1 = Line(p + 64), z2 = Line(p + 128);
  const __m512i low6 = _mm512_set1_epi8(63), high2 = _mm512_set1_epi8(0x30);
  return {{_mm512_and_si512(z0, low6), AndOr(_mm512_srli_epi16(z0, 2), high2, LowNibbles(z2))},
          {_mm512_and_si512(z1, low6), AndOr(_mm512_srli_epi16(z1, 2), high2, HighNibbles(z2))}};
}
template <int kBlock>
inline __m512 ScaleOf(const __m512i packed[2], __m512 d) {
  const __m128i bytes = _mm512_extracti32x4_epi32(packed[kBlock / 4], kBlock % 4);
  return _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)));
}

// Q6_K: scale of columns 16 s .. 16 s + 15.
inline __m512 Scale6K(const std::byte* super, size_t s, __m512 d) {
  const auto* bytes = reinterpret_cast<const __m128i*>(super + kScalesK + 16 * s);
  return _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_load_si128(bytes))));
}

// Q6_K: line t of the four sub-blocks of a half.
struct Lines6K {
  __m512i sub[4];
};
inline Lines6K UnpackLines6K(const std::byte* half, size_t t) {
  const __m512i a = Line(half + 64 * t), b = Line(half + 64 * (8 + t)),
                high = Line(half + 64 * (16 + t));
  const __m512i mask = _mm512_set1_epi8(0x30);
  return {{AndOr(_mm512_slli_epi16(high, 4), mask, LowNibbles(a)),
           AndOr(_mm512_slli_epi16(high, 2), mask, LowNibbles(b)),
           AndOr(high, mask, HighNibbles(a)),
           AndOr(_mm512_srli_epi16(high, 2), mask, HighNibbles(b))}};
}

}  // namespace weir::tensor::avx512
