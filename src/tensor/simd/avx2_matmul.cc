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

// 3 x 2 sums in 16 bits, as many f32 sums, two weight lines, the broadcast and ones are 16
// registers.
constexpr int kTileRows = 3;

inline void StoreHalfLine(__m256i line, uint8_t* to) {
  _mm256_store_si256(reinterpret_cast<__m256i*>(to), line);
}

template <DType kType, int T>
inline void StoreLines(const std::byte* quants, const std::byte* high, uint8_t (*out)[64]) {
  WEIR_UNROLL
  for (int half = 0; half < 64; half += 32) {
    const __m256i pair = HalfLine(quants + 64 * T + half);
    __m256i low = LowNibbles(pair), up = HighNibbles(pair);
    if constexpr (IsFiveBit(kType)) {
      const __m256i fifth = HalfLine(high + half);
      low = WithFifth<T>(low, fifth);
      up = WithFifth<T + 4>(up, fifth);
    }
    StoreHalfLine(low, out[T] + half);
    StoreHalfLine(up, out[T + 4] + half);
  }
  if constexpr (T + 1 < 4) StoreLines<kType, T + 1>(quants, high, out);
}

inline void HalvesToFloats(const std::byte* p, float* out) {
  _mm256_store_ps(out, Halves(p));
  _mm256_store_ps(out + 8, Halves(p + 16));
}

template <DType kType>
inline void Unpack32(const std::byte* super, size_t blocks, UnpackedSuper* out) {
  const SuperLayout layout = LayoutOf(kType, blocks);
  for (size_t b = 0; b < blocks; ++b) {
    const std::byte* quants = super + layout.quants + b * QuantLines(kType) * 64;
    HalvesToFloats(super + b * 32, out->scales[b][0]);
    if constexpr (HasMinimum(kType)) HalvesToFloats(super + layout.minima + b * 32, out->minima[b]);
    if constexpr (kType == DType::kQ8_0) {
      std::memcpy(out->quants[b], quants, 512);
    } else {
      StoreLines<kType, 0>(quants, super + layout.high + b * 64, out->quants[b]);
    }
  }
}

template <DType kType, int kPair>
inline void UnpackPairK(const std::byte* super, UnpackedSuper* out) {
  for (int at = 0; at < 512; at += 32) {  // 8 lines
    const __m256i pair = HalfLine(super + kQuantsK + kPair * 512 + at);
    __m256i first = LowNibbles(pair), second = HighNibbles(pair);
    if constexpr (kType == DType::kQ5_K) {
      const __m256i high = HalfLine(super + kHighK + at);
      first = WithFifth<2 * kPair>(first, high);
      second = WithFifth<2 * kPair + 1>(second, high);
    }
    StoreHalfLine(first, out->quants[2 * kPair][0] + at);
    StoreHalfLine(second, out->quants[2 * kPair + 1][0] + at);
  }
}

template <int kBlock>
inline void UnpackScalesOf(const ScalesK& scales, __m256 d, __m256 dmin, int half,
                           UnpackedSuper* out) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  _mm256_store_ps(out->scales[kBlock][0] + 8 * half, ScaleOf<kBlock>(scales.scales, d));
  _mm256_store_ps(out->minima[kBlock] + 8 * half,
                  _mm256_xor_ps(sign, ScaleOf<kBlock>(scales.minima, dmin)));
  if constexpr (kBlock + 1 < 8) UnpackScalesOf<kBlock + 1>(scales, d, dmin, half, out);
}

template <DType kType>
inline void UnpackK45(const std::byte* super, UnpackedSuper* out) {
  for (int half = 0; half < 2; ++half) {
    UnpackScalesOf<0>(UnpackScales(super + kScalesK, half), Halves(super + 16 * half),
                      Halves(super + 32 + 16 * half), half, out);
  }
  UnpackPairK<kType, 0>(super, out);
  UnpackPairK<kType, 1>(super, out);
  UnpackPairK<kType, 2>(super, out);
  UnpackPairK<kType, 3>(super, out);
}

