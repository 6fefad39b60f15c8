// Two registers of eight states. Words are spread over the lanes that take one by a permutation for
// each of the 256 sets of lanes.
#include <immintrin.h>

#include <array>
#include <bit>
#include <cstring>

#include "tensor/simd/rans.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx2.h"
// clang-format on

namespace weir::tensor::avx2 {
namespace {

// For a set of lanes, which of the next eight words each lane takes.
struct Spreads {
  alignas(64) std::array<std::array<uint8_t, 8>, 256> of{};
  constexpr Spreads() {
    for (int set = 0; set < 256; ++set) {
      uint8_t next = 0;
      for (int lane = 0; lane < 8; ++lane) {
        if ((set >> lane & 1) != 0) of[set][lane] = next++;
      }
    }
  }
};
constexpr Spreads kSpreads;

struct Eight {
  __m256i states, tables;
};

// One symbol of eight lanes; returns the words, whose low bytes are the symbols.
inline __m256i Step(Eight& e, const RansRun& run, __m128i shift, __m256i inside) {
  const __m256i low12 = _mm256_set1_epi32(kRansTotal - 1);
  const __m256i slot = _mm256_and_si256(e.states, low12);
  const __m256i bucket = _mm256_add_epi32(e.tables, _mm256_srl_epi32(slot, shift));
  const __m256i divider =
      _mm256_i32gather_epi32(reinterpret_cast<const int*>(run.dividers), bucket, 4);
  // -1 where the slot lies below the divider
  const __m256i first = _mm256_cmpgt_epi32(divider, _mm256_and_si256(slot, inside));
  const __m256i at = _mm256_add_epi32(_mm256_add_epi32(bucket, bucket),
                                      _mm256_add_epi32(first, _mm256_set1_epi32(1)));
  const __m256i word = _mm256_i32gather_epi32(reinterpret_cast<const int*>(run.words), at, 4);
  const __m256i frequency =
      _mm256_add_epi32(_mm256_and_si256(_mm256_srli_epi32(word, 8), low12), _mm256_set1_epi32(1));
  const __m256i inner =
      _mm256_and_si256(_mm256_add_epi32(slot, _mm256_srli_epi32(word, 20)), low12);
  e.states = _mm256_add_epi32(
      _mm256_mullo_epi32(frequency, _mm256_srli_epi32(e.states, kRansBits)), inner);
  return word;
}

inline bool Refill(Eight& e, RansRun& run) {
  const __m256i small =
      _mm256_cmpeq_epi32(_mm256_srli_epi32(e.states, 16), _mm256_setzero_si256());
  const auto set = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(small)));
  const auto bytes = static_cast<ptrdiff_t>(2 * std::popcount(set));
  __m128i words;
  if (run.end - run.next >= 16) {
    words = _mm_loadu_si128(reinterpret_cast<const __m128i*>(run.next));
  } else {
    if (run.end - run.next < bytes) return false;
    alignas(16) char last[16] = {};
    std::memcpy(last, run.next, static_cast<size_t>(bytes));
    words = _mm_load_si128(reinterpret_cast<const __m128i*>(last));
  }
  run.next += bytes;
  const __m256i order = _mm256_cvtepu8_epi32(
      _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kSpreads.of[set].data())));
  const __m256i spread = _mm256_permutevar8x32_epi32(_mm256_cvtepu16_epi32(words), order);
  const __m256i filled = _mm256_or_si256(_mm256_slli_epi32(e.states, 16), spread);
  e.states = _mm256_blendv_epi8(e.states, filled, small);
  return true;
}

inline __m128i LowBytes(__m256i words) {
  const __m256i pick =
      _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12, -1,
                       -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i packed = _mm256_shuffle_epi8(words, pick);
  return _mm_unpacklo_epi32(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
}

bool Decode(RansRun& run) {
  const __m128i shift = _mm_cvtsi32_si128(kRansBits - run.symbol_bits);
  const __m256i inside = _mm256_set1_epi32((1 << (kRansBits - run.symbol_bits)) - 1);
  const __m128i bits = _mm_cvtsi32_si128(run.symbol_bits);
  Eight half[2];
  for (int h = 0; h < 2; ++h) {
    half[h].states = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(run.states + 8 * h));
    const __m128i lanes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(run.lanes + 8 * h));
    half[h].tables = _mm256_sll_epi32(_mm256_cvtepu16_epi32(lanes), bits);
  }
  bool complete = true;
  for (size_t row = 0; row < run.rows; ++row) {
    const __m128i a = LowBytes(Step(half[0], run, shift, inside));
    const __m128i b = LowBytes(Step(half[1], run, shift, inside));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(run.out + row * kRansLanes),
                     _mm_unpacklo_epi64(a, b));
    complete = Refill(half[0], run) && Refill(half[1], run);
    if (!complete) break;
  }
  for (int h = 0; h < 2; ++h) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(run.states + 8 * h), half[h].states);
  }
  return complete;
}

}  // namespace
}  // namespace weir::tensor::avx2

#include "tensor/simd/target_end.h"

namespace weir::tensor {

extern const RansKernel kAvx2Rans = avx2::Decode;

}  // namespace weir::tensor
