#include "tensor/dtype.h"

#include <bit>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace weir::tensor {
namespace {

constexpr DTypeInfo kInfos[] = {
    {DType::kF32, "F32", 0, 1, 4},        {DType::kF16, "F16", 1, 1, 2},
    {DType::kBF16, "BF16", 30, 1, 2},     {DType::kQ4_0, "Q4_0", 2, 32, 18},
    {DType::kQ4_1, "Q4_1", 3, 32, 20},    {DType::kQ5_0, "Q5_0", 6, 32, 22},
    {DType::kQ5_1, "Q5_1", 7, 32, 24},    {DType::kQ8_0, "Q8_0", 8, 32, 34},
    {DType::kQ4_K, "Q4_K", 12, 256, 144}, {DType::kQ5_K, "Q5_K", 13, 256, 176},
    {DType::kQ6_K, "Q6_K", 14, 256, 210},
};

float HalfAt(const uint8_t* p) {
  uint16_t bits;
  std::memcpy(&bits, p, 2);
  return HalfToFloat(bits);
}

uint32_t WordAt(const uint8_t* p) {
  uint32_t bits;
  std::memcpy(&bits, p, 4);
  return bits;
}

// The five 32-column formats: half d, [half m], [4 bytes of fifth bits], then nibbles: byte j holds
// column j (low) and column j + 16 (high).
void Block4_0(const uint8_t* b, float* out) {
  const float d = HalfAt(b);
  for (int j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>((b[2 + j] & 15) - 8);
    out[j + 16] = d * static_cast<float>((b[2 + j] >> 4) - 8);
  }
}

void Block4_1(const uint8_t* b, float* out) {
  const float d = HalfAt(b), m = HalfAt(b + 2);
  for (int j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>(b[4 + j] & 15) + m;
    out[j + 16] = d * static_cast<float>(b[4 + j] >> 4) + m;
  }
}

int FiveBits(const uint8_t* nibbles, uint32_t high, int column) {
  const int low = column < 16 ? nibbles[column] & 15 : nibbles[column - 16] >> 4;
  return low | static_cast<int>((high >> column) & 1) << 4;
}

void Block5_0(const uint8_t* b, float* out) {
  const float d = HalfAt(b);
  const uint32_t high = WordAt(b + 2);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(FiveBits(b + 6, high, j) - 16);
}

void Block5_1(const uint8_t* b, float* out) {
  const float d = HalfAt(b), m = HalfAt(b + 2);
  const uint32_t high = WordAt(b + 4);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(FiveBits(b + 8, high, j)) + m;
}

void Block8_0(const uint8_t* b, float* out) {
  const float d = HalfAt(b);
  for (int j = 0; j < 32; ++j) out[j] = static_cast<float>(static_cast<int8_t>(b[2 + j])) * d;
}

// Q4_K and Q5_K: half d, half dmin, 12 bytes of 6-bit scales and minima, [32 bytes of fifth bits],
// 128 bytes of nibbles: bytes 32j .. 32j+31 hold sub-block 2j (low) and 2j + 1 (high).
void BlockK45(const uint8_t* b, bool five, float* out) {
  const float d = HalfAt(b), dmin = HalfAt(b + 2);
  uint8_t scale[8], minimum[8];
  UnpackScalesK(b + 4, scale, minimum);
  const uint8_t* high = b + 16;
  const uint8_t* nibbles = five ? b + 48 : b + 16;
  for (int s = 0; s < 8; ++s) {
    const float ds = d * static_cast<float>(scale[s]);
    const float ms = dmin * static_cast<float>(minimum[s]);
    for (int l = 0; l < 32; ++l) {
      int q = (nibbles[(s / 2) * 32 + l] >> (4 * (s & 1))) & 15;
      if (five) q |= ((high[l] >> s) & 1) << 4;
      out[s * 32 + l] = ds * static_cast<float>(q) - ms;
    }
  }
}

// Q6_K: 128 bytes of low nibbles, 64 of high pairs, 16 int8 scales (of 16 columns), half d.
void Block6K(const uint8_t* b, float* out) {
  const float d = HalfAt(b + 208);
  for (int column = 0; column < 256; ++column) {
    const int half = column / 128, sub = (column % 128) / 32, l = column % 32;
    const int low = (b[half * 64 + (sub & 1) * 32 + l] >> (4 * (sub / 2))) & 15;
    const int high = (b[128 + half * 32 + l] >> (2 * sub)) & 3;
    const float ds = d * static_cast<float>(static_cast<int8_t>(b[192 + column / 16]));
    out[column] = ds * static_cast<float>((low | high << 4) - 32);
  }
}

void DequantizeBlock(DType type, const uint8_t* b, float* out) {
  switch (type) {
    case DType::kQ4_0:
      return Block4_0(b, out);
    case DType::kQ4_1:
      return Block4_1(b, out);
    case DType::kQ5_0:
      return Block5_0(b, out);
    case DType::kQ5_1:
      return Block5_1(b, out);
    case DType::kQ8_0:
      return Block8_0(b, out);
    case DType::kQ4_K:
      return BlockK45(b, false, out);
    case DType::kQ5_K:
      return BlockK45(b, true, out);
    case DType::kQ6_K:
      return Block6K(b, out);
    default:
      return;  // the float types have no blocks
  }
}

}  // namespace

