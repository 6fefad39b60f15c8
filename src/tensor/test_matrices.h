// Random matrices of every type for tests and benches, with their dequantised values beside them.
#pragma once

#include <cstring>
#include <random>
#include <vector>

#include "tensor/packed.h"

namespace weir::tensor {

inline std::vector<float> RandomFloats(size_t n, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> out(n);
  for (float& x : out) x = normal(random);
  return out;
}

struct TestMatrix {
  TestMatrix(DType type, size_t rows, size_t columns, std::mt19937& random)
      : type(type),
        rows(rows),
        columns(columns),
        bytes(rows * RowBytes(type, columns)),
        floats(rows * columns) {
    if (type == DType::kF32) {
      const std::vector<float> values = RandomFloats(rows * columns, random);
      std::memcpy(bytes.data(), values.data(), bytes.size());
    } else if (IsFloat(type)) {
      for (size_t i = 0; i < rows * columns; ++i) PutHalf(i * 2, random, 1.0f);
    } else {
      for (std::byte& b : bytes) b = static_cast<std::byte>(random());
      const size_t block = InfoOf(type).block_bytes;
      for (size_t at = 0; at < bytes.size(); at += block) {
        PutHalf(at + (type == DType::kQ6_K ? 208 : 0), random, 0.01f);
        if (HasMinimum(type)) PutHalf(at + 2, random, 0.1f);
      }
    }
    for (size_t r = 0; r < rows; ++r) {
      Dequantize(type, bytes.data() + r * RowBytes(type, columns), floats.data() + r * columns,
                 columns);
    }
  }
  MatrixView view() const { return {type, bytes.data(), rows, columns}; }

  DType type;
  size_t rows, columns;
  std::vector<std::byte> bytes;
  std::vector<float> floats;

 private:
  void PutHalf(size_t at, std::mt19937& random, float scale) {
    const float value = std::normal_distribution<float>(0, scale)(random);
    uint32_t word;
    std::memcpy(&word, &value, 4);
    const uint16_t half =
        type == DType::kBF16 ? static_cast<uint16_t>(word >> 16) : FloatToHalf(value);
    std::memcpy(bytes.data() + at, &half, 2);
  }
};

struct Packed16 {
  explicit Packed16(const TestMatrix& m) {
    matrix.type = m.type;
    matrix.rows = m.rows;
    matrix.columns = m.columns;
    matrix.groups = (m.rows + kGroupRows - 1) / kGroupRows;
    matrix.group_bytes = GroupBytes(m.type, m.columns);
    bytes = AllocateAligned(matrix.groups * matrix.group_bytes);
    for (size_t g = 0; g < matrix.groups; ++g)
      PackGroup(m.view(), g, bytes.get() + g * matrix.group_bytes);
    matrix.data = bytes.get();
  }
  PackedMatrix matrix;
  AlignedBytes bytes;
};

}  // namespace weir::tensor
