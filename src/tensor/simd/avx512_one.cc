// Decode: one activation row. Bound by reading the weights, so each line is loaded once, taken
// apart in registers and multiplied with broadcast dwords of the activation.
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

// How far ahead of the reads lines are asked for. A superblock is several short streams (scales,
// minima, quants), which the hardware follows badly; asking part by part for all its lines doubles
// the rate.
constexpr size_t kAhead = 6144;

// Asks for part `part` of `parts` of the kBytes that lie kAhead after `super`.
template <size_t kBytes, size_t kParts>
inline void PrefetchPart(const std::byte* super, size_t part) {
  constexpr size_t kLines = (kBytes / 64 + kParts - 1) / kParts;
  const std::byte* p = super + kAhead + part * kLines * 64;
  WEIR_UNROLL
  for (size_t i = 0; i < kLines; ++i)
    _mm_prefetch(reinterpret_cast<const char*>(p + 64 * i), _MM_HINT_T0);
}

// Lines first .. first + count - 1, for loops that spread them between their loads.
template <int kCount>
inline void PrefetchLines(const std::byte* super, size_t first) {
  WEIR_UNROLL
  for (int i = 0; i < kCount; ++i) {
    _mm_prefetch(reinterpret_cast<const char*>(super + kAhead + 64 * (first + i)), _MM_HINT_T0);
  }
}

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

template <int kLogOffset>
inline __m512i Start(int32_t negative_sum) {
  if constexpr (kLogOffset == 0) return _mm512_setzero_si512();
  return _mm512_set1_epi32(static_cast<int32_t>(static_cast<uint32_t>(negative_sum) << kLogOffset));
}

inline __m512 AddBlock(__m512 acc, __m512i dot, __m512 scale, float x_scale) {
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), _mm512_mul_ps(scale, _mm512_set1_ps(x_scale)),
                         acc);
}

// The exact sum of the quants of one 32-column block times its codes, 16 rows.
template <DType kType>
inline __m512i DotBlock(const std::byte* quants, const std::byte* high, const int8_t* codes,
                        __m512i start) {
  __m512i a = start, b = _mm512_setzero_si512();
  if constexpr (kType == DType::kQ8_0) {
    WEIR_UNROLL
    for (int t = 0; t < 4; ++t) {
      a = _mm512_dpbusd_epi32(a, Line(quants + 128 * t), BroadcastWord(codes + 8 * t));
      b = _mm512_dpbusd_epi32(b, Line(quants + 128 * t + 64), BroadcastWord(codes + 8 * t + 4));
    }
    return _mm512_add_epi32(a, b);
  } else if constexpr (IsFiveBit(kType)) {
    a = _mm512_dpbusd_epi32(a, BlockLine<kType, 0>(quants, high), BroadcastWord(codes));
    b = _mm512_dpbusd_epi32(b, BlockLine<kType, 1>(quants, high), BroadcastWord(codes + 4));
    a = _mm512_dpbusd_epi32(a, BlockLine<kType, 2>(quants, high), BroadcastWord(codes + 8));
    b = _mm512_dpbusd_epi32(b, BlockLine<kType, 3>(quants, high), BroadcastWord(codes + 12));
    a = _mm512_dpbusd_epi32(a, BlockLine<kType, 4>(quants, high), BroadcastWord(codes + 16));
    b = _mm512_dpbusd_epi32(b, BlockLine<kType, 5>(quants, high), BroadcastWord(codes + 20));
    a = _mm512_dpbusd_epi32(a, BlockLine<kType, 6>(quants, high), BroadcastWord(codes + 24));
    b = _mm512_dpbusd_epi32(b, BlockLine<kType, 7>(quants, high), BroadcastWord(codes + 28));
    return _mm512_add_epi32(a, b);
  } else {
    // High nibbles are left in place, 16 times their value: one shift at the end.
    const __m512i high_mask = _mm512_set1_epi8(static_cast<char>(0xf0));
    WEIR_UNROLL
    for (int t = 0; t < 4; ++t) {
      const __m512i pair = Line(quants + 64 * t);
      a = _mm512_dpbusd_epi32(a, LowNibbles(pair), BroadcastWord(codes + 4 * t));
      b = _mm512_dpbusd_epi32(b, _mm512_and_si512(pair, high_mask),
                              BroadcastWord(codes + 16 + 4 * t));
    }
    return _mm512_add_epi32(a, _mm512_srai_epi32(b, 4));
  }
}

