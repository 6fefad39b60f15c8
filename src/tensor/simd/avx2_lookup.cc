// Four look-ups are added as bytes before they are widened: an entry is at most 63.
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include "tensor/simd/avx2.h"
#include "tensor/simd/lookup.h"
#include "tensor/simd/unroll.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx2.h"
#include "tensor/simd/vec16_avx2.h"
// clang-format on

namespace weir::tensor::avx2 {
namespace {

uint8_t FirstLaneOf(Floats a, float value) {
  alignas(32) float lanes[16];
  Store(lanes, a);
  const __m256 v = _mm256_set1_ps(value);
  const int low = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_load_ps(lanes), v, _CMP_EQ_OQ));
  const int high = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_load_ps(lanes + 8), v, _CMP_EQ_OQ));
  const unsigned both = static_cast<unsigned>(low | high << 8);
  return both == 0 ? 0 : static_cast<uint8_t>(std::countr_zero(both));
}

#include "tensor/simd/nearest-inl.h"

inline __m256i Table(const uint8_t* entries) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(entries)));
}
inline __m256i Load32(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

// 32 rows of a block; `codes` is at their first byte of the first line.
uint32_t HalfBlock(const uint8_t* codes, const uint8_t* tables, size_t lines,
                   const uint16_t* least) {
  const __m256i low4 = _mm256_set1_epi8(15);
  __m256i even = _mm256_setzero_si256(), odd = even;  // rows; even holds both until the end
  for (size_t line = 0; line < lines; line += 2) {
    const __m256i a = Load32(codes + line * kLookupRows);
    const __m256i b = Load32(codes + (line + 1) * kLookupRows);
    const uint8_t* table = tables + 2 * line * kCodewords;
    const __m256i ab = _mm256_add_epi8(
        _mm256_shuffle_epi8(Table(table), _mm256_and_si256(a, low4)),
        _mm256_shuffle_epi8(Table(table + 16), _mm256_and_si256(_mm256_srli_epi16(a, 4), low4)));
    const __m256i cd = _mm256_add_epi8(
        _mm256_shuffle_epi8(Table(table + 32), _mm256_and_si256(b, low4)),
        _mm256_shuffle_epi8(Table(table + 48), _mm256_and_si256(_mm256_srli_epi16(b, 4), low4)));
    const __m256i sum = _mm256_add_epi8(ab, cd);
    even = _mm256_add_epi16(even, sum);
    odd = _mm256_add_epi16(odd, _mm256_srli_epi16(sum, 8));
  }
  even = _mm256_sub_epi16(even, _mm256_slli_epi16(odd, 8));
  // Rows 0-7 and 16-23, then 8-15 and 24-31.
  const __m256i first = _mm256_unpacklo_epi16(even, odd), second = _mm256_unpackhi_epi16(even, odd);
  const __m256i least0 = Load32(least), least1 = Load32(least + 16);
  const __m256i first_least = _mm256_permute2x128_si256(least0, least1, 0x20);
  const __m256i second_least = _mm256_permute2x128_si256(least0, least1, 0x31);
  const __m256i reached = _mm256_packs_epi16(
      _mm256_cmpeq_epi16(_mm256_max_epu16(first, first_least), first),
      _mm256_cmpeq_epi16(_mm256_max_epu16(second, second_least), second));
  return static_cast<uint32_t>(_mm256_movemask_epi8(reached));
}

void Scan(const LookupScan& scan) {
  const size_t lines = scan.parts / 2;
  for (size_t block = 0; block < scan.blocks; ++block) {
    const uint8_t* codes = scan.codes + block * lines * kLookupRows;
    const uint16_t* least = scan.least + block * kLookupRows;
    const uint64_t low = HalfBlock(codes, scan.tables, lines, least);
    scan.found[block] = low | uint64_t{HalfBlock(codes + 32, scan.tables, lines, least + 32)} << 32;
  }
}

}  // namespace
}  // namespace weir::tensor::avx2

namespace weir::tensor {
const LookupKernels kAvx2Lookup = {avx2::Scan, avx2::NearestCodewords,
                                       avx2::MakeTables,
                                       avx2::FirstLargest};
}  // namespace weir::tensor

#include "tensor/simd/target_end.h"
