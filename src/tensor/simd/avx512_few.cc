// Decode: one activation row, or the few of a draft that is checked. Bound by reading the weights,
// so each line is loaded once, taken apart in registers and multiplied with broadcast dwords of the
// activations.
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "tensor/simd/avx512.h"
#include "tensor/simd/for_quantised.h"
#include "tensor/simd/unroll.h"

// After all headers of others.
// The order matters.
// clang-format off
#include "tensor/simd/target_avx512.h"
#include "tensor/simd/avx512_dot.h"
#include "tensor/simd/avx512_lines.h"
// clang-format on

namespace weir::tensor::avx512 {
namespace {

#include "tensor/simd/ask_ahead-inl.h"

// Lines first .. first + count - 1, for loops that spread them between their loads.
template <int kCount>
inline void PrefetchLines(const std::byte* super, size_t first) {
  WEIR_UNROLL
  for (int i = 0; i < kCount; ++i) {
    _mm_prefetch(reinterpret_cast<const char*>(super + kAhead + 64 * (first + i)), _MM_HINT_T1);
  }
}

// The codes, scales and sums of the rows at a superblock; the next row's lie kSuperColumns,
// kSuperBlocks, ... further, the next superblock's n rows further.
struct Few {
  const int8_t* codes;
  const float* scales;
  const float* scaled_sums;
  const int32_t* negative_sums;
  const int32_t* negative_halves;

  void Next(size_t n) {
    codes += n * kSuperColumns;
    scales += n * kSuperBlocks;
    scaled_sums += n * kSuperBlocks;
    negative_sums += n * kSuperBlocks;
    negative_halves += 2 * n * kSuperBlocks;
  }
};

template <int kLogOffset>
inline __m512i Start(int32_t negative_sum) {
  if constexpr (kLogOffset == 0) return _mm512_setzero_si512();
  return _mm512_set1_epi32(static_cast<int32_t>(static_cast<uint32_t>(negative_sum) << kLogOffset));
}

// acc[m] += dot[m] * scale * the row's scale.
template <int M>
inline void AddBlock(const __m512i (&dot)[M], __m512 scale, const float* x_scales,
                     __m512 (&acc)[M]) {
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) {
    const __m512 x_scale = _mm512_set1_ps(x_scales[m * kSuperBlocks]);
    acc[m] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[m]), _mm512_mul_ps(scale, x_scale), acc[m]);
  }
}

// dot[m] += the line times the dword at codes of row m.
template <int M>
inline void DotLine(__m512i line, const int8_t* codes, __m512i (&dot)[M]) {
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) {
    dot[m] = _mm512_dpbusd_epi32(dot[m], line, BroadcastWord(codes + m * kSuperColumns));
  }
}

// Lines T .. 7 of a five-bit block.
template <DType kType, int T, int M>
inline void DotFiveBits(const std::byte* quants, const std::byte* high, const int8_t* codes,
                        __m512i (&a)[M], __m512i (&b)[M]) {
  DotLine(BlockLine<kType, T>(quants, high), codes + 4 * T, T % 2 == 0 ? a : b);
  if constexpr (T + 1 < 8) DotFiveBits<kType, T + 1>(quants, high, codes, a, b);
}

// Adds the exact sums of the quants of one 32-column block times its codes, 16 weight rows, to dot.
template <DType kType, int M>
inline void DotBlock(const std::byte* quants, const std::byte* high, const int8_t* codes,
                     __m512i (&dot)[M]) {
  __m512i other[M];
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) other[m] = _mm512_setzero_si512();
  if constexpr (kType == DType::kQ8_0) {
    WEIR_UNROLL
    for (int t = 0; t < 4; ++t) {
      DotLine(Line(quants + 128 * t), codes + 8 * t, dot);
      DotLine(Line(quants + 128 * t + 64), codes + 8 * t + 4, other);
    }
  } else if constexpr (IsFiveBit(kType)) {
    DotFiveBits<kType, 0>(quants, high, codes, dot, other);
  } else {
    // High nibbles are left in place, 16 times their value: one shift at the end.
    const __m512i high_mask = _mm512_set1_epi8(static_cast<char>(0xf0));
    WEIR_UNROLL
    for (int t = 0; t < 4; ++t) {
      const __m512i pair = Line(quants + 64 * t);
      DotLine(LowNibbles(pair), codes + 4 * t, dot);
      DotLine(_mm512_and_si512(pair, high_mask), codes + 16 + 4 * t, other);
    }
    WEIR_UNROLL
    for (int m = 0; m < M; ++m) other[m] = _mm512_srai_epi32(other[m], 4);
  }
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) dot[m] = _mm512_add_epi32(dot[m], other[m]);
}