template <DType kType>
inline __m512 Super32(const std::byte* super, size_t blocks, const One& x, __m512 acc) {
  const SuperLayout layout = LayoutOf(kType, blocks);
  constexpr size_t kQuantBytes = QuantLines(kType) * 64;
  for (size_t b = 0; b < blocks; ++b) {
    const std::byte* quants = super + layout.quants + b * kQuantBytes;
    PrefetchPart<LayoutOf(kType, kSuperBlocks).bytes, kSuperBlocks>(super, b);
    const __m512i dot =
        DotBlock<kType>(quants, super + layout.high + b * 64, x.codes + b * kBlockColumns,
                        Start<LogOffset(kType)>(x.negative_sums[b]));
    acc = AddBlock(acc, dot, Halves(super + b * 32), x.scales[b]);
    if constexpr (HasMinimum(kType)) {
      acc = _mm512_fmadd_ps(Halves(super + layout.minima + b * 32),
                            _mm512_set1_ps(x.scaled_sums[b]), acc);
    }
  }
  return acc;
}

// Sub-blocks 2 kPair and 2 kPair + 1 of Q4_K or Q5_K.
template <DType kType, int kPair>
inline __m512 PairK(const std::byte* super, const ScalesK& scales, __m512 d, __m512 dmin,
                    const One& x, __m512 acc) {
  const std::byte* quants = super + kQuantsK + kPair * 512;
  const int8_t* codes = x.codes + kPair * 64;
  constexpr size_t kLines = SuperBytesK(kType) / 64 / 4;  // of a pair: 9 or 11
  PrefetchLines<kLines - 8>(super, kPair * kLines + 8);
  __m512i a[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()}, b[2] = {a[0], a[0]};
  // Unrolled, the compiler would gather all prefetches into one burst, more than the core can
  // track.
  WEIR_NO_UNROLL
  for (int t = 0; t < 8; t += 2) {
    PrefetchLines<2>(super, kPair * kLines + t);
    WEIR_UNROLL
    for (int u = 0; u < 2; ++u) {
      const __m512i pair = Line(quants + 64 * (t + u));
      const __m512i first = BroadcastWord(codes + 4 * (t + u)),
                    second = BroadcastWord(codes + 32 + 4 * (t + u));
      if constexpr (kType == DType::kQ5_K) {
        const __m512i high = Line(super + kHighK + 64 * (t + u));
        a[u] = _mm512_dpbusd_epi32(a[u], WithFifth<2 * kPair>(LowNibbles(pair), high), first);
        b[u] = _mm512_dpbusd_epi32(b[u], WithFifth<2 * kPair + 1>(HighNibbles(pair), high), second);
      } else {
        const __m512i high_mask = _mm512_set1_epi8(static_cast<char>(0xf0));
        a[u] = _mm512_dpbusd_epi32(a[u], LowNibbles(pair), first);
        b[u] = _mm512_dpbusd_epi32(b[u], _mm512_and_si512(pair, high_mask), second);
      }
    }
  }
  const __m512i first = _mm512_add_epi32(a[0], a[1]);
  __m512i second = _mm512_add_epi32(b[0], b[1]);
  if constexpr (kType == DType::kQ4_K) second = _mm512_srai_epi32(second, 4);
  acc = AddBlock(acc, first, ScaleOf<2 * kPair>(scales.scales, d), x.scales[2 * kPair]);
  acc = _mm512_fnmadd_ps(ScaleOf<2 * kPair>(scales.minima, dmin),
                         _mm512_set1_ps(x.scaled_sums[2 * kPair]), acc);
  acc = AddBlock(acc, second, ScaleOf<2 * kPair + 1>(scales.scales, d), x.scales[2 * kPair + 1]);
  return _mm512_fnmadd_ps(ScaleOf<2 * kPair + 1>(scales.minima, dmin),
                          _mm512_set1_ps(x.scaled_sums[2 * kPair + 1]), acc);
}

