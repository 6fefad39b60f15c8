// Decode for AVX2: one activation row. Each line is loaded once, taken apart in registers and
// multiplied with broadcast dwords of the activation, half a group (8 rows) at a time.
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "tensor/simd/avx2.h"
#include "tensor/simd/for_quantised.h"
#include "tensor/simd/unroll.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx2.h"
#include "tensor/simd/avx2_lines.h"
// clang-format on

namespace weir::tensor::avx2 {
namespace {

#include "tensor/simd/ask_ahead-inl.h"

struct One {
  const int8_t* codes;
  const float* scales;
  const float* scaled_sums;
  const int32_t* negative_sums;
  const int32_t* negative_halves;

  void Skip(size_t blocks) {
    codes += blocks * kBlockColumns;
    scales += blocks;
    scaled_sums += blocks;
    negative_sums += blocks;
    negative_halves += 2 * blocks;
  }
};

inline __m256 AddBlock(__m256 acc, __m256i dot, __m256 scale, float x_scale) {
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), _mm256_mul_ps(scale, _mm256_set1_ps(x_scale)),
                         acc);
}

// What is subtracted from the quants, times the codes.
template <int kLogOffset>
inline __m256i Start(int32_t negative_sum) {
  if constexpr (kLogOffset == 0) return _mm256_setzero_si256();
  return _mm256_set1_epi32(static_cast<int32_t>(static_cast<uint32_t>(negative_sum) << kLogOffset));
}

inline __m256i Products(__m256i quants, const int8_t* codes) {
  return _mm256_maddubs_epi16(quants, BroadcastWord(codes));
}
inline __m256i Widen(__m256i pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }

// The exact sum of the quants of one 32-column block times its codes, 8 rows. `quants` and `high`
// point to the half group's bytes of the first line.
template <DType kType>
inline __m256i DotBlock(const std::byte* quants, const std::byte* high, const int8_t* codes,
                        __m256i dot) {
  if constexpr (kType == DType::kQ8_0) {
    WEIR_UNROLL
    for (int t = 0; t < 8; ++t) {
      const __m256i w = Signed(HalfLine(quants + 64 * t));
      const __m256i x = _mm256_sign_epi8(BroadcastWord(codes + 4 * t), w);
      dot = _mm256_add_epi32(dot, Widen(_mm256_maddubs_epi16(_mm256_abs_epi8(w), x)));
    }
    return dot;
  } else if constexpr (IsFiveBit(kType)) {
    const __m256i fifth = HalfLine(high);
    const __m256i p0 = HalfLine(quants), p1 = HalfLine(quants + 64), p2 = HalfLine(quants + 128),
                  p3 = HalfLine(quants + 192);
    // Four steps fit into 16 bits.
    __m256i a = Products(WithFifth<0>(LowNibbles(p0), fifth), codes);
    __m256i b = Products(WithFifth<4>(HighNibbles(p0), fifth), codes + 16);
    a = _mm256_add_epi16(a, Products(WithFifth<1>(LowNibbles(p1), fifth), codes + 4));
    b = _mm256_add_epi16(b, Products(WithFifth<5>(HighNibbles(p1), fifth), codes + 20));
    a = _mm256_add_epi16(a, Products(WithFifth<2>(LowNibbles(p2), fifth), codes + 8));
    b = _mm256_add_epi16(b, Products(WithFifth<6>(HighNibbles(p2), fifth), codes + 24));
    a = _mm256_add_epi16(a, Products(WithFifth<3>(LowNibbles(p3), fifth), codes + 12));
    b = _mm256_add_epi16(b, Products(WithFifth<7>(HighNibbles(p3), fifth), codes + 28));
    return _mm256_add_epi32(dot, _mm256_add_epi32(Widen(a), Widen(b)));
  } else {
    __m256i a = _mm256_setzero_si256(), b = a;
    WEIR_UNROLL
    for (int t = 0; t < 4; ++t) {
      const __m256i pair = HalfLine(quants + 64 * t);
      a = _mm256_add_epi16(a, Products(LowNibbles(pair), codes + 4 * t));
      b = _mm256_add_epi16(b, Products(HighNibbles(pair), codes + 16 + 4 * t));
    }
    return _mm256_add_epi32(dot, Widen(_mm256_add_epi16(a, b)));  // eight steps fit
  }
}

