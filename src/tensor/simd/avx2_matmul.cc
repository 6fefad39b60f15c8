// Quantised products for AVX2. vpmaddubsw adds two u8 x s8 products in 16 bits; quants of 4, 5 and
// 6 bits leave room for 8, 4 and 2 such steps before the sums must widen, and 8-bit ones are taken
// as signed
// (|w| times x with the sign of w), which just fits. All integer and exact, as on every target.
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

constexpr int kTileRows = 4;

inline const uint8_t* Bytes(const std::byte* p) { return reinterpret_cast<const uint8_t*>(p); }

inline void HalvesToFloats(const std::byte* p, float* out) {
  const auto* from = reinterpret_cast<const __m128i*>(p);
  _mm256_store_ps(out, _mm256_cvtph_ps(_mm_load_si128(from)));
  _mm256_store_ps(out + 8, _mm256_cvtph_ps(_mm_load_si128(from + 1)));
}

// Plain loops over a line of 64 bytes, which the compiler vectorises.
template <DType kType>
inline void Unpack32(const std::byte* super, size_t blocks, UnpackedSuper* out) {
  const SuperLayout layout = LayoutOf(kType, blocks);
  for (size_t b = 0; b < blocks; ++b) {
    const uint8_t* quants = Bytes(super + layout.quants + b * QuantLines(kType) * 64);
    const uint8_t* high = Bytes(super + layout.high + b * 64);
    HalvesToFloats(super + b * 32, out->scales[b][0]);
    if constexpr (HasMinimum(kType)) HalvesToFloats(super + layout.minima + b * 32, out->minima[b]);
    if constexpr (kType == DType::kQ8_0) {
      std::memcpy(out->quants[b], quants, 512);
      continue;
    }
    for (int t = 0; t < 4; ++t) {
      uint8_t* first = out->quants[b][t];
      uint8_t* second = out->quants[b][t + 4];
      for (int i = 0; i < 64; ++i) {
        const uint8_t pair = quants[64 * t + i];
        first[i] = pair & 15;
        second[i] = pair >> 4;
        if constexpr (IsFiveBit(kType)) {
          first[i] |= ((high[i] >> t) & 1) << 4;
          second[i] |= (high[i] >> t) & 16;
        }
      }
    }
  }
}

template <DType kType>
inline void UnpackK45(const std::byte* super, UnpackedSuper* out) {
  alignas(32) float d[16], dmin[16];
  HalvesToFloats(super, d);
  HalvesToFloats(super + 32, dmin);
  const uint8_t* p = Bytes(super + kScalesK);
  for (int j = 0; j < 4; ++j) {
    for (int r = 0; r < 16; ++r) {
      const uint8_t s = p[16 * j + r], m = p[16 * (j + 4) + r], low = p[16 * (j + 8) + r];
      out->scales[j][0][r] = d[r] * static_cast<float>(s & 63);
      out->minima[j][r] = -(dmin[r] * static_cast<float>(m & 63));
      out->scales[j + 4][0][r] = d[r] * static_cast<float>((low & 15) | ((s >> 2) & 0x30));
      out->minima[j + 4][r] = -(dmin[r] * static_cast<float>((low >> 4) | ((m >> 2) & 0x30)));
    }
  }
  const uint8_t* quants = Bytes(super + kQuantsK);
  const uint8_t* high = Bytes(super + kHighK);
  for (int pair = 0; pair < 4; ++pair) {
    for (int t = 0; t < 8; ++t) {
      uint8_t* first = out->quants[2 * pair][t];
      uint8_t* second = out->quants[2 * pair + 1][t];
      for (int i = 0; i < 64; ++i) {
        const uint8_t q = quants[(pair * 8 + t) * 64 + i];
        first[i] = q & 15;
        second[i] = q >> 4;
        if constexpr (kType == DType::kQ5_K) {
          const int h = high[64 * t + i];
          first[i] |= ((h >> (2 * pair)) & 1) << 4;
          second[i] |= ((h >> (2 * pair + 1)) & 1) << 4;
        }
      }
    }
  }
}

