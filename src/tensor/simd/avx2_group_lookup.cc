// The AVX2 target of group_lookup.h: eight rows by four parts at a time. A byte shuffle reads one
// part's table; the bytes of the other parts have their high bit set, so that it gives 0 for them.
#include <immintrin.h>

#include <algorithm>

#include "tensor/group_lookup.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx2.h"
// clang-format on

namespace weir::tensor::avx2 {
namespace {

inline __m256i Table(const uint8_t* entries) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(entries)));
}

// The sums of eight rows; `codes` is at their bytes of the first line.
inline __m256i EightRows(const uint8_t* codes, const uint8_t* tables, size_t lines) {
  const __m256i low4 = _mm256_set1_epi8(15), ones = _mm256_set1_epi8(1);
  const __m256i others[4] = {_mm256_set1_epi32(static_cast<int>(0x80808000)),
                             _mm256_set1_epi32(static_cast<int>(0x80800080)),
                             _mm256_set1_epi32(static_cast<int>(0x80008080)),
                             _mm256_set1_epi32(0x00808080)};
  __m256i sums = _mm256_setzero_si256();
  for (size_t i = 0; i < lines; ++i) {
    const __m256i z = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i * 64));
    const __m256i halves[2] = {_mm256_and_si256(z, low4),
                               _mm256_and_si256(_mm256_srli_epi16(z, 4), low4)};
    for (size_t h = 0; h < 2; ++h) {
      __m256i found = _mm256_setzero_si256();
      for (size_t j = 0; j < 4; ++j) {
        found = _mm256_or_si256(
            found, _mm256_shuffle_epi8(Table(tables + (8 * i + 4 * h + j) * 16),
                                       _mm256_or_si256(halves[h], others[j])));
      }
      const __m256i pairs = _mm256_maddubs_epi16(found, ones);
      sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
  }
  return sums;
}

void Sums(const uint8_t* codes, size_t groups, const uint8_t* tables, size_t parts,
          int32_t* sums) {
  for (size_t h = 0; h < 2 * groups; ++h) {
    const uint8_t* at = codes + h / 2 * LookupGroupBytes(parts) + h % 2 * 32;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + 8 * h),
                        EightRows(at, tables, parts / kLookupGroupParts));
  }
}

void Largest(const uint8_t* codes, size_t begin, size_t end, const uint8_t* tables, size_t parts,
             size_t queries, int32_t*, int32_t* most) {
  std::fill_n(most, queries, INT32_MIN);
  for (size_t h = begin / 8; h <= (end - 1) / 8; ++h) {
    const uint8_t* at = codes + h / 2 * LookupGroupBytes(parts) + h % 2 * 32;
    const size_t first = std::max(begin, 8 * h) - 8 * h, last = std::min(end, 8 * h + 8) - 8 * h;
    for (size_t q = 0; q < queries; ++q) {
      alignas(32) int32_t sums[8];
      _mm256_store_si256(reinterpret_cast<__m256i*>(sums),
                         EightRows(at, tables + q * parts * 16, parts / kLookupGroupParts));
      for (size_t r = first; r < last; ++r) most[q] = std::max(most[q], sums[r]);
    }
  }
}

}  // namespace
}  // namespace weir::tensor::avx2

#include "tensor/simd/target_end.h"

namespace weir::tensor {

extern const GroupLookupKernels kAvx2GroupLookup = {avx2::Sums, avx2::Largest};

}  // namespace weir::tensor
