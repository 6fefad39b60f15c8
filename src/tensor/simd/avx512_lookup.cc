// Four look-ups are added as bytes before they are widened: an entry is at most 63. Zen 4 does two
// shuffles or shifts of 256 bits a cycle and four additions, so 16 look-ups of 64 rows take 32
// cycles of the four pipes; tables are loaded once for two blocks.
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include "tensor/simd/avx512.h"
#include "tensor/simd/lookup.h"
#include "tensor/simd/unroll.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx512.h"
#include "tensor/simd/avx512_dot.h"
#include "tensor/simd/vec16_avx512.h"
// clang-format on

namespace weir::tensor::avx512 {
namespace {

uint8_t FirstLaneOf(Floats a, float value) {
  const __mmask16 equal = _mm512_cmp_ps_mask(a.v, _mm512_set1_ps(value), _CMP_EQ_OQ);
  return equal == 0 ? 0 : static_cast<uint8_t>(std::countr_zero(static_cast<unsigned>(equal)));
}

#include "tensor/simd/nearest-inl.h"

inline __m512i Table(const uint8_t* entries) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(entries)));
}

// Bit r: row r reaches its least. even, odd: sums of the rows of that parity.
inline uint64_t Reached(__m512i even, __m512i odd, const uint16_t* least) {
  // Of each 16 rows the first eight, then the others.
  const __m512i first = _mm512_unpacklo_epi16(even, odd), second = _mm512_unpackhi_epi16(even, odd);
  const __m512i least0 = _mm512_loadu_si512(least), least1 = _mm512_loadu_si512(least + 32);
  const __m512i firsts = _mm512_set_epi64(13, 12, 9, 8, 5, 4, 1, 0);
  const __m512i seconds = _mm512_set_epi64(15, 14, 11, 10, 7, 6, 3, 2);
  const __mmask32 a =
      _mm512_cmpge_epu16_mask(first, _mm512_permutex2var_epi64(least0, firsts, least1));
  const __mmask32 b =
      _mm512_cmpge_epu16_mask(second, _mm512_permutex2var_epi64(least0, seconds, least1));
  return static_cast<uint64_t>(
      _mm_cvtsi128_si64(_mm_unpacklo_epi8(_mm_cvtsi32_si128(static_cast<int>(a)),
                                          _mm_cvtsi32_si128(static_cast<int>(b)))));
}

template <int B>
inline void ScanBlocks(const uint8_t* codes, const uint8_t* tables, size_t lines,
                       const uint16_t* least, uint64_t* found) {
  const __m512i low4 = _mm512_set1_epi8(15);
  __m512i even[B], odd[B];  // even holds both until the end
  WEIR_UNROLL
  for (int b = 0; b < B; ++b) even[b] = odd[b] = _mm512_setzero_si512();
  for (size_t line = 0; line < lines; line += 2) {
    const uint8_t* entries = tables + 2 * line * kCodewords;
    const __m512i table0 = Table(entries), table1 = Table(entries + 16),
                  table2 = Table(entries + 32), table3 = Table(entries + 48);
    WEIR_UNROLL
    for (int b = 0; b < B; ++b) {
      const uint8_t* at = codes + (b * lines + line) * kLookupRows;
      const __m512i x = _mm512_loadu_si512(at), y = _mm512_loadu_si512(at + kLookupRows);
      const __m512i xs = _mm512_add_epi8(
          _mm512_shuffle_epi8(table0, _mm512_and_si512(x, low4)),
          _mm512_shuffle_epi8(table1, _mm512_and_si512(_mm512_srli_epi16(x, 4), low4)));
      const __m512i ys = _mm512_add_epi8(
          _mm512_shuffle_epi8(table2, _mm512_and_si512(y, low4)),
          _mm512_shuffle_epi8(table3, _mm512_and_si512(_mm512_srli_epi16(y, 4), low4)));
      const __m512i sum = _mm512_add_epi8(xs, ys);
      even[b] = _mm512_add_epi16(even[b], sum);
      odd[b] = _mm512_add_epi16(odd[b], _mm512_srli_epi16(sum, 8));
    }
  }
  WEIR_UNROLL
  for (int b = 0; b < B; ++b) {
    even[b] = _mm512_sub_epi16(even[b], _mm512_slli_epi16(odd[b], 8));
    found[b] = Reached(even[b], odd[b], least + b * kLookupRows);
  }
}

void Scan(const LookupScan& scan) {
  const size_t lines = scan.parts / 2;
  size_t block = 0;
  for (; block + 2 <= scan.blocks; block += 2) {
    ScanBlocks<2>(scan.codes + block * lines * kLookupRows, scan.tables, lines,
                  scan.least + block * kLookupRows, scan.found + block);
  }
  if (block < scan.blocks) {
    ScanBlocks<1>(scan.codes + block * lines * kLookupRows, scan.tables, lines,
                  scan.least + block * kLookupRows, scan.found + block);
  }
}

}  // namespace
}  // namespace weir::tensor::avx512

namespace weir::tensor {
const LookupKernels kAvx512Lookup = {avx512::Scan, avx512::NearestCodewords,
                                       avx512::MakeTables,
                                       avx512::FirstLargest};
}  // namespace weir::tensor

#include "tensor/simd/target_end.h"