template <DType kType, int M>
inline void Super32(const std::byte* super, size_t blocks, const Few& x, __m512 (&acc)[M]) {
  const SuperLayout layout = LayoutOf(kType, blocks);
  constexpr size_t kQuantBytes = QuantLines(kType) * 64;
  for (size_t b = 0; b < blocks; ++b) {
    const std::byte* quants = super + layout.quants + b * kQuantBytes;
    PrefetchPart<LayoutOf(kType, kSuperBlocks).bytes, kSuperBlocks>(super, b);
    __m512i dot[M];
    WEIR_UNROLL
    for (int m = 0; m < M; ++m) {
      dot[m] = Start<LogOffset(kType)>(x.negative_sums[m * kSuperBlocks + b]);
    }
    DotBlock<kType>(quants, super + layout.high + b * 64, x.codes + b * kBlockColumns, dot);
    AddBlock(dot, Halves(super + b * 32), x.scales + b, acc);
    if constexpr (HasMinimum(kType)) {
      const __m512 minimum = Halves(super + layout.minima + b * 32);
      WEIR_UNROLL
      for (int m = 0; m < M; ++m) {
        acc[m] = _mm512_fmadd_ps(minimum, _mm512_set1_ps(x.scaled_sums[m * kSuperBlocks + b]),
                                 acc[m]);
      }
    }
  }
}

// Sub-block kBlock of Q4_K or Q5_K.
template <int kBlock, int M>
inline void AddBlockK(const __m512i (&dot)[M], const ScalesK& scales, __m512 d, __m512 dmin,
                      const Few& x, __m512 (&acc)[M]) {
  AddBlock(dot, ScaleOf<kBlock>(scales.scales, d), x.scales + kBlock, acc);
  const __m512 minimum = ScaleOf<kBlock>(scales.minima, dmin);
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) {
    const __m512 sum = _mm512_set1_ps(x.scaled_sums[m * kSuperBlocks + kBlock]);
    acc[m] = _mm512_fnmadd_ps(minimum, sum, acc[m]);
  }
}

// Sub-blocks 2 kPair and 2 kPair + 1 of Q4_K or Q5_K.
template <DType kType, int kPair, int M>
inline void PairK(const std::byte* super, const ScalesK& scales, __m512 d, __m512 dmin,
                  const Few& x, __m512 (&acc)[M]) {
  constexpr int kSums = M == 1 ? 2 : 1;  // one row alone would wait for its own sum
  const std::byte* quants = super + kQuantsK + kPair * 512;
  const int8_t* codes = x.codes + kPair * 64;
  constexpr size_t kLines = SuperBytesK(kType) / 64 / 4;  // of a pair: 9 or 11
  PrefetchLines<kLines - 8>(super, kPair * kLines + 8);
  __m512i a[kSums][M], b[kSums][M];
  WEIR_UNROLL
  for (int m = 0; m < kSums * M; ++m) a[m / M][m % M] = b[m / M][m % M] = _mm512_setzero_si512();
  // Unrolled, the compiler would gather all prefetches into one burst, more than the core can
  // track.
  WEIR_NO_UNROLL
  for (int t = 0; t < 8; t += 2) {
    PrefetchLines<2>(super, kPair * kLines + t);
    WEIR_UNROLL
    for (int u = 0; u < 2; ++u) {
      const __m512i pair = Line(quants + 64 * (t + u));
      const int8_t *first = codes + 4 * (t + u), *second = first + 32;
      if constexpr (kType == DType::kQ5_K) {
        const __m512i high = Line(super + kHighK + 64 * (t + u));
        DotLine(WithFifth<2 * kPair>(LowNibbles(pair), high), first, a[u % kSums]);
        DotLine(WithFifth<2 * kPair + 1>(HighNibbles(pair), high), second, b[u % kSums]);
      } else {
        const __m512i high_mask = _mm512_set1_epi8(static_cast<char>(0xf0));
        DotLine(LowNibbles(pair), first, a[u % kSums]);
        DotLine(_mm512_and_si512(pair, high_mask), second, b[u % kSums]);
      }
    }
  }
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) {
    if constexpr (kSums == 2) {
      a[0][m] = _mm512_add_epi32(a[0][m], a[1][m]);
      b[0][m] = _mm512_add_epi32(b[0][m], b[1][m]);
    }
    if constexpr (kType == DType::kQ4_K) b[0][m] = _mm512_srai_epi32(b[0][m], 4);
  }
  AddBlockK<2 * kPair>(a[0], scales, d, dmin, x, acc);
  AddBlockK<2 * kPair + 1>(b[0], scales, d, dmin, x, acc);
}