// The two halves of a group take turns block by block: their sums are chains of their own.
template <DType kType>
inline void Super32(const std::byte* super, size_t blocks, const One& x, __m256 (&acc)[2]) {
  const SuperLayout layout = LayoutOf(kType, blocks);
  constexpr size_t kQuantBytes = QuantLines(kType) * 64;
  for (size_t b = 0; b < blocks; ++b) {
    PrefetchPart<LayoutOf(kType, kSuperBlocks).bytes, kSuperBlocks>(super, b);
    WEIR_UNROLL
    for (int half = 0; half < 2; ++half) {
      const std::byte* quants = super + layout.quants + b * kQuantBytes + 32 * half;
      const __m256i dot = DotBlock<kType>(
          quants, super + layout.high + b * 64 + 32 * half, x.codes + b * kBlockColumns,
          // Q8_0 is taken as signed.
          Start<kType == DType::kQ8_0 ? 0 : LogOffset(kType)>(x.negative_sums[b]));
      acc[half] = AddBlock(acc[half], dot, Halves(super + b * 32 + 16 * half), x.scales[b]);
      if constexpr (HasMinimum(kType)) {
        acc[half] = _mm256_fmadd_ps(Halves(super + layout.minima + b * 32 + 16 * half),
                                    _mm256_set1_ps(x.scaled_sums[b]), acc[half]);
      }
    }
  }
}

// Sub-blocks 2 kPair and 2 kPair + 1 of Q4_K or Q5_K.
template <DType kType, int kPair>
inline __m256 PairK(const std::byte* super, int half, const ScalesK& scales, __m256 d, __m256 dmin,
                    const One& x, __m256 acc) {
  const std::byte* quants = super + kQuantsK + kPair * 512 + 32 * half;
  const std::byte* high = super + kHighK + 32 * half;
  const int8_t* codes = x.codes + kPair * 64;
  __m256i first = _mm256_setzero_si256(), second = first;
  WEIR_UNROLL
  for (int four = 0; four < 2; ++four) {
    __m256i a = _mm256_setzero_si256(), b = a;
    WEIR_UNROLL
    for (int t = 4 * four; t < 4 * four + 4; ++t) {
      const __m256i pair = HalfLine(quants + 64 * t);
      __m256i low = LowNibbles(pair), up = HighNibbles(pair);
      if constexpr (kType == DType::kQ5_K) {
        const __m256i fifth = HalfLine(high + 64 * t);
        low = WithFifth<2 * kPair>(low, fifth);
        up = WithFifth<2 * kPair + 1>(up, fifth);
      }
      a = _mm256_add_epi16(a, Products(low, codes + 4 * t));
      b = _mm256_add_epi16(b, Products(up, codes + 32 + 4 * t));
    }
    first = _mm256_add_epi32(first, Widen(a));
    second = _mm256_add_epi32(second, Widen(b));
  }
  acc = AddBlock(acc, first, ScaleOf<2 * kPair>(scales.scales, d), x.scales[2 * kPair]);
  acc = _mm256_fnmadd_ps(ScaleOf<2 * kPair>(scales.minima, dmin),
                         _mm256_set1_ps(x.scaled_sums[2 * kPair]), acc);
  acc = AddBlock(acc, second, ScaleOf<2 * kPair + 1>(scales.scales, d), x.scales[2 * kPair + 1]);
  return _mm256_fnmadd_ps(ScaleOf<2 * kPair + 1>(scales.minima, dmin),
                          _mm256_set1_ps(x.scaled_sums[2 * kPair + 1]), acc);
}