template <DType kType>
inline __m512 SuperK45(const std::byte* super, const One& x, __m512 acc) {
  const ScalesK scales = UnpackScales(super + kScalesK);
  const __m512 d = Halves(super), dmin = Halves(super + 32);
  acc = PairK<kType, 0>(super, scales, d, dmin, x, acc);
  acc = PairK<kType, 1>(super, scales, d, dmin, x, acc);
  acc = PairK<kType, 2>(super, scales, d, dmin, x, acc);
  return PairK<kType, 3>(super, scales, d, dmin, x, acc);
}

inline __m512 Super6K(const std::byte* super, const One& x, __m512 acc) {
  const __m512 d = Halves(super);
  for (size_t half = 0; half < 2; ++half) {
    const std::byte* from = super + kQuants6K + half * kHalf6K;
    const int8_t* codes = x.codes + half * 128;
    constexpr size_t kLines = (SuperBytesK(DType::kQ6_K) / 64 + 1) / 2 + 1;  // of a half: 27
    PrefetchLines<kLines - 24>(super, half * kLines + 24);
    __m512i dots[4][2];
    WEIR_UNROLL
    for (int s = 0; s < 8; ++s)
      dots[s / 2][s % 2] = _mm512_set1_epi32(x.negative_halves[half * 8 + s]);
    WEIR_UNROLL
    for (int h = 0; h < 2; ++h) {
      // Unrolled, the compiler would gather all prefetches into one burst, more than the core can
      // track.
      WEIR_NO_UNROLL
      for (int t = 4 * h; t < 4 * h + 4; ++t) {
        const Lines6K lines = UnpackLines6K(from, t);
        PrefetchLines<3>(super, half * kLines + 3 * t);
        WEIR_UNROLL
        for (int s = 0; s < 4; ++s) {
          dots[s][h] =
              _mm512_dpbusd_epi32(dots[s][h], lines.sub[s], BroadcastWord(codes + 32 * s + 4 * t));
        }
      }
    }
    WEIR_UNROLL
    for (int s = 0; s < 8; ++s) {
      acc = AddBlock(acc, dots[s / 2][s % 2], Scale6K(super, half * 8 + s, d),
                     x.scales[half * 4 + s / 2]);
    }
  }
  return acc;
}

template <DType kType>
void Groups(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y) {
  for (size_t g = begin; g < end; ++g) {
    const std::byte* super = w.group(g);
    One x = {a.codes, a.scales, a.scaled_sums, a.negative_sums, a.negative_halves};
    __m512 acc = _mm512_setzero_ps();
    for (size_t left = w.blocks(); left > 0;) {
      const size_t blocks = std::min(left, kSuperBlocks);
      if constexpr (kType == DType::kQ6_K) {
        acc = Super6K(super, x, acc);
      } else if constexpr (IsK(kType)) {
        acc = SuperK45<kType>(super, x, acc);
      } else {
        acc = Super32<kType>(super, blocks, x, acc);
      }
      super += IsK(kType) ? SuperBytesK(kType) : LayoutOf(kType, blocks).bytes;
      x.Skip(blocks);
      left -= blocks;
    }
    const size_t rows = std::min(kGroupRows, w.rows - g * kGroupRows);
    _mm512_mask_storeu_ps(y + g * kGroupRows, static_cast<__mmask16>((1u << rows) - 1), acc);
  }
}

}  // namespace

void MultiplyOne(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y) {
  ForQuantised(w.type, [&]<DType kType>() { Groups<kType>(w, begin, end, a, y); });
}

}  // namespace weir::tensor::avx512

#include "tensor/simd/target_end.h"
