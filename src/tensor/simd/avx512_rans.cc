// One register of sixteen states; words are spread over the lanes that take one by an expansion.
#include <immintrin.h>

#include <bit>

#include "tensor/simd/rans.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx512.h"
// clang-format on

namespace weir::tensor::avx512 {
namespace {

bool Decode(RansRun& run) {
  const __m128i shift = _mm_cvtsi32_si128(kRansBits - run.symbol_bits);
  const __m512i inside = _mm512_set1_epi32((1 << (kRansBits - run.symbol_bits)) - 1);
  const __m512i low12 = _mm512_set1_epi32(kRansTotal - 1), one = _mm512_set1_epi32(1);
  const __m512i low = _mm512_set1_epi32(kRansLow);
  const __m512i tables = _mm512_sll_epi32(
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(run.lanes))),
      _mm_cvtsi32_si128(run.symbol_bits));
  __m512i states = _mm512_loadu_si512(run.states);
  bool complete = true;
  for (size_t row = 0; row < run.rows; ++row) {
    const __m512i slot = _mm512_and_si512(states, low12);
    const __m512i bucket = _mm512_add_epi32(tables, _mm512_srl_epi32(slot, shift));
    const __m512i divider = _mm512_i32gather_epi32(bucket, run.dividers, 4);
    const __mmask16 second =
        _mm512_cmpge_epi32_mask(_mm512_and_si512(slot, inside), divider);
    const __m512i twice = _mm512_add_epi32(bucket, bucket);
    const __m512i at = _mm512_mask_add_epi32(twice, second, twice, one);
    const __m512i word = _mm512_i32gather_epi32(at, run.words, 4);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(run.out + row * kRansLanes),
                     _mm512_cvtepi32_epi8(word));
    const __m512i frequency =
        _mm512_add_epi32(_mm512_and_si512(_mm512_srli_epi32(word, 8), low12), one);
    const __m512i inner =
        _mm512_and_si512(_mm512_add_epi32(slot, _mm512_srli_epi32(word, 20)), low12);
    states = _mm512_add_epi32(
        _mm512_mullo_epi32(frequency, _mm512_srli_epi32(states, kRansBits)), inner);
    const __mmask16 small = _mm512_cmplt_epu32_mask(states, low);
    const int count = std::popcount(static_cast<unsigned>(small));
    const ptrdiff_t left = (run.end - run.next) / 2;
    if (left < count) {
      complete = false;
      break;
    }
    const __mmask16 there = left >= 16 ? 0xffff : static_cast<__mmask16>((1u << left) - 1);
    const __m512i words = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, run.next));
    const __m512i filled = _mm512_or_si512(_mm512_slli_epi32(states, 16),
                                           _mm512_maskz_expand_epi32(small, words));
    states = _mm512_mask_mov_epi32(states, small, filled);
    run.next += 2 * count;
  }
  _mm512_storeu_si512(run.states, states);
  return complete;
}

}  // namespace
}  // namespace weir::tensor::avx512

#include "tensor/simd/target_end.h"

namespace weir::tensor {

extern const RansKernel kAvx512Rans = avx512::Decode;

}  // namespace weir::tensor
