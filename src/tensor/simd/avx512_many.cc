// Prefill: many activation rows. A superblock of two groups (32 rows x 256 columns) is unpacked to
// bytes in L1 once and multiplied with up to 192 activation rows in register tiles of kTileRows x 2
// x 16; between superblocks the f32 sums rest in a small buffer. One tile kernel serves all
// formats.
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
// Activation rows per sweep over the weights: their codes stay in L2, their sums nearly in L1.
constexpr size_t kRowsAtOnce = 192;

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

// The packed bytes that are unpacked next: asked for block by block while a tile is computed, since
// few rows leave nothing else to hide their way from memory behind.
struct Ahead {
  const std::byte* p = nullptr;
  size_t lines_a_block = 0;

  void Ask(size_t block) const {
    const std::byte* from = p + block * lines_a_block * 64;
    for (size_t i = 0; i < lines_a_block; ++i)
      _mm_prefetch(reinterpret_cast<const char*>(from + 64 * i), _MM_HINT_T1);
  }
};

// A tile of M activation rows; `at` is the first block.
struct Tile {
  const int8_t* codes;  // of the first row and block, rows kSuperColumns apart
  const Activations* a;
  size_t row, at;
  Ahead ahead[2];  // of each group
};

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

// Between superblocks the sums of a tile rest in `sums` ([M][2][16]); the last one writes them to
// y.
struct Output {
  float* sums;
  float* y;  // of the first row and group
  size_t stride;
  __mmask16 mask;  // rows of the last group
  bool first, last;
};

template <DType kType, int M, int G>
void MultiplyTile(const UnpackedSuper* w, size_t blocks, const Tile& tile, const Output& out) {
  __m512 sum[M][G];
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
                              g + 1 == G ? out.mask : 0xffff, sum[m][g]);
      } else {
        _mm512_store_ps(out.sums + (2 * m + g) * kGroupRows, sum[m][g]);
      }
    }
  }
}

template <DType kType, int M, int G>
void TileUpTo(size_t rows, const UnpackedSuper* w, size_t blocks, const Tile& tile,
              const Output& out) {
  if constexpr (M > 1) {
    if (rows < M) return TileUpTo<kType, M - 1, G>(rows, w, blocks, tile, out);
  }
  MultiplyTile<kType, M, G>(w, blocks, tile, out);
}

template <DType kType>
inline void UnpackType(const std::byte* super, size_t blocks, UnpackedSuper* out) {
  if constexpr (kType == DType::kQ6_K) {
    Unpack6K(super, out);
  } else if constexpr (IsK(kType)) {
    UnpackK45<kType>(super, out);
  } else {
    Unpack32<kType>(super, blocks, out);
  }
}

struct Rows {
  size_t first, count;  // of the activations, at most kRowsAtOnce
};

template <DType kType>
constexpr size_t SuperBytes(size_t blocks) {
  return IsK(kType) ? SuperBytesK(kType) : LayoutOf(kType, blocks).bytes;
}

// What follows `blocks` blocks of a group at `super`: its next superblock, or, after the last one,
// the first of the group that is taken after this one.
template <DType kType, int G>
Ahead AheadOf(const PackedMatrix& w, size_t g, size_t offset, size_t first, size_t blocks) {
  const size_t next = first + blocks;
  const bool last = next == w.blocks();
  if (last && g + G >= w.groups) return {};
  const size_t bytes =
      SuperBytes<kType>(std::min(kSuperBlocks, last ? w.blocks() : w.blocks() - next));
  const std::byte* p = last ? w.group(g + G) : w.group(g) + offset + SuperBytes<kType>(blocks);
  return {p, (bytes / 64 + blocks - 1) / blocks};
}

template <DType kType, int G>
void GroupsOnce(const PackedMatrix& w, size_t g, const Activations& a, Rows rows, float* y) {
  UnpackedSuper unpacked[G];
  alignas(64) float sums[kRowsAtOnce * 2 * kGroupRows];
  const size_t last_rows = std::min(kGroupRows, w.rows - (g + G - 1) * kGroupRows);
  size_t offset = 0;
  for (size_t first = 0; first < w.blocks();) {
    const size_t blocks = std::min(kSuperBlocks, w.blocks() - first);
    for (int j = 0; j < G; ++j) UnpackType<kType>(w.group(g + j) + offset, blocks, &unpacked[j]);
    for (size_t i = 0; i < rows.count; i += kTileRows) {
      const size_t row = rows.first + i;
      Tile tile = {a.CodesOf(first, row), &a, row, first, {}};
      if (i == 0) {
        for (int j = 0; j < G; ++j)
          tile.ahead[j] = AheadOf<kType, G>(w, g + j, offset, first, blocks);
      }
      const Output out = {sums + i * 2 * kGroupRows,
                          y + row * w.rows + g * kGroupRows,
                          w.rows,
                          static_cast<__mmask16>((1u << last_rows) - 1),
                          first == 0,
                          first + blocks == w.blocks()};
      TileUpTo<kType, kTileRows, G>(rows.count - i, unpacked, blocks, tile, out);
    }
    offset += SuperBytes<kType>(blocks);
    first += blocks;
  }
}

template <DType kType>
void Groups(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y) {
  for (Rows rows{0, 0}; rows.first < a.n; rows.first += rows.count) {
    rows.count = std::min(kRowsAtOnce, a.n - rows.first);
    size_t g = begin;
    for (; g + 2 <= end; g += 2) GroupsOnce<kType, 2>(w, g, a, rows, y);
    for (; g < end; ++g) GroupsOnce<kType, 1>(w, g, a, rows, y);
  }
}

}  // namespace

void MultiplyMany(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y) {
  ForQuantised(w.type, [&]<DType kType>() { Groups<kType>(w, begin, end, a, y); });
}

void Unpack(DType type, const std::byte* super, size_t blocks, UnpackedSuper* out) {
  ForQuantised(type, [&]<DType kType>() { UnpackType<kType>(super, blocks, out); });
}

}  // namespace weir::tensor::avx512

#include "tensor/simd/target_end.h"