inline void Unpack6K(const std::byte* super, UnpackedSuper* out) {
  for (int half = 0; half < 2; ++half) {
    const __m256 d = Halves(super + 16 * half);
    for (int s = 0; s < 16; ++s) {
      _mm256_store_ps(out->scales[s / 2][s % 2] + 8 * half, Scale6K(super, s, half, d));
    }
    for (int part = 0; part < 2; ++part) {  // of 128 columns
      const std::byte* from = super + kQuants6K + part * kHalf6K + 32 * half;
      for (int t = 0; t < 8; ++t) {
        const Lines6K lines = UnpackLines6K(from, t);
        WEIR_UNROLL
        for (int s = 0; s < 4; ++s) {
          StoreHalfLine(lines.sub[s], out->quants[4 * part + s][t] + 32 * half);
        }
      }
    }
  }
}

// vpmaddubsw steps that fit into 16 bits.
template <DType kType>
inline constexpr int kNarrowSteps = kType == DType::kQ8_0   ? 1
                                    : kType == DType::kQ6_K ? 2
                                    : IsFiveBit(kType)      ? 4
                                                            : 8;

#include "tensor/simd/many-inl.h"

// sum += x in lanes of 16 or 32 bits. In assembly: GCC 12 turns chains of sums into trees, whose
// leaves it spills.
inline void AddWords(__m256i& sum, __m256i x) { asm("vpaddw %1, %0, %0" : "+x"(sum) : "x"(x)); }
inline void AddDwords(__m256i& sum, __m256i x) { asm("vpaddd %1, %0, %0" : "+x"(sum) : "x"(x)); }

// Adds the exact sums of kSteps lines of 16 rows times the codes of M rows.
template <DType kType, int kSteps, int M>
inline void DotLines(const uint8_t (*lines)[64], const int8_t* codes, __m256i (&dot)[M][2]) {
  constexpr int kNarrow = kNarrowSteps<kType> < kSteps ? kNarrowSteps<kType> : kSteps;
  const __m256i ones = _mm256_set1_epi16(1);
  WEIR_UNROLL
  for (int t = 0; t < kSteps; t += kNarrow) {
    __m256i narrow[M][2];
    WEIR_UNROLL
    for (int u = 0; u < kNarrow; ++u) {
      __m256i w[2], magnitude[2];
      WEIR_UNROLL
      for (int half = 0; half < 2; ++half) {
        w[half] = _mm256_load_si256(reinterpret_cast<const __m256i*>(lines[t + u] + 32 * half));
        magnitude[half] = w[half];
        if constexpr (kType == DType::kQ8_0) {
          w[half] = Signed(w[half]);
          magnitude[half] = _mm256_abs_epi8(w[half]);
        }
      }
      WEIR_UNROLL
      for (int m = 0; m < M; ++m) {
        const __m256i x = BroadcastWord(codes + m * kSuperColumns + 4 * (t + u));
        WEIR_UNROLL
        for (int half = 0; half < 2; ++half) {
          const __m256i signed_x = kType == DType::kQ8_0 ? _mm256_sign_epi8(x, w[half]) : x;
          const __m256i product = _mm256_maddubs_epi16(magnitude[half], signed_x);
          if (u == 0) {
            narrow[m][half] = product;
          } else {
            AddWords(narrow[m][half], product);
          }
        }
      }
    }
    WEIR_UNROLL
    for (int m = 0; m < M; ++m) {
      WEIR_UNROLL
      for (int half = 0; half < 2; ++half) {
        AddDwords(dot[m][half], _mm256_madd_epi16(narrow[m][half], ones));
      }
    }
  }
}

