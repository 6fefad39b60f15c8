// Quants and scales of half a group (8 rows) as AVX2 vectors (packed.h has the layout). Include
// after target_avx2.h.
#pragma once

namespace weir::tensor::avx2 {

inline __m256i HalfLine(const std::byte* p) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
}
inline __m256i BroadcastWord(const int8_t* p) {
  int32_t word;
  std::memcpy(&word, p, 4);
  return _mm256_set1_epi32(word);
}

// Q8_0 is stored plus 128.
inline __m256i Signed(__m256i line) { return _mm256_xor_si256(line, _mm256_set1_epi8(-128)); }
inline __m256i LowNibbles(__m256i pair) { return _mm256_and_si256(pair, _mm256_set1_epi8(15)); }
inline __m256i HighNibbles(__m256i pair) { return LowNibbles(_mm256_srli_epi16(pair, 4)); }
inline __m256i AndOr(__m256i a, __m256i mask, __m256i b) {
  return _mm256_or_si256(_mm256_and_si256(a, mask), b);
}

// `low` with bit T of `high` added as 16.
template <int T>
inline __m256i WithFifth(__m256i low, __m256i high) {
  const __m256i moved = T < 4 ? _mm256_slli_epi16(high, T < 4 ? 4 - T : 0)
                              : _mm256_srli_epi16(high, T < 4 ? 0 : T - 4);
  return AndOr(moved, _mm256_set1_epi8(16), low);
}

inline __m256 Halves(const std::byte* p) {
  return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(p)));
}

// The 6-bit scales and minima of Q4_K and Q5_K of 8 rows, a sub-block to 8 bytes.
struct ScalesK {
  alignas(32) uint8_t scales[8][8], minima[8][8];
};
inline ScalesK UnpackScales(const std::byte* p, int half) {
  // Four sub-blocks of 16 rows are 64 bytes; the half's are 8 bytes of each 16.
  const auto four = [&](int at) {
    const auto* from = reinterpret_cast<const int64_t*>(p + 64 * at + 8 * half);
    return _mm256_setr_epi64x(from[0], from[2], from[4], from[6]);
  };
  const __m256i z0 = four(0), z1 = four(1), z2 = four(2);
  const __m256i low6 = _mm256_set1_epi8(63), high2 = _mm256_set1_epi8(0x30);
  ScalesK out;
  auto* scales = reinterpret_cast<__m256i*>(out.scales);
  auto* minima = reinterpret_cast<__m256i*>(out.minima);
  _mm256_store_si256(scales, _mm256_and_si256(z0, low6));
  _mm256_store_si256(scales + 1, AndOr(_mm256_srli_epi16(z0, 2), high2, LowNibbles(z2)));
  _mm256_store_si256(minima, _mm256_and_si256(z1, low6));
  _mm256_store_si256(minima + 1, AndOr(_mm256_srli_epi16(z1, 2), high2, HighNibbles(z2)));
  return out;
}
template <int kBlock>
inline __m256 ScaleOf(const uint8_t (&bytes)[8][8], __m256 d) {
  const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes[kBlock]));
  return _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight)));
}

// Q6_K: scale of columns 16 s .. 16 s + 15.
inline __m256 Scale6K(const std::byte* super, int s, int half, __m256 d) {
  const std::byte* from = super + kScalesK + 16 * s + 8 * half;
  const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
  return _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight)));
}

// Q6_K: line t of the four sub-blocks of 128 columns.
struct Lines6K {
  __m256i sub[4];
};
inline Lines6K UnpackLines6K(const std::byte* part, int t) {
  const __m256i a = HalfLine(part + 64 * t), b = HalfLine(part + 64 * (8 + t)),
                high = HalfLine(part + 64 * (16 + t));
  const __m256i mask = _mm256_set1_epi8(0x30);
  return {{AndOr(_mm256_slli_epi16(high, 4), mask, LowNibbles(a)),
           AndOr(_mm256_slli_epi16(high, 2), mask, LowNibbles(b)),
           AndOr(high, mask, HighNibbles(a)),
           AndOr(_mm256_srli_epi16(high, 2), mask, HighNibbles(b))}};
}

}  // namespace weir::tensor::avx2