template <DType kType>
inline void SuperK45(const std::byte* super, const One& x, __m256 (&acc)[2]) {
  for (int half = 0; half < 2; ++half) {
    const ScalesK scales = UnpackScales(super + kScalesK, half);
    const __m256 d = Halves(super + 16 * half), dmin = Halves(super + 32 + 16 * half);
    __m256 sum = acc[half];
    PrefetchPart<SuperBytesK(kType), 8>(super, 4 * half);
    sum = PairK<kType, 0>(super, half, scales, d, dmin, x, sum);
    PrefetchPart<SuperBytesK(kType), 8>(super, 4 * half + 1);
    sum = PairK<kType, 1>(super, half, scales, d, dmin, x, sum);
    PrefetchPart<SuperBytesK(kType), 8>(super, 4 * half + 2);
    sum = PairK<kType, 2>(super, half, scales, d, dmin, x, sum);
    PrefetchPart<SuperBytesK(kType), 8>(super, 4 * half + 3);
    acc[half] = PairK<kType, 3>(super, half, scales, d, dmin, x, sum);
  }
}

inline void Super6K(const std::byte* super, const One& x, __m256 (&acc)[2]) {
  for (int half = 0; half < 2; ++half) {
    const __m256 d = Halves(super + 16 * half);
    for (int part = 0; part < 2; ++part) {  // of 128 columns
      const std::byte* from = super + kQuants6K + part * kHalf6K + 32 * half;
      const int8_t* codes = x.codes + part * 128;
      __m256i dots[4][2];
      WEIR_UNROLL
      for (int h = 0; h < 2; ++h) {
        PrefetchPart<SuperBytesK(DType::kQ6_K), 8>(super, 4 * half + 2 * part + h);
        WEIR_UNROLL
        for (int s = 0; s < 4; ++s)
          dots[s][h] = _mm256_set1_epi32(x.negative_halves[part * 8 + 2 * s + h]);
        WEIR_UNROLL
        for (int two = 0; two < 2; ++two) {
          __m256i pairs[4];
          WEIR_UNROLL
          for (int u = 0; u < 2; ++u) {
            const int t = 4 * h + 2 * two + u;
            const Lines6K lines = UnpackLines6K(from, t);
            WEIR_UNROLL
            for (int s = 0; s < 4; ++s) {
              const __m256i product = Products(lines.sub[s], codes + 32 * s + 4 * t);
              pairs[s] = u == 0 ? product : _mm256_add_epi16(pairs[s], product);
            }
          }
          WEIR_UNROLL
          for (int s = 0; s < 4; ++s) dots[s][h] = _mm256_add_epi32(dots[s][h], Widen(pairs[s]));
        }
      }
      WEIR_UNROLL
      for (int s = 0; s < 8; ++s) {
        acc[half] = AddBlock(acc[half], dots[s / 2][s % 2], Scale6K(super, part * 8 + s, half, d),
                             x.scales[part * 4 + s / 2]);
      }
    }
  }
}

template <DType kType>
void Groups(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  for (size_t g = begin; g < end; ++g) {
    const std::byte* super = w.group(g);
    One x = {a.codes, a.scales, a.scaled_sums, a.negative_sums, a.negative_halves};
    __m256 acc[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (size_t left = w.blocks(); left > 0;) {
      const size_t blocks = std::min(left, kSuperBlocks);
      if constexpr (kType == DType::kQ6_K) {
        Super6K(super, x, acc);
      } else if constexpr (IsK(kType)) {
        SuperK45<kType>(super, x, acc);
      } else {
        Super32<kType>(super, blocks, x, acc);
      }
      super += IsK(kType) ? SuperBytesK(kType) : LayoutOf(kType, blocks).bytes;
      x.Skip(blocks);
      left -= blocks;
    }
    const int rows = static_cast<int>(std::min(kGroupRows, w.rows - g * kGroupRows));
    float* to = y + g * kGroupRows;
    _mm256_maskstore_ps(to, _mm256_cmpgt_epi32(_mm256_set1_epi32(rows), lanes), acc[0]);
    if (rows <= 8) continue;
    _mm256_maskstore_ps(to + 8, _mm256_cmpgt_epi32(_mm256_set1_epi32(rows - 8), lanes), acc[1]);
  }
}

}  // namespace

void MultiplyOne(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y) {
  ForQuantised(w.type, [&]<DType kType>() { Groups<kType>(w, begin, end, a, y); });
}

}  // namespace weir::tensor::avx2

#include "tensor/simd/target_end.h"
