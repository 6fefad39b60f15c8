// The sixteen lanes of vec16_scalar.h as two registers. Include after target_avx2.h.
#pragma once

namespace weir::tensor::avx2 {

struct Floats {
  __m256 lo, hi;
};
struct Ints {
  __m256i lo, hi;
};

// All ones in lanes below n (n may be negative or large).
inline __m256i LanesBelow(int64_t n) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n > 8 ? 8 : n < 0 ? 0 : n)), lanes);
}
inline int64_t Upper(size_t n) { return static_cast<int64_t>(n > 16 ? 16 : n) - 8; }

inline Floats Set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Floats Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline Floats LoadSome(const float* p, size_t n) {
  const int64_t low = n > 16 ? 16 : static_cast<int64_t>(n);
  return {_mm256_maskload_ps(p, LanesBelow(low)),
          n > 8 ? _mm256_maskload_ps(p + 8, LanesBelow(Upper(n))) : _mm256_setzero_ps()};
}
inline void Store(float* p, Floats a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
inline void StoreSome(float* p, Floats a, size_t n) {
  _mm256_maskstore_ps(p, LanesBelow(n > 16 ? 16 : static_cast<int64_t>(n)), a.lo);
  if (n > 8) _mm256_maskstore_ps(p + 8, LanesBelow(Upper(n)), a.hi);
}
inline Floats LoadHalf(const void* p) {
  const auto* from = static_cast<const __m128i*>(p);
  return {_mm256_cvtph_ps(_mm_loadu_si128(from)), _mm256_cvtph_ps(_mm_loadu_si128(from + 1))};
}
inline Floats LoadBf16(const void* p) {
  const auto* from = static_cast<const __m128i*>(p);
  const __m256i lo = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(from)), 16);
  const __m256i hi = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(from + 1)), 16);
  return {_mm256_castsi256_ps(lo), _mm256_castsi256_ps(hi)};
}
inline void StoreHalf(void* p, Floats a) {
  auto* to = static_cast<__m128i*>(p);
  _mm_storeu_si128(to, _mm256_cvtps_ph(a.lo, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128(to + 1, _mm256_cvtps_ph(a.hi, _MM_FROUND_TO_NEAREST_INT));
}

inline Floats Add(Floats a, Floats b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
inline Floats Sub(Floats a, Floats b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
inline Floats Mul(Floats a, Floats b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
inline Floats Div(Floats a, Floats b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
inline Floats Max(Floats a, Floats b) {
  return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
inline Floats Min(Floats a, Floats b) {
  return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
inline Floats Fma(Floats a, Floats b, Floats c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline Floats Abs(Floats a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
inline Floats Round(Floats a) {
  return {_mm256_round_ps(a.lo, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
          _mm256_round_ps(a.hi, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline Floats FmaAlternate(Floats a, Floats b, Floats c) {
  return {_mm256_fmaddsub_ps(a.lo, b.lo, c.lo), _mm256_fmaddsub_ps(a.hi, b.hi, c.hi)};
}
inline Floats SwapPairs(Floats a) {
  return {_mm256_permute_ps(a.lo, 0xb1), _mm256_permute_ps(a.hi, 0xb1)};
}
inline Floats DuplicateEven(Floats a) {
  return {_mm256_moveldup_ps(a.lo), _mm256_moveldup_ps(a.hi)};
}
inline Floats DuplicateOdd(Floats a) {
  return {_mm256_movehdup_ps(a.lo), _mm256_movehdup_ps(a.hi)};
}
// Lanes picked by kShuffle from two registers, put in order across their 128-bit halves.
template <int kShuffle>
inline __m256 Pick(__m256 a, __m256 b) {
  const __m256d mixed = _mm256_castps_pd(_mm256_shuffle_ps(a, b, kShuffle));
  return _mm256_castpd_ps(_mm256_permute4x64_pd(mixed, 0xd8));
}
inline Floats Evens(Floats a, Floats b) { return {Pick<0x88>(a.lo, a.hi), Pick<0x88>(b.lo, b.hi)}; }
inline Floats Odds(Floats a, Floats b) { return {Pick<0xdd>(a.lo, a.hi), Pick<0xdd>(b.lo, b.hi)}; }
inline Floats ZeroBelow(Floats x, Floats limit, Floats v) {
  return {_mm256_andnot_ps(_mm256_cmp_ps(x.lo, limit.lo, _CMP_LT_OS), v.lo),
          _mm256_andnot_ps(_mm256_cmp_ps(x.hi, limit.hi, _CMP_LT_OS), v.hi)};
}
inline Floats IfNegative(Floats x, Floats a, Floats b) {
  const __m256 zero = _mm256_setzero_ps();
  return {_mm256_blendv_ps(b.lo, a.lo, _mm256_cmp_ps(x.lo, zero, _CMP_LT_OS)),
          _mm256_blendv_ps(b.hi, a.hi, _mm256_cmp_ps(x.hi, zero, _CMP_LT_OS))};
}
inline Floats Select(uint32_t bits, Floats v, Floats other) {
  const __m256i low = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128),
                all = _mm256_set1_epi32(static_cast<int>(bits));
  const __m256i high = _mm256_slli_epi32(low, 8);
  const __m256i in_lo = _mm256_cmpeq_epi32(_mm256_and_si256(all, low), low);
  const __m256i in_hi = _mm256_cmpeq_epi32(_mm256_and_si256(all, high), high);
  return {_mm256_blendv_ps(other.lo, v.lo, _mm256_castsi256_ps(in_lo)),
          _mm256_blendv_ps(other.hi, v.hi, _mm256_castsi256_ps(in_hi))};
}
inline __m256 ScaleExponent(__m256 a, __m256 n) {
  const __m256i shift = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), shift));
}
inline Floats ScaleExponent(Floats a, Floats n) {
  return {ScaleExponent(a.lo, n.lo), ScaleExponent(a.hi, n.hi)};
}

inline __m256 AddExponentUnlessBelow(__m256 a, __m256 n, __m256 x, __m256 limit) {
  const __m256i shift = _mm256_slli_epi32(_mm256_castps_si256(n), 23);
  const __m256 sum = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), shift));
  return _mm256_and_ps(_mm256_cmp_ps(x, limit, _CMP_NLT_US), sum);
}
inline Floats AddExponentUnlessBelow(Floats a, Floats n, Floats x, Floats limit) {
  return {AddExponentUnlessBelow(a.lo, n.lo, x.lo, limit.lo),
          AddExponentUnlessBelow(a.hi, n.hi, x.hi, limit.hi)};
}

// Keeps the compiler from seeing through a register.
inline void Keep(Floats& a) { asm volatile("" : "+x"(a.lo), "+x"(a.hi)); }

inline float First(Floats a) { return _mm256_cvtss_f32(a.lo); }
inline float ReduceAdd(Floats a) {
  const __m256 b = _mm256_add_ps(a.lo, a.hi);
  const __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
inline float ReduceMax(Floats a) {
  const __m256 b = _mm256_max_ps(a.lo, a.hi);
  const __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  const __m128 d = _mm_max_ps(c, _mm_movehl_ps(c, c));
  return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}

inline Ints AbsBits(Floats a) {
  const __m256i mask = _mm256_set1_epi32(0x7fffffff);
  return {_mm256_and_si256(_mm256_castps_si256(a.lo), mask),
          _mm256_and_si256(_mm256_castps_si256(a.hi), mask)};
}
inline Ints MaxInts(Ints a, Ints b) {
  return {_mm256_max_epi32(a.lo, b.lo), _mm256_max_epi32(a.hi, b.hi)};
}
inline int32_t ReduceMaxInts(Ints a) {
  const __m256i b = _mm256_max_epi32(a.lo, a.hi);
  const __m128i c = _mm_max_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1));
  const __m128i d = _mm_max_epi32(c, _mm_shuffle_epi32(c, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(d, _mm_shuffle_epi32(d, 0xb1)));
}
inline int32_t ReduceAddInts(__m256i b) {
  const __m128i c = _mm_add_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1));
  const __m128i d = _mm_add_epi32(c, _mm_shuffle_epi32(c, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(d, _mm_shuffle_epi32(d, 0xb1)));
}
inline int32_t ReduceAddInts(Ints a) { return ReduceAddInts(_mm256_add_epi32(a.lo, a.hi)); }
inline __m256i ToCodes(__m256 a) {
  const __m256i rounded = _mm256_cvtps_epi32(a);
  return _mm256_min_epi32(_mm256_max_epi32(rounded, _mm256_set1_epi32(-127)),
                          _mm256_set1_epi32(127));
}
inline Ints ToCodes(Floats a) { return {ToCodes(a.lo), ToCodes(a.hi)}; }
inline void StoreBytes(int8_t* p, Ints a) {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.lo, a.hi), 0xd8);
  const __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}

// For attention over int8 blocks: a line is 16 lanes of 4 bytes.
inline Ints ZeroInts() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline Ints LoadLine(const void* p) {
  const auto* from = static_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(from), _mm256_loadu_si256(from + 1)};
}
inline Floats ToFloats(Ints a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
inline __m256i BroadcastDword(const void* p) {
  int32_t word;
  std::memcpy(&word, p, 4);
  return _mm256_set1_epi32(word);
}
inline Ints KeyStart(int32_t) { return ZeroInts(); }
// Signed keys as magnitudes times queries that carry their signs: pairs just fit 16 bits.
inline __m256i DotKeys(__m256i acc, __m256i line, __m256i q) {
  const __m256i key = _mm256_xor_si256(line, _mm256_set1_epi8(static_cast<char>(0x80)));
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(key), _mm256_sign_epi8(q, key));
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
inline Ints DotKeys(Ints acc, Ints line, const int8_t* q) {
  const __m256i word = BroadcastDword(q);
  return {DotKeys(acc.lo, line.lo, word), DotKeys(acc.hi, line.hi, word)};
}
inline __m256i DotValues(__m256i acc, __m256i weights, __m256i line) {
  const __m256i pairs = _mm256_maddubs_epi16(weights, line);
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
inline Ints DotValues(Ints acc, const uint8_t* weights, Ints line) {
  const __m256i word = BroadcastDword(weights);
  return {DotValues(acc.lo, word, line.lo), DotValues(acc.hi, word, line.hi)};
}
inline Ints AddShifted7(Ints high, Ints low) {
  return {_mm256_add_epi32(_mm256_slli_epi32(high.lo, 7), low.lo),
          _mm256_add_epi32(_mm256_slli_epi32(high.hi, 7), low.hi)};
}
inline __m256i ToWeights(__m256 a) {
  return _mm256_min_epi32(_mm256_max_epi32(_mm256_cvtps_epi32(a), _mm256_setzero_si256()),
                          _mm256_set1_epi32(16383));
}
inline Ints ToWeights(Floats a) { return {ToWeights(a.lo), ToWeights(a.hi)}; }
inline Ints ShiftRight7(Ints a) {
  return {_mm256_srli_epi32(a.lo, 7), _mm256_srli_epi32(a.hi, 7)};
}
inline Ints LowSeven(Ints a) {
  const __m256i mask = _mm256_set1_epi32(127);
  return {_mm256_and_si256(a.lo, mask), _mm256_and_si256(a.hi, mask)};
}

inline void StoreFactors(uint8_t* high, uint8_t* low, const Floats (&weights)[4]) {
  for (int i = 0; i < 4; ++i) {
    const Ints codes = ToWeights(weights[i]);
    StoreBytes(reinterpret_cast<int8_t*>(high + 16 * i), ShiftRight7(codes));
    StoreBytes(reinterpret_cast<int8_t*>(low + 16 * i), LowSeven(codes));
  }
}

// For moving keys: byte `i` of each lane, less the 128 that a stored key is raised by, and back.
inline void StoreLine(void* p, Ints a) {
  auto* to = static_cast<__m256i*>(p);
  _mm256_storeu_si256(to, a.lo);
  _mm256_storeu_si256(to + 1, a.hi);
}
inline __m256 KeyBytes(__m256i line, int i) {
  const __m256i byte = _mm256_and_si256(_mm256_srli_epi32(line, 8 * i), _mm256_set1_epi32(255));
  return _mm256_cvtepi32_ps(_mm256_sub_epi32(byte, _mm256_set1_epi32(128)));
}
inline Floats KeyBytes(Ints line, int i) { return {KeyBytes(line.lo, i), KeyBytes(line.hi, i)}; }
inline __m256i AddKeyBytes(__m256i line, __m256i codes, int i) {
  const __m256i raised = _mm256_add_epi32(codes, _mm256_set1_epi32(128));
  return _mm256_or_si256(line, _mm256_slli_epi32(raised, 8 * i));
}
inline Ints AddKeyBytes(Ints line, Ints codes, int i) {
  return {AddKeyBytes(line.lo, codes.lo, i), AddKeyBytes(line.hi, codes.hi, i)};
}

}  // namespace weir::tensor::avx2
