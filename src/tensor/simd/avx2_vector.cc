// int8 distances for AVX2: bytes widened to 16 bits and multiplied in pairs, exact for all codes.
#include <immintrin.h>

#include "tensor/simd/avx2.h"
#include "tensor/simd/unroll.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx2.h"
// clang-format on

namespace weir::tensor::avx2 {
namespace {

inline __m256i Widen(const int8_t* p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

inline int32_t Reduce(__m256i a) {
  const __m128i b = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  const __m128i c = _mm_add_epi32(b, _mm_shuffle_epi32(b, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(c, _mm_shuffle_epi32(c, 0xb1)));
}

}  // namespace

int32_t DotInt8(const int8_t* a, const int8_t* b, size_t n) {
  __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    sum[0] = _mm256_add_epi32(sum[0], _mm256_madd_epi16(Widen(a + i), Widen(b + i)));
    sum[1] = _mm256_add_epi32(sum[1], _mm256_madd_epi16(Widen(a + i + 16), Widen(b + i + 16)));
  }
  int32_t total = Reduce(_mm256_add_epi32(sum[0], sum[1]));
  for (; i < n; ++i) total += static_cast<int32_t>(a[i]) * b[i];
  return total;
}

void ScanInt8(const int8_t* query, float query_scale, const int8_t* rows, const float* row_scales,
              size_t row_count, size_t n, float* scores) {
  for (size_t i = 0; i < row_count; ++i) {
    scores[i] = static_cast<float>(DotInt8(query, rows + i * n, n)) * row_scales[i] * query_scale;
  }
}

void Read(const std::byte* p, size_t bytes) {
  __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                    _mm256_setzero_si256()};
  for (size_t i = 0; i + 128 <= bytes; i += 128) {
    WEIR_UNROLL
    for (int j = 0; j < 4; ++j) {
      sum[j] = _mm256_xor_si256(
          sum[j], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i + 32 * j)));
    }
  }
  const __m256i all =
      _mm256_xor_si256(_mm256_xor_si256(sum[0], sum[1]), _mm256_xor_si256(sum[2], sum[3]));
  asm volatile("" : : "x"(all));
}

double Int8Peak(size_t loops) {
  __m256i sum[8];
  WEIR_UNROLL
  for (int i = 0; i < 8; ++i) sum[i] = _mm256_setzero_si256();
  __m256i x = _mm256_set1_epi8(3);
  for (size_t n = 0; n < loops; ++n) {
    WEIR_UNROLL
    for (int i = 0; i < 8; ++i) {
      asm volatile("" : "+x"(x));
      sum[i] = _mm256_add_epi16(sum[i], _mm256_maddubs_epi16(x, x));
      asm volatile("" : "+x"(sum[i]));
    }
  }
  return 8 * 32;
}

}  // namespace weir::tensor::avx2

#include "tensor/simd/target_end.h"
