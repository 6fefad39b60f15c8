// The AVX-512 target of impacts.h: four terms of a window at a time. Their packed impacts are
// spread over the 64 bytes of a register by their masks, interleaved, and multiplied and added in
// one VNNI instruction for 16 positions.
#include <immintrin.h>

#include "tensor/impacts.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_vbmi2.h"
// clang-format on

namespace weir::tensor::avx512 {
namespace {

__m512i Spread(const MaskedTerm& term, size_t w) {
  const uint8_t* impacts =
      term.impacts + (term.starts[w] < term.count ? term.starts[w] : term.count);
  return _mm512_maskz_expand_epi8(term.masks[w], _mm512_loadu_si512(impacts));
}

// 64 sums as four registers of 16 positions.
struct Sums {
  __m512i at[4];
};

// `words` holds the bytes of two terms in turn for positions of two registers.
void AddInterleaved(__m512i ab_low, __m512i ab_high, __m512i cd_low, __m512i cd_high,
                    __m512i weights, Sums& s) {
  s.at[0] = _mm512_dpbusd_epi32(s.at[0], _mm512_unpacklo_epi16(ab_low, cd_low), weights);
  s.at[1] = _mm512_dpbusd_epi32(s.at[1], _mm512_unpackhi_epi16(ab_low, cd_low), weights);
  s.at[2] = _mm512_dpbusd_epi32(s.at[2], _mm512_unpacklo_epi16(ab_high, cd_high), weights);
  s.at[3] = _mm512_dpbusd_epi32(s.at[3], _mm512_unpackhi_epi16(ab_high, cd_high), weights);
}

uint64_t Reaching(const Sums& s, __m512i least) {
  uint64_t bits = 0;
  for (int i = 0; i < 4; ++i) {
    bits |= static_cast<uint64_t>(_mm512_cmp_epu32_mask(s.at[i], least, _MM_CMPINT_NLT)) << 16 * i;
  }
  return bits;
}

void AddTerms(const MaskedTerm* terms, size_t n, size_t w, Sums& s) {
  for (size_t t = 0; t < n; t += 4) {
    __m512i row[4];
    uint32_t weights = 0;
    const size_t some = n - t < 4 ? n - t : 4;
    for (size_t i = 0; i < 4; ++i) {
      row[i] = i < some ? Spread(terms[t + i], w) : _mm512_setzero_si512();
      if (i < some) weights |= terms[t + i].weight << 8 * i;
    }
    AddInterleaved(_mm512_unpacklo_epi8(row[0], row[1]), _mm512_unpackhi_epi8(row[0], row[1]),
                   _mm512_unpacklo_epi8(row[2], row[3]), _mm512_unpackhi_epi8(row[2], row[3]),
                   _mm512_set1_epi32(static_cast<int>(weights)), s);
  }
}

size_t NextWindow(const MaskedTerm* terms, size_t n, const uint32_t* bounds, size_t begin,
                  size_t end, uint32_t least, uint32_t* sums, uint64_t* found) {
  const __m512i limit = _mm512_set1_epi32(static_cast<int>(least));
  for (size_t w = begin; w < end; ++w) {
    uint32_t* const of_window = sums + w * kImpactWindow;
    Sums s;
    for (int i = 0; i < 4; ++i) s.at[i] = _mm512_load_si512(of_window + 16 * i);
    const uint32_t bound = bounds == nullptr ? 0 : bounds[w];
    const __m512i most = _mm512_max_epu32(_mm512_max_epu32(s.at[0], s.at[1]),
                                          _mm512_max_epu32(s.at[2], s.at[3]));
    const __m512i reachable = _mm512_add_epi32(most, _mm512_set1_epi32(static_cast<int>(bound)));
    uint64_t bits = 0;
    if (_mm512_cmp_epu32_mask(reachable, limit, _MM_CMPINT_NLT) != 0) {
      AddTerms(terms, n, w, s);
      bits = Reaching(s, limit);
    }
    for (int i = 0; i < 4; ++i) {
      _mm512_store_si512(of_window + 16 * i, bits == 0 ? _mm512_setzero_si512() : s.at[i]);
    }
    if (bits != 0) {
      *found = bits;
      return w;
    }
  }
  *found = 0;
  return end;
}

void AddRow(const uint8_t* impacts, uint32_t weight, size_t n, uint32_t* sums) {
  const __m512i by = _mm512_set1_epi32(static_cast<int>(weight));
  for (size_t i = 0; i < n; i += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(impacts + i));
    const __m512i product = _mm512_madd_epi16(_mm512_cvtepu8_epi32(bytes), by);
    _mm512_storeu_si512(sums + i, _mm512_add_epi32(_mm512_loadu_si512(sums + i), product));
  }
}

uint32_t Largest(const uint32_t* sums, size_t n) {
  __m512i most = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += 16) most = _mm512_max_epu32(most, _mm512_loadu_si512(sums + i));
  return _mm512_reduce_max_epu32(most);
}

uint32_t Dot(const uint16_t* terms, const uint8_t* impacts, size_t n, const uint8_t* weights) {
  __m512i sum = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 some = n - i >= 16 ? 0xffff : static_cast<__mmask16>((1u << (n - i)) - 1);
    const __m512i at = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, terms + i));
    const __m512i impact = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(some, impacts + i));
    const __m512i found =
        _mm512_and_si512(_mm512_i32gather_epi32(at, weights, 1), _mm512_set1_epi32(255));
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(found, impact));
  }
  return static_cast<uint32_t>(_mm512_reduce_add_epi32(sum));
}

constexpr ImpactKernels kSet = {NextWindow, AddRow, Largest, Dot};

}  // namespace
}  // namespace weir::tensor::avx512

#include "tensor/simd/target_end.h"

namespace weir::tensor {

extern const ImpactKernels kAvx512Impacts = avx512::kSet;

}  // namespace weir::tensor
