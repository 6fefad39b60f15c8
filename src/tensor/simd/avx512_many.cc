// Prefill: many activation rows, in register tiles of kTileRows x 2 x 16 (many-inl.h). One tile
// kernel serves all formats.
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "tensor/simd/avx512.h"
#include "tensor/simd/for_quantised.h"
#include "tensor/simd/unroll.h"

// The order matters.
// clang-format off
#include "tensor/simd/target_avx512.h"
#include "tensor/simd/avx512_dot.h"
#include "tensor/simd/avx512_lines.h"
// clang-format on

namespace weir::tensor::avx512 {
namespace {

// 6 x 2 integer sums, as many f32 sums, two weight lines and the broadcast fill 27 of 32 registers.
constexpr int kTileRows = 6;

template <DType kType, int T>
inline void StoreLines(const std::byte* quants, const std::byte* high, uint8_t (*out)[64]) {
  _mm512_store_si512(out[T], BlockLine<kType, T>(quants, high));
  if constexpr (T + 1 < 8) StoreLines<kType, T + 1>(quants, high, out);
}

template <DType kType>
inline void Unpack32(const std::byte* super, size_t blocks, UnpackedSuper* out) {
  const SuperLayout layout = LayoutOf(kType, blocks);
  for (size_t b = 0; b < blocks; ++b) {
    StoreLines<kType, 0>(super + layout.quants + b * QuantLines(kType) * 64,
                         super + layout.high + b * 64, out->quants[b]);
    _mm512_store_ps(out->scales[b][0], Halves(super + b * 32));
    if constexpr (HasMinimum(kType))
      _mm512_store_ps(out->minima[b], Halves(super + layout.minima + b * 32));
  }
}

template <DType kType, int kPair>
inline void UnpackPairK(const std::byte* super, const ScalesK& scales, UnpackedSuper* out) {
  WEIR_UNROLL
  for (int t = 0; t < 8; ++t) {
    const __m512i pair = Line(super + kQuantsK + kPair * 512 + 64 * t);
    __m512i first = LowNibbles(pair), second = HighNibbles(pair);
    if constexpr (kType == DType::kQ5_K) {
      const __m512i high = Line(super + kHighK + 64 * t);
      first = WithFifth<2 * kPair>(first, high);
      second = WithFifth<2 * kPair + 1>(second, high);
    }
    _mm512_store_si512(out->quants[2 * kPair][t], first);
    _mm512_store_si512(out->quants[2 * kPair + 1][t], second);
  }
  const __m512 d = Halves(super), dmin = Halves(super + 32);
  const __m512 sign = _mm512_set1_ps(-0.0f);
  _mm512_store_ps(out->scales[2 * kPair][0], ScaleOf<2 * kPair>(scales.scales, d));
  _mm512_store_ps(out->scales[2 * kPair + 1][0], ScaleOf<2 * kPair + 1>(scales.scales, d));
  _mm512_store_ps(out->minima[2 * kPair],
                  _mm512_xor_ps(sign, ScaleOf<2 * kPair>(scales.minima, dmin)));
  _mm512_store_ps(out->minima[2 * kPair + 1],
                  _mm512_xor_ps(sign, ScaleOf<2 * kPair + 1>(scales.minima, dmin)));
}

template <DType kType>
inline void UnpackK45(const std::byte* super, UnpackedSuper* out) {
  const ScalesK scales = UnpackScales(super + kScalesK);
  UnpackPairK<kType, 0>(super, scales, out);
  UnpackPairK<kType, 1>(super, scales, out);
  UnpackPairK<kType, 2>(super, scales, out);
  UnpackPairK<kType, 3>(super, scales, out);
}

inline void Unpack6K(const std::byte* super, UnpackedSuper* out) {
  const __m512 d = Halves(super);
  for (size_t half = 0; half < 2; ++half) {
    for (size_t t = 0; t < 8; ++t) {
      const Lines6K lines = UnpackLines6K(super + kQuants6K + half * kHalf6K, t);
      WEIR_UNROLL
      for (int s = 0; s < 4; ++s) _mm512_store_si512(out->quants[half * 4 + s][t], lines.sub[s]);
    }
  }
  for (size_t s = 0; s < 16; ++s) _mm512_store_ps(out->scales[s / 2][s % 2], Scale6K(super, s, d));
}

#include "tensor/simd/many-inl.h"

// M activation rows times G unpacked superblocks of `blocks` blocks, added to sum.
template <DType kType, int M, int G>
inline void TileBlocks(const UnpackedSuper* w, size_t blocks, const Tile& tile,
                       __m512 (&sum)[M][G]) {
  constexpr int kHalves = kType == DType::kQ6_K ? 2 : 1;
  constexpr int kSteps = 8 / kHalves;
  const Activations& a = *tile.a;
  const size_t first = a.IndexOf(tile.at, tile.row);
  for (size_t b = 0; b < blocks; ++b) {
    const size_t at = first + b;  // the next row's 8 further
    WEIR_UNROLL
    for (int g = 0; g < G; ++g) tile.ahead[g].Ask(b);
    WEIR_UNROLL
    for (int h = 0; h < kHalves; ++h) {
      __m512i dot[M][G];
      WEIR_UNROLL
      for (int m = 0; m < M; ++m) {
        __m512i start = _mm512_setzero_si512();
        if constexpr (LogOffset(kType) != 0) {
          const int32_t* sums =
              kHalves == 2 ? a.negative_halves + 2 * at + h : a.negative_sums + at;
          start = _mm512_slli_epi32(_mm512_set1_epi32(sums[m * kHalves * kSuperBlocks]),
                                    kHalves == 2 ? 0 : LogOffset(kType));
        }
        WEIR_UNROLL
        for (int g = 0; g < G; ++g) dot[m][g] = start;
      }
      const int8_t* codes = tile.codes + b * kBlockColumns + h * 16;
      WEIR_UNROLL
      for (int t = 0; t < kSteps; ++t) {
        __m512i line[G];
        WEIR_UNROLL
        for (int g = 0; g < G; ++g) line[g] = _mm512_load_si512(w[g].quants[b][h * kSteps + t]);
        WEIR_UNROLL
        for (int m = 0; m < M; ++m) {
          const __m512i x = BroadcastWord(codes + m * kSuperColumns + 4 * t);
          WEIR_UNROLL
          for (int g = 0; g < G; ++g) DotInto(dot[m][g], line[g], x);
        }
      }
      WEIR_UNROLL
      for (int m = 0; m < M; ++m) {
        const __m512 x_scale = _mm512_set1_ps(a.scales[at + m * kSuperBlocks]);
        WEIR_UNROLL
        for (int g = 0; g < G; ++g) {
          const __m512 scale = _mm512_mul_ps(_mm512_load_ps(w[g].scales[b][h]), x_scale);
          sum[m][g] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[m][g]), scale, sum[m][g]);
        }
      }
    }
    if constexpr (HasMinimum(kType)) {
      WEIR_UNROLL
      for (int m = 0; m < M; ++m) {
        const __m512 x_sum = _mm512_set1_ps(a.scaled_sums[at + m * kSuperBlocks]);
        WEIR_UNROLL
        for (int g = 0; g < G; ++g) {
          sum[m][g] = _mm512_fmadd_ps(_mm512_load_ps(w[g].minima[b]), x_sum, sum[m][g]);
        }
      }
    }
  }
}