template <DType kType, int M>
inline void TileBlocks(const UnpackedSuper& w, size_t blocks, const Tile& tile,
                       __m256 (&sum)[M][2]) {
  constexpr int kHalves = kType == DType::kQ6_K ? 2 : 1;
  constexpr bool kOffset =
      LogOffset(kType) != 0 && kType != DType::kQ8_0;  // Q8_0 is taken as signed
  const Activations& a = *tile.a;
  const size_t first = a.IndexOf(tile.at, tile.row);
  for (size_t b = 0; b < blocks; ++b) {
    const size_t at = first + b;  // the next row's 8 further
    tile.ahead[0].Ask(b);
    WEIR_UNROLL
    for (int h = 0; h < kHalves; ++h) {
      __m256i dot[M][2];
      const int32_t* sums = kHalves == 2 ? a.negative_halves + 2 * at + h : a.negative_sums + at;
      WEIR_UNROLL
      for (int m = 0; m < M; ++m) {
        dot[m][0] = dot[m][1] =
            kOffset ? _mm256_slli_epi32(_mm256_set1_epi32(sums[m * kHalves * kSuperBlocks]),
                                        kHalves == 2 ? 0 : LogOffset(kType))
                    : _mm256_setzero_si256();
      }
      constexpr int kSteps = 8 / kHalves;
      DotLines<kType, kSteps>(w.quants[b] + h * kSteps, tile.codes + b * kBlockColumns + h * 16,
                              dot);
      WEIR_UNROLL
      for (int m = 0; m < M; ++m) {
        const __m256 x_scale = _mm256_set1_ps(a.scales[at + m * kSuperBlocks]);
        WEIR_UNROLL
        for (int half = 0; half < 2; ++half) {
          const __m256 scale = _mm256_mul_ps(_mm256_load_ps(w.scales[b][h] + 8 * half), x_scale);
          sum[m][half] =
              _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[m][half]), scale, sum[m][half]);
        }
      }
    }
    if constexpr (HasMinimum(kType)) {
      WEIR_UNROLL
      for (int m = 0; m < M; ++m) {
        const __m256 x_sum = _mm256_set1_ps(a.scaled_sums[at + m * kSuperBlocks]);
        WEIR_UNROLL
        for (int half = 0; half < 2; ++half) {
          sum[m][half] =
              _mm256_fmadd_ps(_mm256_load_ps(w.minima[b] + 8 * half), x_sum, sum[m][half]);
        }
      }
    }
  }
}

template <DType kType, int M, int G>
void MultiplyTile(const UnpackedSuper* w, size_t blocks, const Tile& tile, const Output& out) {
  static_assert(G == 1);
  __m256 sum[M][2];
  WEIR_UNROLL
  for (int m = 0; m < M; ++m) {
    WEIR_UNROLL
    for (int half = 0; half < 2; ++half) {
      const float* from = out.sums + m * 2 * kGroupRows + 8 * half;
      sum[m][half] = out.first ? _mm256_setzero_ps() : _mm256_load_ps(from);
    }
  }
  TileBlocks<kType, M>(*w, blocks, tile, sum);
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  WEIR_UNROLL
  for (int half = 0; half < 2; ++half) {
    const __m256i mask = _mm256_cmpgt_epi32(
        _mm256_set1_epi32(static_cast<int>(out.last_rows) - 8 * half), lanes);
    WEIR_UNROLL
    for (int m = 0; m < M; ++m) {
      if (out.last) {
        _mm256_maskstore_ps(out.y + m * out.stride + 8 * half, mask, sum[m][half]);
      } else {
        _mm256_store_ps(out.sums + m * 2 * kGroupRows + 8 * half, sum[m][half]);
      }
    }
  }
}

}  // namespace

void MultiplyQuantised(const PackedMatrix& w, size_t begin, size_t end, const Activations& a,
                       float* y) {
  ForQuantised(w.type, [&]<DType kType>() { AllGroups<kType, 1>(w, begin, end, a, y); });
}

void Unpack(DType type, const std::byte* super, size_t blocks, UnpackedSuper* out) {
  ForQuantised(type, [&]<DType kType>() { UnpackType<kType>(super, blocks, out); });
}

}  // namespace weir::tensor::avx2

#include "tensor/simd/target_end.h"
