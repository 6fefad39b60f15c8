// The AVX-512 target of group_lookup.h: one byte permutation looks 64 codes up, 16 rows by four
// parts, in the parts' 64 entries, and one VNNI instruction adds each row's four. Sixteen rows of
// 72 parts and a query are 18 of each. Two groups and two queries share their loads, which Zen 4
// would otherwise wait for: it loads 64 bytes a cycle.
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "tensor/group_lookup.h"
#include "tensor/simd/unroll.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_vbmi.h"
// clang-format on

namespace weir::tensor::avx512 {
namespace {

constexpr size_t kMostParts = 128;  // of rows whose indices are kept

// Indices into 64 entries: byte j of a row's four reads the j-th sixteen.
inline __m512i Low(__m512i codes) {
  return _mm512_ternarylogic_epi32(codes, _mm512_set1_epi8(15), _mm512_set1_epi32(0x30201000),
                                   0xEA);  // (a & b) | c
}
inline __m512i High(__m512i codes) { return Low(_mm512_srli_epi32(codes, 4)); }

inline __m512i AddEntries(__m512i sums, __m512i indices, __m512i table) {
  return _mm512_dpbusd_epi32(sums, _mm512_permutexvar_epi8(indices, table), _mm512_set1_epi8(1));
}

template <int G>
inline void SumGroups(const uint8_t* codes, const uint8_t* tables, size_t lines, int32_t* sums) {
  __m512i even[G], odd[G];
  WEIR_UNROLL
  for (int g = 0; g < G; ++g) even[g] = odd[g] = _mm512_setzero_si512();
  for (size_t i = 0; i < lines; ++i) {
    const __m512i low = _mm512_loadu_si512(tables + i * 128);
    const __m512i high = _mm512_loadu_si512(tables + i * 128 + 64);
    WEIR_UNROLL
    for (int g = 0; g < G; ++g) {
      const __m512i z = _mm512_loadu_si512(codes + (g * lines + i) * 64);
      even[g] = AddEntries(even[g], Low(z), low);
      odd[g] = AddEntries(odd[g], High(z), high);
    }
  }
  WEIR_UNROLL
  for (int g = 0; g < G; ++g) {
    _mm512_storeu_si512(sums + g * kLookupGroup, _mm512_add_epi32(even[g], odd[g]));
  }
}

void Sums(const uint8_t* codes, size_t groups, const uint8_t* tables, size_t parts,
          int32_t* sums) {
  const size_t lines = parts / kLookupGroupParts;
  size_t g = 0;
  for (; g + 4 <= groups; g += 4) {
    SumGroups<4>(codes + g * lines * 64, tables, lines, sums + g * kLookupGroup);
  }
  for (; g < groups; ++g) {
    SumGroups<1>(codes + g * lines * 64, tables, lines, sums + g * kLookupGroup);
  }
}

// indices: [parts / 4][G] registers. most: [Q][16].
template <int G, int Q>
inline void MaxGroups(const __m512i* indices, const uint8_t* tables, size_t parts,
                      const __mmask16* rows, int32_t* most) {
  __m512i sums[G][Q];
  WEIR_UNROLL
  for (int g = 0; g < G; ++g) {
    WEIR_UNROLL
    for (int q = 0; q < Q; ++q) sums[g][q] = _mm512_setzero_si512();
  }
  for (size_t i = 0; i < parts / 4; ++i) {
    __m512i table[Q];
    WEIR_UNROLL
    for (int q = 0; q < Q; ++q) table[q] = _mm512_loadu_si512(tables + q * parts * 16 + i * 64);
    WEIR_UNROLL
    for (int g = 0; g < G; ++g) {
      WEIR_UNROLL
      for (int q = 0; q < Q; ++q) sums[g][q] = AddEntries(sums[g][q], indices[i * G + g], table[q]);
    }
  }
  WEIR_UNROLL
  for (int q = 0; q < Q; ++q) {
    __m512i best = _mm512_load_si512(most + q * 16);
    WEIR_UNROLL
    for (int g = 0; g < G; ++g) best = _mm512_mask_max_epi32(best, rows[g], best, sums[g][q]);
    _mm512_store_si512(most + q * 16, best);
  }
}

template <int G>
inline void EachQuery(const uint8_t* codes, const __mmask16* rows, const uint8_t* tables,
                      size_t parts, size_t queries, int32_t* scratch) {
  __m512i indices[kMostParts / 4 * G];
  const size_t lines = parts / kLookupGroupParts;
  for (size_t i = 0; i < lines; ++i) {
    WEIR_UNROLL
    for (int g = 0; g < G; ++g) {
      const __m512i z = _mm512_loadu_si512(codes + (g * lines + i) * 64);
      indices[2 * i * G + g] = Low(z);
      indices[(2 * i + 1) * G + g] = High(z);
    }
  }
  size_t q = 0;
  for (; q + 2 <= queries; q += 2) {
    MaxGroups<G, 2>(indices, tables + q * parts * 16, parts, rows, scratch + q * 16);
  }
  if (q < queries) {
    MaxGroups<G, 1>(indices, tables + q * parts * 16, parts, rows, scratch + q * 16);
  }
}

void Largest(const uint8_t* codes, size_t begin, size_t end, const uint8_t* tables, size_t parts,
             size_t queries, int32_t* scratch, int32_t* most) {
  if (parts > kMostParts) {
    kScalarGroupLookup.largest(codes, begin, end, tables, parts, queries, scratch, most);
    return;
  }
  for (size_t q = 0; q < queries; ++q) {
    _mm512_store_si512(scratch + q * 16, _mm512_set1_epi32(INT32_MIN));
  }
  const auto rows_of = [&](size_t group) {
    uint32_t mask = 0xffff;
    if (group == begin / kLookupGroup) mask &= 0xffffu << (begin % kLookupGroup);
    if (group == (end - 1) / kLookupGroup) mask &= 0xffffu >> (15 - (end - 1) % kLookupGroup);
    return static_cast<__mmask16>(mask);
  };
  const size_t last = (end - 1) / kLookupGroup;
  size_t g = begin / kLookupGroup;
  for (; g < last; g += 2) {
    const __mmask16 rows[2] = {rows_of(g), rows_of(g + 1)};
    EachQuery<2>(codes + g * LookupGroupBytes(parts), rows, tables, parts, queries, scratch);
  }
  if (g == last) {
    const __mmask16 rows[1] = {rows_of(g)};
    EachQuery<1>(codes + g * LookupGroupBytes(parts), rows, tables, parts, queries, scratch);
  }
  for (size_t q = 0; q < queries; ++q) {
    most[q] = _mm512_reduce_max_epi32(_mm512_load_si512(scratch + q * 16));
  }
}

}  // namespace
}  // namespace weir::tensor::avx512

#include "tensor/simd/target_end.h"

namespace weir::tensor {

extern const GroupLookupKernels kAvx512GroupLookup = {avx512::Sums, avx512::Largest};

}  // namespace weir::tensor