template <DType kType, int M>
inline void SuperK45(const std::byte* super, const Few& x, __m512 (&acc)[M]) {
  const ScalesK scales = UnpackScales(super + kScalesK);
  const __m512 d = Halves(super), dmin = Halves(super + 32);
  PairK<kType, 0>(super, scales, d, dmin, x, acc);
  PairK<kType, 1>(super, scales, d, dmin, x, acc);
  PairK<kType, 2>(super, scales, d, dmin, x, acc);
  PairK<kType, 3>(super, scales, d, dmin, x, acc);
}

// Lines 4 kStep .. 4 kStep + 3 of sub-blocks kOne and kOne + 2 of a half: their sums become
// dots[2 s + kStep].
template <int kStep, int kOne, int M>
inline void Pair6K(const std::byte* super, size_t half, const Few& x, __m512i (&dots)[8][M]) {
  const std::byte* from = super + kQuants6K + half * kHalf6K;
  const int32_t* sums = x.negative_halves + half * 8 + 2 * kOne + kStep;
  const int8_t* codes = x.codes + half * 128 + 32 * kOne;
  __m512i low[M], high[M];
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) {
    low[m] = _mm512_set1_epi32(sums[m * 2 * kSuperBlocks]);
    high[m] = _mm512_set1_epi32(sums[m * 2 * kSuperBlocks + 4]);
  }
  // Unrolled, the compiler would gather all prefetches into one burst, more than the core can
  // track.
  WEIR_NO_UNROLL
  for (size_t i = 0; i < 4; ++i) {
    // Two a round in the order of their addresses are a few more than a superblock has; other
    // orders, or as many as it has, were half as fast.
    PrefetchLines<2>(super, 32 * half + 16 * kStep + 8 * kOne + 2 * i);
    const size_t t = 4 * kStep + i;
    const __m512i mask = _mm512_set1_epi8(0x30), nibbles = Line(from + 64 * (8 * kOne + t)),
                  bits = Line(from + 64 * (16 + t));
    const __m512i first = kOne == 0 ? _mm512_slli_epi16(bits, 4) : _mm512_slli_epi16(bits, 2);
    const __m512i second = kOne == 0 ? bits : _mm512_srli_epi16(bits, 2);
    DotLine(AndOr(first, mask, LowNibbles(nibbles)), codes + 4 * t, low);
    DotLine(AndOr(second, mask, HighNibbles(nibbles)), codes + 64 + 4 * t, high);
  }
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) {
    dots[2 * kOne + kStep][m] = low[m];
    dots[2 * (kOne + 2) + kStep][m] = high[m];
  }
}

// Scales belong to 16 columns, so the first four lines of a sub-block and its last four have sums
// of their own. Sub-blocks 0 and 2 of a half come from the same lines, and so do 1 and 3.
template <int M>
inline void Super6K(const std::byte* super, const Few& x, __m512 (&acc)[M]) {
  const __m512 d = Halves(super);
  for (size_t half = 0; half < 2; ++half) {
    __m512i dots[8][M];
    Pair6K<0, 0>(super, half, x, dots);
    Pair6K<0, 1>(super, half, x, dots);
    Pair6K<1, 0>(super, half, x, dots);
    Pair6K<1, 1>(super, half, x, dots);
    WEIR_UNROLL
    for (int s = 0; s < 8; ++s) {
      AddBlock(dots[s], Scale6K(super, half * 8 + s, d), x.scales + half * 4 + s / 2, acc);
    }
  }
}

template <DType kType, int M>
void Groups(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y) {
  for (size_t g = begin; g < end; ++g) {
    const std::byte* super = w.group(g);
    Few x = {a.codes, a.scales, a.scaled_sums, a.negative_sums, a.negative_halves};
    __m512 acc[M];
    WEIR_UNROLL
    for (int m = 0; m < M; ++m) acc[m] = _mm512_setzero_ps();
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
      x.Next(M);
      left -= blocks;
    }
    const size_t rows = std::min(kGroupRows, w.rows - g * kGroupRows);
    const auto mask = static_cast<__mmask16>((1u << rows) - 1);
    WEIR_UNROLL
    for (int m = 0; m < M; ++m) {
      _mm512_mask_storeu_ps(y + m * w.rows + g * kGroupRows, mask, acc[m]);
    }
  }
}

template <DType kType, int M>
void GroupsUpTo(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y) {
  if constexpr (M > 1) {
    if (a.n < M) return GroupsUpTo<kType, M - 1>(w, begin, end, a, y);
  }
  Groups<kType, M>(w, begin, end, a, y);
}

}  // namespace

void MultiplyFew(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y) {
  ForQuantised(w.type,
               [&]<DType kType>() { GroupsUpTo<kType, kMostFew>(w, begin, end, a, y); });
}

}  // namespace weir::tensor::avx512

#include "tensor/simd/target_end.h"