inline void Unpack6K(const std::byte* super, UnpackedSuper* out) {
  alignas(32) float d[16];
  HalvesToFloats(super, d);
  const auto* scales = reinterpret_cast<const int8_t*>(super + kScalesK);
  for (int s = 0; s < 16; ++s) {
    for (int r = 0; r < 16; ++r)
      out->scales[s / 2][s % 2][r] = d[r] * static_cast<float>(scales[16 * s + r]);
  }
  for (int half = 0; half < 2; ++half) {
    const uint8_t* p = Bytes(super + kQuants6K + half * kHalf6K);
    for (int t = 0; t < 8; ++t) {
      uint8_t(*to)[8][64] = &out->quants[half * 4];
      for (int i = 0; i < 64; ++i) {
        const uint8_t a = p[64 * t + i], b = p[64 * (8 + t) + i], high = p[64 * (16 + t) + i];
        to[0][t][i] = (a & 15) | ((high << 4) & 0x30);
        to[1][t][i] = (b & 15) | ((high << 2) & 0x30);
        to[2][t][i] = (a >> 4) | (high & 0x30);
        to[3][t][i] = (b >> 4) | ((high >> 2) & 0x30);
      }
    }
  }
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

// vpmaddubsw steps that fit into 16 bits.
template <DType kType>
inline constexpr int kNarrowSteps = kType == DType::kQ8_0   ? 1
                                    : kType == DType::kQ6_K ? 2
                                    : IsFiveBit(kType)      ? 4
                                                            : 8;

struct Tile {
  const int8_t* codes;  // of the first row and block
  const Activations* a;
  size_t row, at;  // first activation row, first block
  size_t lane;     // 0 or 8: which half of the group
};

// Exact sums of lines [first, first + steps) of one block times the codes of M rows.
template <DType kType, int M, int kSteps>
inline void DotLines(const uint8_t (*lines)[64], size_t lane, const int8_t* codes,
                     __m256i (&dot)[M]) {
  constexpr int kNarrow = kNarrowSteps<kType> < kSteps ? kNarrowSteps<kType> : kSteps;
  const __m256i ones = _mm256_set1_epi16(1);
  WEIR_UNROLL
  for (int t = 0; t < kSteps; t += kNarrow) {
    __m256i narrow[M];
    WEIR_UNROLL
    for (int u = 0; u < kNarrow; ++u) {
      __m256i w = _mm256_load_si256(reinterpret_cast<const __m256i*>(lines[t + u] + 4 * lane));
      __m256i magnitude = w;
      if constexpr (kType == DType::kQ8_0) {
        w = _mm256_xor_si256(w, _mm256_set1_epi8(-128));
        magnitude = _mm256_abs_epi8(w);
      }
      WEIR_UNROLL
      for (int m = 0; m < M; ++m) {
        __m256i x = BroadcastWord(codes + m * kSuperColumns + 4 * (t + u));
        if constexpr (kType == DType::kQ8_0) x = _mm256_sign_epi8(x, w);
        const __m256i product = _mm256_maddubs_epi16(magnitude, x);
        narrow[m] = u == 0 ? product : _mm256_add_epi16(narrow[m], product);
      }
    }
    WEIR_UNROLL
    for (int m = 0; m < M; ++m)
      dot[m] = _mm256_add_epi32(dot[m], _mm256_madd_epi16(narrow[m], ones));
  }
}

template <DType kType, int M>
inline void TileBlocks(const UnpackedSuper& w, size_t blocks, const Tile& tile, __m256 (&sum)[M]) {
  constexpr int kHalves = kType == DType::kQ6_K ? 2 : 1;
  constexpr bool kOffset =
      LogOffset(kType) != 0 && kType != DType::kQ8_0;  // Q8_0 is taken as signed
  const Activations& a = *tile.a;
  for (size_t b = 0; b < blocks; ++b) {
    const size_t at = a.IndexOf(tile.at, tile.row) + b;  // the next row's 8 further
    WEIR_UNROLL
    for (int h = 0; h < kHalves; ++h) {
      __m256i dot[M];
      const int32_t* sums =
          kHalves == 2 ? a.negative_halves + 2 * at + h : a.negative_sums + at;
      WEIR_UNROLL
      for (int m = 0; m < M; ++m) {
        dot[m] = kOffset ? _mm256_slli_epi32(_mm256_set1_epi32(sums[m * kHalves * kSuperBlocks]),
                                             kHalves == 2 ? 0 : LogOffset(kType))
                         : _mm256_setzero_si256();
      }
      constexpr int kSteps = 8 / kHalves;
      DotLines<kType, M, kSteps>(w.quants[b] + h * kSteps, tile.lane,
                                 tile.codes + b * kBlockColumns + h * 16, dot);
      const __m256 scale = _mm256_load_ps(w.scales[b][h] + tile.lane);
      WEIR_UNROLL
      for (int m = 0; m < M; ++m) {
        const __m256 both = _mm256_mul_ps(scale, _mm256_set1_ps(a.scales[at + m * kSuperBlocks]));
        sum[m] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[m]), both, sum[m]);
      }
    }
    if constexpr (HasMinimum(kType)) {
      const __m256 minimum = _mm256_load_ps(w.minima[b] + tile.lane);
      WEIR_UNROLL
      for (int m = 0; m < M; ++m) {
        sum[m] =
            _mm256_fmadd_ps(minimum, _mm256_set1_ps(a.scaled_sums[at + m * kSuperBlocks]), sum[m]);
      }
    }
  }
}