template <DType kType, int M, int G>
void MultiplyTile(const UnpackedSuper* w, size_t blocks, const Tile& tile, const Output& out) {
  __m512 sum[M][G];
  const auto mask = static_cast<__mmask16>((1u << out.last_rows) - 1);
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) {
    WEIR_UNROLL
    for (int g = 0; g < G; ++g) {
      sum[m][g] = _mm512_maskz_load_ps(out.first ? 0 : 0xffff, out.sums + (2 * m + g) * kGroupRows);
    }
  }
  TileBlocks<kType, M, G>(w, blocks, tile, sum);
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) {
    WEIR_UNROLL
    for (int g = 0; g < G; ++g) {
      if (out.last) {
        _mm512_mask_storeu_ps(out.y + m * out.stride + g * kGroupRows,
                              g + 1 == G ? mask : 0xffff, sum[m][g]);
      } else {
        _mm512_store_ps(out.sums + (2 * m + g) * kGroupRows, sum[m][g]);
      }
    }
  }
}

}  // namespace

void MultiplyMany(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y) {
  ForQuantised(w.type, [&]<DType kType>() { AllGroups<kType, 2>(w, begin, end, a, y); });
}

void Unpack(DType type, const std::byte* super, size_t blocks, UnpackedSuper* out) {
  ForQuantised(type, [&]<DType kType>() { UnpackType<kType>(super, blocks, out); });
}

}  // namespace weir::tensor::avx512

#include "tensor/simd/target_end.h"