void UnpackScalesK(const uint8_t packed[12], uint8_t scales[8], uint8_t minima[8]) {
  for (int j = 0; j < 4; ++j) {
    scales[j] = packed[j] & 63;
    minima[j] = packed[j + 4] & 63;
    scales[j + 4] = (packed[j + 8] & 15) | ((packed[j] >> 6) << 4);
    minima[j + 4] = (packed[j + 8] >> 4) | ((packed[j + 4] >> 6) << 4);
  }
}

const DTypeInfo& InfoOf(DType type) { return kInfos[static_cast<size_t>(type)]; }

absl::StatusOr<DType> DTypeFromGguf(uint32_t gguf_id) {
  for (const DTypeInfo& info : kInfos) {
    if (info.gguf_id == gguf_id) return info.type;
  }
  return absl::UnimplementedError(
      absl::StrCat("tensor type: gguf id ", gguf_id,
                   "; expected F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K or Q6_K"));
}

float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 31;
  const uint32_t fraction = half & 0x3ff;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24, exact in f32
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  const uint32_t biased = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | biased << 23 | fraction << 13);
}

uint16_t FloatToHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;   // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // rounds to infinity from 65520 up
  if (magnitude < 0x38800000) {                       // below 2^-14: subnormal half
    // Adding 0.5 leaves the half's 10 fraction bits (units of 2^-24) in the low bits, rounded to
    // even.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(shifted) - 0x3f000000);
  }
  const uint32_t odd = (magnitude >> 13) & 1;
  return sign | static_cast<uint16_t>((magnitude - 0x38000000 + 0xfff + odd) >> 13);
}

void Dequantize(DType type, const void* src, float* dst, size_t n) {
  const auto* bytes = static_cast<const uint8_t*>(src);
  switch (type) {
    case DType::kF32:
      if (n > 0) std::memcpy(dst, bytes, n * sizeof(float));
      return;
    case DType::kF16:
      for (size_t i = 0; i < n; ++i) dst[i] = HalfAt(bytes + 2 * i);
      return;
    case DType::kBF16:
      for (size_t i = 0; i < n; ++i) {
        uint16_t bits;
        std::memcpy(&bits, bytes + 2 * i, 2);
        dst[i] = std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
      }
      return;
    default: {
      const DTypeInfo& info = InfoOf(type);
      for (size_t i = 0; i < n; i += info.block_columns, bytes += info.block_bytes) {
        DequantizeBlock(type, bytes, dst + i);
      }
    }
  }
}

}  // namespace weir::tensor
