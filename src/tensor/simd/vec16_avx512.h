// The sixteen lanes of vec16_scalar.h as one register. Include after target_avx512.h.
#pragma once

namespace weir::tensor::avx512 {

struct Floats {
  __m512 v;
};
struct Ints {
  __m512i v;
};

inline __mmask16 FirstLanes(size_t n) {
  return n >= 16 ? 0xffff : static_cast<__mmask16>((1u << n) - 1);
}

inline Floats Set(float x) { return {_mm512_set1_ps(x)}; }
inline Floats Load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline Floats LoadSome(const float* p, size_t n) {
  return {_mm512_maskz_loadu_ps(FirstLanes(n), p)};
}
inline void Store(float* p, Floats a) { _mm512_storeu_ps(p, a.v); }
inline void StoreSome(float* p, Floats a, size_t n) {
  _mm512_mask_storeu_ps(p, FirstLanes(n), a.v);
}
inline Floats LoadHalf(const void* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)))};
}
inline Floats LoadBf16(const void* p) {
  const __m256i halves = _mm256_loadu_si256(static_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))};
}
inline void StoreHalf(void* p, Floats a) {
  _mm256_storeu_si256(static_cast<__m256i*>(p),
                      _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

inline Floats Add(Floats a, Floats b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Floats Sub(Floats a, Floats b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Floats Mul(Floats a, Floats b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Floats Div(Floats a, Floats b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Floats Max(Floats a, Floats b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Floats Min(Floats a, Floats b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Floats Fma(Floats a, Floats b, Floats c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Floats Abs(Floats a) { return {_mm512_abs_ps(a.v)}; }
inline Floats Round(Floats a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Floats FmaAlternate(Floats a, Floats b, Floats c) {
  return {_mm512_fmaddsub_ps(a.v, b.v, c.v)};
}
inline Floats SwapPairs(Floats a) { return {_mm512_permute_ps(a.v, 0xb1)}; }
inline Floats DuplicateEven(Floats a) { return {_mm512_moveldup_ps(a.v)}; }
inline Floats DuplicateOdd(Floats a) { return {_mm512_movehdup_ps(a.v)}; }
inline Floats Evens(Floats a, Floats b) {
  const __m512i at = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return {_mm512_permutex2var_ps(a.v, at, b.v)};
}
inline Floats Odds(Floats a, Floats b) {
  const __m512i at = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  return {_mm512_permutex2var_ps(a.v, at, b.v)};
}
inline Floats ZeroBelow(Floats x, Floats limit, Floats v) {
  return {_mm512_maskz_mov_ps(_knot_mask16(_mm512_cmp_ps_mask(x.v, limit.v, _CMP_LT_OS)), v.v)};
}
inline Floats IfNegative(Floats x, Floats a, Floats b) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.v, _mm512_setzero_ps(), _CMP_LT_OS), b.v, a.v)};
}
inline Floats Select(uint32_t bits, Floats v, Floats other) {
  return {_mm512_mask_blend_ps(static_cast<__mmask16>(bits), other.v, v.v)};
}
inline Floats ScaleExponent(Floats a, Floats n) {
  const __m512i shift = _mm512_slli_epi32(_mm512_cvtps_epi32(n.v), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a.v), shift))};
}

// a times 2 to the integer in the low bits of n; 0 where x is below the limit.
inline Floats AddExponentUnlessBelow(Floats a, Floats n, Floats x, Floats limit) {
  const __mmask16 kept = _mm512_cmp_ps_mask(x.v, limit.v, _CMP_NLT_US);
  const __m512i shift = _mm512_slli_epi32(_mm512_castps_si512(n.v), 23);
  return {_mm512_castsi512_ps(
      _mm512_maskz_add_epi32(kept, _mm512_castps_si512(a.v), shift))};
}

// Keeps the compiler from seeing through a register.
inline void Keep(Floats& a) { asm volatile("" : "+v"(a.v)); }

inline float First(Floats a) { return _mm512_cvtss_f32(a.v); }
inline float ReduceAdd(Floats a) {
  const __m256 b = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
inline float ReduceMax(Floats a) {
  const __m256 b = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  const __m128 d = _mm_max_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}

inline Ints AbsBits(Floats a) {
  return {_mm512_and_si512(_mm512_castps_si512(a.v), _mm512_set1_epi32(0x7fffffff))};
}
inline Ints MaxInts(Ints a, Ints b) { return {_mm512_max_epi32(a.v, b.v)}; }
inline int32_t ReduceMaxInts(Ints a) { return _mm512_reduce_max_epi32(a.v); }
inline int32_t ReduceAddInts(Ints a) { return _mm512_reduce_add_epi32(a.v); }
inline Ints ToCodes(Floats a) {
  const __m512i rounded = _mm512_cvtps_epi32(a.v);
  return {
      _mm512_min_epi32(_mm512_max_epi32(rounded, _mm512_set1_epi32(-127)), _mm512_set1_epi32(127))};
}
inline void StoreBytes(int8_t* p, Ints a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}

// For attention over int8 blocks: a line is 16 lanes of 4 bytes.
inline Ints ZeroInts() { return {_mm512_setzero_si512()}; }
inline Ints LoadLine(const void* p) { return {_mm512_loadu_si512(p)}; }
inline Floats ToFloats(Ints a) { return {_mm512_cvtepi32_ps(a.v)}; }
// Keys are stored plus 128: the sum starts at what that adds.
inline Ints KeyStart(int32_t negative_sum) {
  return {_mm512_set1_epi32(static_cast<int32_t>(static_cast<uint32_t>(negative_sum) << 7))};
}
inline Ints DotKeys(Ints acc, Ints line, const int8_t* q) {
  DotInto(acc.v, line.v, BroadcastWord(q));
  return acc;
}
inline Ints DotValues(Ints acc, const uint8_t* weights, Ints line) {
  DotInto(acc.v, BroadcastWord(weights), line.v);
  return acc;
}
inline Ints AddShifted7(Ints high, Ints low) {
  return {_mm512_add_epi32(_mm512_slli_epi32(high.v, 7), low.v)};
}
inline Ints ToWeights(Floats a) {
  return {_mm512_min_epi32(_mm512_max_epi32(_mm512_cvtps_epi32(a.v), _mm512_setzero_si512()),
                           _mm512_set1_epi32(16383))};
}
// Weights of 64 keys in [0, 16383], rounded, as two factors of 7 bits. Packing works in lanes of
// 128 bits: the last step brings their dwords back into the order of the keys.
inline void StoreFactors(uint8_t* high, uint8_t* low, const Floats (&weights)[4]) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i a =
      _mm512_packs_epi32(_mm512_cvtps_epi32(weights[0].v), _mm512_cvtps_epi32(weights[1].v));
  const __m512i b =
      _mm512_packs_epi32(_mm512_cvtps_epi32(weights[2].v), _mm512_cvtps_epi32(weights[3].v));
  const __m512i seven = _mm512_set1_epi16(127);
  const __m512i h = _mm512_packus_epi16(_mm512_srli_epi16(a, 7), _mm512_srli_epi16(b, 7));
  const __m512i l = _mm512_packus_epi16(_mm512_and_si512(a, seven), _mm512_and_si512(b, seven));
  _mm512_storeu_si512(high, _mm512_permutexvar_epi32(order, h));
  _mm512_storeu_si512(low, _mm512_permutexvar_epi32(order, l));
}
inline Ints ShiftRight7(Ints a) { return {_mm512_srli_epi32(a.v, 7)}; }
inline Ints LowSeven(Ints a) { return {_mm512_and_si512(a.v, _mm512_set1_epi32(127))}; }

// For moving keys: byte `i` of each lane, less the 128 that a stored key is raised by, and back.
inline void StoreLine(void* p, Ints a) { _mm512_storeu_si512(p, a.v); }
inline Floats KeyBytes(Ints line, int i) {
  const __m512i byte = _mm512_and_si512(_mm512_srli_epi32(line.v, 8 * i), _mm512_set1_epi32(255));
  return {_mm512_cvtepi32_ps(_mm512_sub_epi32(byte, _mm512_set1_epi32(128)))};
}
inline Ints AddKeyBytes(Ints line, Ints codes, int i) {
  const __m512i raised = _mm512_add_epi32(codes.v, _mm512_set1_epi32(128));
  return {_mm512_or_si512(line.v, _mm512_slli_epi32(raised, 8 * i))};
}

}  // namespace weir::tensor::avx512
