// int8 distances. vpdpbusd multiplies unsigned by signed bytes, so one side is taken plus 128 (a
// flip of the sign bit) and 128 times the sum of the other is subtracted. All integer, so the order
// is free.
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "tensor/simd/avx512.h"
#include "tensor/simd/unroll.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx512.h"
// clang-format on

namespace weir::tensor::avx512 {
namespace {

inline __m512i LoadBytes(const int8_t* p) { return _mm512_loadu_si512(p); }
inline __m512i LoadSomeBytes(const int8_t* p, size_t n) {
  return _mm512_maskz_loadu_epi8((uint64_t{1} << n) - 1, p);
}
inline __m512i Flip(__m512i codes) { return _mm512_xor_si512(codes, _mm512_set1_epi8(-128)); }

// Rows that share one load of the query, and whose sums are reduced together.
constexpr size_t kScanRows = 4;

inline void ScanFour(const int8_t* query, const int8_t* const* rows, size_t n, int32_t correction,
                     int32_t* dots) {
  __m512i sum[kScanRows];
  WEIR_UNROLL
  for (size_t r = 0; r < kScanRows; ++r) sum[r] = _mm512_setzero_si512();
  size_t c = 0;
  for (; c + 64 <= n; c += 64) {
    const __m512i q = LoadBytes(query + c);
    WEIR_UNROLL
    for (size_t r = 0; r < kScanRows; ++r)
      sum[r] = _mm512_dpbusd_epi32(sum[r], Flip(LoadBytes(rows[r] + c)), q);
  }
  if (c < n) {
    const __m512i q =
        LoadSomeBytes(query + c, n - c);  // zeros past the end silence the flipped padding
    WEIR_UNROLL
    for (size_t r = 0; r < kScanRows; ++r) {
      sum[r] = _mm512_dpbusd_epi32(sum[r], Flip(LoadSomeBytes(rows[r] + c, n - c)), q);
    }
  }
  // A 4 x 16 transposed sum: pairs, pairs of pairs, then across the four 128-bit lanes.
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(sum[0], sum[1]),
                                      _mm512_unpackhi_epi32(sum[0], sum[1]));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(sum[2], sum[3]),
                                      _mm512_unpackhi_epi32(sum[2], sum[3]));
  const __m512i all =
      _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half =
      _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  const __m128i dot =
      _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(dots),
                   _mm_sub_epi32(dot, _mm_set1_epi32(correction)));
}

constexpr size_t kAhead = 8;  // rows that are on their way while four are scored
inline void Ask(const int8_t* row, size_t n) {
  for (size_t c = 0; c < n; c += 64) __builtin_prefetch(row + c);
}

int32_t Sum(const int8_t* x, size_t n) {
  __m512i sum = _mm512_setzero_si512();
  const __m512i ones = _mm512_set1_epi8(1);
  size_t c = 0;
  for (; c + 64 <= n; c += 64) sum = _mm512_dpbusd_epi32(sum, ones, LoadBytes(x + c));
  if (c < n) sum = _mm512_dpbusd_epi32(sum, ones, LoadSomeBytes(x + c, n - c));
  return _mm512_reduce_add_epi32(sum);
}

}  // namespace

int32_t DotInt8(const int8_t* a, const int8_t* b, size_t n) {
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i dot[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  __m512i sum = _mm512_setzero_si512();
  size_t c = 0, k = 0;
  for (; c + 64 <= n; c += 64, k ^= 1) {
    const __m512i bc = LoadBytes(b + c);
    dot[k] = _mm512_dpbusd_epi32(dot[k], Flip(LoadBytes(a + c)), bc);
    sum = _mm512_dpbusd_epi32(sum, ones, bc);
  }
  if (c < n) {
    const __m512i bc = LoadSomeBytes(b + c, n - c);
    dot[0] = _mm512_dpbusd_epi32(dot[0], Flip(LoadSomeBytes(a + c, n - c)), bc);
    sum = _mm512_dpbusd_epi32(sum, ones, bc);
  }
  const __m512i total =
      _mm512_sub_epi32(_mm512_add_epi32(dot[0], dot[1]), _mm512_slli_epi32(sum, 7));
  return _mm512_reduce_add_epi32(total);
}

void ScanInt8(const int8_t* query, float query_scale, const int8_t* rows, const float* row_scales,
              size_t row_count, size_t n, float* scores) {
  const int32_t correction = 128 * Sum(query, n);
  size_t i = 0;
  for (; i + kScanRows <= row_count; i += kScanRows) {
    int32_t dots[kScanRows];
    const int8_t* const row = rows + i * n;
    const int8_t* const four[kScanRows] = {row, row + n, row + 2 * n, row + 3 * n};
    ScanFour(query, four, n, correction, dots);
    for (size_t r = 0; r < kScanRows; ++r) {
      scores[i + r] = static_cast<float>(dots[r]) * row_scales[i + r] * query_scale;
    }
  }
  for (; i < row_count; ++i) {
    scores[i] = static_cast<float>(DotInt8(query, rows + i * n, n)) * row_scales[i] * query_scale;
  }
}

void ScanInt8At(const int8_t* query, float query_scale, const int8_t* rows,
                const float* row_scales, const uint32_t* at, size_t count, size_t n,
                float* scores) {
  const int32_t correction = 128 * Sum(query, n);
  for (size_t i = 0; i < std::min(count, kAhead); ++i) Ask(rows + at[i] * n, n);
  size_t i = 0;
  for (; i + kScanRows <= count; i += kScanRows) {
    for (size_t r = i + kAhead; r < std::min(count, i + kAhead + kScanRows); ++r)
      Ask(rows + at[r] * n, n);
    int32_t dots[kScanRows];
    const int8_t* four[kScanRows];
    for (size_t r = 0; r < kScanRows; ++r) four[r] = rows + at[i + r] * n;
    ScanFour(query, four, n, correction, dots);
    for (size_t r = 0; r < kScanRows; ++r)
      scores[i + r] = static_cast<float>(dots[r]) * row_scales[at[i + r]] * query_scale;
  }
  for (; i < count; ++i) {
    scores[i] = static_cast<float>(DotInt8(query, rows + at[i] * n, n)) * row_scales[at[i]] *
                query_scale;
  }
}

void Read(const std::byte* p, size_t bytes) {
  __m512i sum[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                    _mm512_setzero_si512()};
  for (size_t i = 0; i + 256 <= bytes; i += 256) {
    WEIR_UNROLL
    for (int j = 0; j < 4; ++j)
      sum[j] = _mm512_xor_si512(sum[j], _mm512_loadu_si512(p + i + 64 * j));
  }
  const __m512i all =
      _mm512_xor_si512(_mm512_xor_si512(sum[0], sum[1]), _mm512_xor_si512(sum[2], sum[3]));
  asm volatile("" : : "v"(all));
}

double Int8Peak(size_t loops) {
  __m512i sum[12];
  WEIR_UNROLL
  for (int i = 0; i < 12; ++i) sum[i] = _mm512_setzero_si512();
  const __m512i x = _mm512_set1_epi8(3);
  for (size_t n = 0; n < loops; ++n) {
    WEIR_UNROLL
    for (int i = 0; i < 12; ++i) {
      sum[i] = _mm512_dpbusd_epi32(sum[i], x, x);
      asm volatile("" : "+v"(sum[i]));
    }
  }
  return 12 * 64;
}

}  // namespace weir::tensor::avx512

#include "tensor/simd/target_end.h"
