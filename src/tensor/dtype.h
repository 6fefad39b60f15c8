// Element types of weight matrices, as GGUF stores them, and their conversion to f32.
// Block layouts are those of ggml (32 columns for Q4_0..Q8_0, 256 for the K types); rows are whole
// blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace weir::tensor {

enum class DType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ4_K,
  kQ5_K,
  kQ6_K
};

struct DTypeInfo {
  DType type;
  std::string_view name;  // "Q4_K"
  uint32_t gguf_id;
  uint32_t block_columns;  // 1 for the float types
  uint32_t block_bytes;
};

const DTypeInfo& InfoOf(DType type);
absl::StatusOr<DType> DTypeFromGguf(uint32_t gguf_id);  // kUnimplemented names the id

// dst[0, n) = the n elements at src. Bit-equal to the `gguf` package. REQUIRES: n % block_columns
// == 0.
void Dequantize(DType type, const void* src, float* dst, size_t n);

// The eight 6-bit scales and minima in 12 bytes of a Q4_K or Q5_K block.
void UnpackScalesK(const uint8_t packed[12], uint8_t scales[8], uint8_t minima[8]);

float HalfToFloat(uint16_t half);
uint16_t FloatToHalf(float value);  // round to nearest even
inline size_t RowBytes(DType type, size_t columns) {
  return columns / InfoOf(type).block_columns * InfoOf(type).block_bytes;
}

}  // namespace weir::tensor
