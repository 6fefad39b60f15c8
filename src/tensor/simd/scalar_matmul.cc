// The scalar twin of the matrix products: what every other target must equal bit for bit.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/simd/scalar.h"

namespace weir::tensor::scalar {
namespace {

float HalfIn(const std::byte* p, size_t i) {
  uint16_t bits;
  std::memcpy(&bits, p + 2 * i, 2);
  return HalfToFloat(bits);
}

uint8_t ByteIn(const std::byte* p, size_t i) { return static_cast<uint8_t>(p[i]); }

void Unpack32(DType type, const std::byte* super, size_t blocks, UnpackedSuper* out) {
  const SuperLayout layout = LayoutOf(type, blocks);
  for (size_t b = 0; b < blocks; ++b) {
    for (size_t r = 0; r < kGroupRows; ++r) {
      out->scales[b][0][r] = HalfIn(super, b * kGroupRows + r);
      if (HasMinimum(type)) out->minima[b][r] = HalfIn(super + layout.minima, b * kGroupRows + r);
    }
    const std::byte* quants = super + layout.quants + b * QuantLines(type) * 64;
    for (size_t t = 0; t < 8; ++t) {
      for (size_t i = 0; i < 64; ++i) {
        if (type == DType::kQ8_0) {
          out->quants[b][t][i] = ByteIn(quants, t * 64 + i);
          continue;
        }
        const uint8_t pair = ByteIn(quants, (t % 4) * 64 + i);
        uint8_t q = t < 4 ? pair & 15 : pair >> 4;
        if (IsFiveBit(type)) q |= ((ByteIn(super + layout.high, b * 64 + i) >> t) & 1) << 4;
        out->quants[b][t][i] = q;
      }
    }
  }
}

void UnpackK45(DType type, const std::byte* super, UnpackedSuper* out) {
  for (size_t r = 0; r < kGroupRows; ++r) {
    uint8_t packed[12], scales[8], minima[8];
    for (size_t j = 0; j < 12; ++j) packed[j] = ByteIn(super + kScalesK, j * kGroupRows + r);
    UnpackScalesK(packed, scales, minima);
    const float d = HalfIn(super, r), dmin = HalfIn(super, kGroupRows + r);
    for (size_t b = 0; b < 8; ++b) {
      out->scales[b][0][r] = d * static_cast<float>(scales[b]);
      out->minima[b][r] = -(dmin * static_cast<float>(minima[b]));
    }
  }
  for (size_t b = 0; b < 8; ++b) {
    for (size_t t = 0; t < 8; ++t) {
      for (size_t i = 0; i < 64; ++i) {
        const uint8_t pair = ByteIn(super + kQuantsK, ((b / 2) * 8 + t) * 64 + i);
        uint8_t q = (b & 1) == 0 ? pair & 15 : pair >> 4;
        if (type == DType::kQ5_K) q |= ((ByteIn(super + kHighK, t * 64 + i) >> b) & 1) << 4;
        out->quants[b][t][i] = q;
      }
    }
  }
}

void Unpack6K(const std::byte* super, UnpackedSuper* out) {
  for (size_t s = 0; s < 16; ++s) {
    for (size_t r = 0; r < kGroupRows; ++r) {
      const auto scale = static_cast<int8_t>(super[kScalesK + s * kGroupRows + r]);
      out->scales[s / 2][s % 2][r] = HalfIn(super, r) * static_cast<float>(scale);
    }
  }
  for (size_t b = 0; b < 8; ++b) {
    const std::byte* half = super + kQuants6K + (b / 4) * kHalf6K;
    const size_t sub = b % 4;
    for (size_t t = 0; t < 8; ++t) {
      for (size_t i = 0; i < 64; ++i) {
        const uint8_t pair = ByteIn(half, ((sub & 1) * 8 + t) * 64 + i);
        const uint8_t high = ByteIn(half, (16 + t) * 64 + i);
        const uint8_t low = sub < 2 ? pair & 15 : pair >> 4;
        out->quants[b][t][i] = low | ((high >> (2 * sub)) & 3) << 4;
      }
    }
  }
}

int32_t DotBlock(const uint8_t (*quants)[64], size_t row, const int8_t* codes, size_t begin,
                 size_t end) {
  int32_t sum = 0;
  for (size_t t = begin; t < end; ++t) {
    for (size_t c = 0; c < 4; ++c) {
      sum += static_cast<int32_t>(quants[t][4 * row + c]) * codes[4 * t + c];
    }
  }
  return sum;
}

// Adds the blocks of one superblock to acc[r] for activation row i; `first` is the index of its
// first block in the row.
void AddSuper(DType type, const UnpackedSuper& w, size_t blocks, const Activations& a, size_t i,
              size_t first, float* acc) {
  const size_t halves = type == DType::kQ6_K ? 2 : 1;
  const int32_t offset = LogOffset(type) == 0 ? 0 : 1 << LogOffset(type);
  for (size_t b = 0; b < blocks; ++b) {
    const size_t at = first + b;
    const int8_t* codes = a.CodesOf(at, i);
    const size_t place = a.IndexOf(at, i);
    const float x_scale = a.scales[place];
    for (size_t r = 0; r < kGroupRows; ++r) {
      for (size_t h = 0; h < halves; ++h) {
        const int32_t start =
            halves == 2 ? a.negative_halves[2 * place + h] : offset * a.negative_sums[place];
        const size_t steps = 8 / halves;
        const int32_t dot = DotBlock(w.quants[b], r, codes, h * steps, (h + 1) * steps) + start;
        acc[r] = std::fma(static_cast<float>(dot), w.scales[b][h][r] * x_scale, acc[r]);
      }
      if (HasMinimum(type)) acc[r] = std::fma(w.minima[b][r], a.scaled_sums[place], acc[r]);
    }
  }
}

void MultiplyQuantised(const PackedMatrix& w, size_t g, const Activations& a, float* y) {
  const std::byte* super = w.group(g);
  const size_t valid = std::min(kGroupRows, w.rows - g * kGroupRows);
  for (size_t i = 0; i < a.n; ++i) std::fill_n(y + i * w.rows + g * kGroupRows, valid, 0.0f);
  UnpackedSuper unpacked;
  for (size_t first = 0; first < w.blocks(); first += kSuperBlocks) {
    const size_t blocks = std::min(kSuperBlocks, w.blocks() - first);
    Unpack(w.type, super, blocks, &unpacked);
    super += IsK(w.type) ? SuperBytesK(w.type) : LayoutOf(w.type, blocks).bytes;
    for (size_t i = 0; i < a.n; ++i) {
      float acc[kGroupRows] = {};
      float* to = y + i * w.rows + g * kGroupRows;
      std::copy_n(to, valid, acc);
      AddSuper(w.type, unpacked, blocks, a, i, first, acc);
      std::copy_n(acc, valid, to);
    }
  }
}

float Element(DType type, const std::byte* group, size_t i) {
  if (type == DType::kF32) {
    float value;
    std::memcpy(&value, group + 4 * i, 4);
    return value;
  }
  if (type == DType::kF16) return HalfIn(group, i);
  uint16_t bits;
  std::memcpy(&bits, group + 2 * i, 2);
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

void MultiplyFloat(const PackedMatrix& w, size_t g, const Activations& a, float* y) {
  const size_t valid = std::min(kGroupRows, w.rows - g * kGroupRows);
  for (size_t i = 0; i < a.n; ++i) {
    const float* x = a.x + i * w.columns;
    for (size_t r = 0; r < valid; ++r) {
      float acc = 0;
      for (size_t c = 0; c < w.columns; ++c) {
        acc = std::fma(Element(w.type, w.group(g), c * kGroupRows + r), x[c], acc);
      }
      y[i * w.rows + g * kGroupRows + r] = acc;
    }
  }
}

}  // namespace

void Unpack(DType type, const std::byte* super, size_t blocks, UnpackedSuper* out) {
  if (type == DType::kQ6_K) return Unpack6K(super, out);
  if (IsK(type)) return UnpackK45(type, super, out);
  Unpack32(type, super, blocks, out);
}

void Multiply(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y) {
  for (size_t g = begin; g < end; ++g) {
    IsFloat(w.type) ? MultiplyFloat(w, g, a, y) : MultiplyQuantised(w, g, a, y);
  }
}

// The largest magnitude is found on the bits, so that a NaN or infinity outranks all and reaches
// the scale: bad activations give bad results, never undefined ones.
void QuantizeRow(const float* x, size_t columns, const ActivationRow& out) {
  for (size_t b = 0; b < columns / kBlockColumns; ++b) {
    const float* block = x + b * kBlockColumns;
    uint32_t largest = 0;
    for (size_t c = 0; c < kBlockColumns; ++c) {
      largest = std::max(largest, std::bit_cast<uint32_t>(block[c]) & 0x7fffffffu);
    }
    const float peak = std::bit_cast<float>(largest);
    const bool small = peak <= kSmallestPeak;
    const float scale = small ? 0.0f : peak / 127.0f;
    const float inverse = small ? 0.0f : 127.0f / peak;
    int32_t sums[2] = {0, 0};
    for (size_t c = 0; c < kBlockColumns; ++c) {
      const float scaled = block[c] * inverse;
      // As vcvtps2dq: what does not fit becomes the smallest integer.
      const int32_t rounded =
          std::fabs(scaled) < 1e9f ? static_cast<int32_t>(std::nearbyint(scaled)) : INT32_MIN;
      const auto code = static_cast<int8_t>(std::clamp(rounded, -127, 127));
      out.CodesOf(b)[c] = code;
      sums[c / 16] += code;
    }
    const size_t at = out.IndexOf(b);
    out.scales[at] = scale;
    out.scaled_sums[at] = scale * static_cast<float>(sums[0] + sums[1]);
    out.negative_sums[at] = -(sums[0] + sums[1]);
    out.negative_halves[2 * at] = -32 * sums[0];
    out.negative_halves[2 * at + 1] = -32 * sums[1];
  }
}

}  // namespace weir::tensor::scalar
