// Activations to int8, a superblock of 8 x 32 columns at a time: largest magnitudes and sums of the
// blocks are reduced together, and 8 divisions are one. The bits are those of QuantizeRow in
// scalar_matmul.cc.
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "tensor/simd/avx512.h"
#include "tensor/simd/unroll.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx512.h"
#include "tensor/simd/avx512_dot.h"
// clang-format on

namespace weir::tensor::avx512 {
namespace {

// [j] = the largest of the lanes of a[j], as unsigned integers.
inline __m256i LargestOf(const __m512i (&a)[8]) {
  __m512i pairs[4], fours[2];
  WEIR_UNROLL
  for (int i = 0; i < 4; ++i) {
    pairs[i] = _mm512_max_epu32(_mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]),
                                _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]));
  }
  WEIR_UNROLL
  for (int i = 0; i < 2; ++i) {
    fours[i] = _mm512_max_epu32(_mm512_unpacklo_epi64(pairs[2 * i], pairs[2 * i + 1]),
                                _mm512_unpackhi_epi64(pairs[2 * i], pairs[2 * i + 1]));
  }
  const __m512i both = _mm512_max_epu32(_mm512_shuffle_i32x4(fours[0], fours[1], 0x44),
                                        _mm512_shuffle_i32x4(fours[0], fours[1], 0xee));
  const __m512i all = _mm512_max_epu32(both, _mm512_shuffle_i32x4(both, both, 0xb1));
  return _mm256_inserti128_si256(_mm512_castsi512_si256(all), _mm512_extracti32x4_epi32(all, 2), 1);
}

// [4 * j + k] = the sum of the bytes of the 128-bit lane k of lines[j].
inline __m512i SumsOf(const __m512i (&lines)[4]) {
  __m512i sums[4];
  WEIR_UNROLL
  for (int i = 0; i < 4; ++i) {
    sums[i] = _mm512_setzero_si512();
    DotInto(sums[i], _mm512_set1_epi8(1), lines[i]);
  }
  const __m512i low = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[0], sums[1]),
                                       _mm512_unpackhi_epi32(sums[0], sums[1]));
  const __m512i high = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[2], sums[3]),
                                        _mm512_unpackhi_epi32(sums[2], sums[3]));
  const __m512i by_lane =
      _mm512_add_epi32(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
  return _mm512_permutexvar_epi32(
      _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), by_lane);
}

// 16 codes.
inline __m128i CodesOf(__m512 x, __m512 inverse) {
  const __m512i rounded = _mm512_cvtps_epi32(_mm512_mul_ps(x, inverse));
  // What does not fit is the smallest integer, which becomes -127 as in the scalar twin.
  return _mm512_cvtsepi32_epi8(_mm512_max_epi32(rounded, _mm512_set1_epi32(-127)));
}

struct SuperCodes {
  __m512i lines[4];
  __m256 scales, scaled_sums;
  __m256i negative_sums;
  __m512i negative_halves;
};

inline SuperCodes Quantize(const float* x) {
  __m512i peaks[8];
  WEIR_UNROLL
  for (int b = 0; b < 8; ++b) {
    const __m512i sign = _mm512_set1_epi32(0x7fffffff);
    peaks[b] = _mm512_max_epu32(_mm512_and_si512(_mm512_loadu_si512(x + 32 * b), sign),
                                _mm512_and_si512(_mm512_loadu_si512(x + 32 * b + 16), sign));
  }
  const __m256 peak = _mm256_castsi256_ps(LargestOf(peaks)), most = _mm256_set1_ps(127.0f);
  // Not "greater": a NaN must reach the scale.
  const __mmask8 used = _mm256_cmp_ps_mask(peak, _mm256_set1_ps(kSmallestPeak), _CMP_NLE_UQ);
  SuperCodes out;
  out.scales = _mm256_maskz_div_ps(used, peak, most);
  const __m512 inverses = _mm512_castps256_ps512(_mm256_maskz_div_ps(used, most, peak));
  WEIR_UNROLL
  for (int line = 0; line < 4; ++line) {
    __m128i codes[4];
    WEIR_UNROLL
    for (int i = 0; i < 4; ++i) {
      const __m512 inverse =
          _mm512_permutexvar_ps(_mm512_set1_epi32(2 * line + i / 2), inverses);
      codes[i] = CodesOf(_mm512_loadu_ps(x + 64 * line + 16 * i), inverse);
    }
    out.lines[line] = _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_set_m128i(codes[1], codes[0])),
        _mm256_set_m128i(codes[3], codes[2]), 1);
  }
  const __m512i halves = SumsOf(out.lines);
  const __m512i pairs = _mm512_add_epi32(halves, _mm512_srli_epi64(halves, 32));
  const __m256i sums = _mm512_cvtepi64_epi32(pairs);
  out.scaled_sums = _mm256_mul_ps(out.scales, _mm256_cvtepi32_ps(sums));
  out.negative_sums = _mm256_sub_epi32(_mm256_setzero_si256(), sums);
  out.negative_halves = _mm512_slli_epi32(_mm512_sub_epi32(_mm512_setzero_si512(), halves), 5);
  return out;
}

// The first `blocks` blocks.
inline void Store(const SuperCodes& codes, size_t blocks, size_t first, const ActivationRow& out) {
  const size_t at = out.IndexOf(first);
  const auto mask = static_cast<__mmask8>((1u << blocks) - 1);
  const auto halves = static_cast<__mmask16>((1u << 2 * blocks) - 1);
  int8_t* to = out.CodesOf(first);
  WEIR_UNROLL
  for (size_t line = 0; line < 4; ++line) {
    const size_t here = std::min<size_t>(std::max(blocks, 2 * line) - 2 * line, 2);
    const auto words = static_cast<__mmask16>((1u << 8 * here) - 1);
    _mm512_mask_storeu_epi32(to + 64 * line, words, codes.lines[line]);
  }
  _mm256_mask_storeu_ps(out.scales + at, mask, codes.scales);
  _mm256_mask_storeu_ps(out.scaled_sums + at, mask, codes.scaled_sums);
  _mm256_mask_storeu_epi32(out.negative_sums + at, mask, codes.negative_sums);
  _mm512_mask_storeu_epi32(out.negative_halves + 2 * at, halves, codes.negative_halves);
}

}  // namespace

void QuantizeRow(const float* x, size_t columns, const ActivationRow& out) {
  const size_t blocks = columns / kBlockColumns;
  size_t first = 0;
  for (; first + kSuperBlocks <= blocks; first += kSuperBlocks)
    Store(Quantize(x + first * kBlockColumns), kSuperBlocks, first, out);
  if (first == blocks) return;
  float rest[kSuperColumns] = {};
  std::memcpy(rest, x + first * kBlockColumns, (blocks - first) * kBlockColumns * sizeof(float));
  Store(Quantize(rest), blocks - first, first, out);
}

}  // namespace weir::tensor::avx512

#include "tensor/simd/target_end.h"