struct Output {
  float* y;  // of the first row and the half group
  size_t stride;
  __m256i mask;  // lanes that exist
  bool fresh;
};

template <DType kType, int M>
void MultiplyTile(const UnpackedSuper& w, size_t blocks, const Tile& tile, const Output& out) {
  __m256 sum[M];
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) {
    sum[m] = out.fresh ? _mm256_setzero_ps() : _mm256_maskload_ps(out.y + m * out.stride, out.mask);
  }
  TileBlocks<kType, M>(w, blocks, tile, sum);
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) _mm256_maskstore_ps(out.y + m * out.stride, out.mask, sum[m]);
}

template <DType kType, int M>
void TileUpTo(size_t rows, const UnpackedSuper& w, size_t blocks, const Tile& tile,
              const Output& out) {
  if constexpr (M > 1) {
    if (rows < M) return TileUpTo<kType, M - 1>(rows, w, blocks, tile, out);
  }
  MultiplyTile<kType, M>(w, blocks, tile, out);
}

template <DType kType>
void Groups(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  for (size_t g = begin; g < end; ++g) {
    UnpackedSuper unpacked;
    const size_t valid = std::min(kGroupRows, w.rows - g * kGroupRows);
    const std::byte* super = w.group(g);
    for (size_t first = 0; first < w.blocks();) {
      const size_t blocks = std::min(kSuperBlocks, w.blocks() - first);
      UnpackType<kType>(super, blocks, &unpacked);
      for (size_t i = 0; i < a.n; i += kTileRows) {
        for (size_t lane = 0; lane < valid; lane += 8) {
          const Tile tile = {a.CodesOf(first, i), &a, i, first, lane};
          const Output out = {
              y + i * w.rows + g * kGroupRows + lane, w.rows,
              _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(valid - lane)), lanes),
              first == 0};
          TileUpTo<kType, kTileRows>(a.n - i, unpacked, blocks, tile, out);
        }
      }
      super += IsK(kType) ? SuperBytesK(kType) : LayoutOf(kType, blocks).bytes;
      first += blocks;
    }
  }
}

}  // namespace

void MultiplyQuantised(const PackedMatrix& w, size_t begin, size_t end, const Activations& a,
                       float* y) {
  ForQuantised(w.type, [&]<DType kType>() { Groups<kType>(w, begin, end, a, y); });
}

void Unpack(DType type, const std::byte* super, size_t blocks, UnpackedSuper* out) {
  ForQuantised(type, [&]<DType kType>() { UnpackType<kType>(super, blocks, out); });
}

}  // namespace weir::tensor::avx2

#include "tensor/simd/target_end.h"
