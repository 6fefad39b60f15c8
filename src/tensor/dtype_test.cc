#include "tensor/dtype.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace weir::tensor {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

uint32_t WordAt(const std::string& s, size_t at) {
  uint32_t w;
  std::memcpy(&w, s.data() + at, 4);
  return w;
}

TEST(DTypeTest, DequantizeIsBitEqualToTheReference) {
  const std::string file = ReadAll(WEIR_SOURCE_DIR "/tests/data/dequant/blocks.bin");
  ASSERT_FALSE(file.empty());
  std::set<DType> seen;
  for (size_t at = 0; at < file.size();) {
    const absl::StatusOr<DType> type = DTypeFromGguf(WordAt(file, at));
    ASSERT_TRUE(type.ok()) << type.status();
    const size_t bytes = WordAt(file, at + 4), floats = WordAt(file, at + 8);
    ASSERT_EQ(bytes, RowBytes(*type, floats));
    std::vector<float> got(floats, -1.0f), want(floats);
    Dequantize(*type, file.data() + at + 12, got.data(), floats);
    std::memcpy(want.data(), file.data() + at + 12 + bytes, 4 * floats);
    for (size_t i = 0; i < floats; ++i) {
      ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), std::bit_cast<uint32_t>(want[i]))
          << InfoOf(*type).name << " element " << i << ": " << got[i] << ", expected " << want[i];
    }
    seen.insert(*type);
    at += 12 + bytes + 4 * floats;
  }
  EXPECT_EQ(seen.size(), 11u);
}

TEST(DTypeTest, UnknownGgufTypeIsNamed) {
  const absl::StatusOr<DType> type = DTypeFromGguf(10);  // Q2_K
  EXPECT_EQ(type.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(type.status().message().find("10"), std::string_view::npos);
}

TEST(DTypeTest, EveryHalfSurvivesARoundTrip) {
  for (uint32_t h = 0; h < 1u << 16; ++h) {
    const float f = HalfToFloat(static_cast<uint16_t>(h));
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(f))));
    } else {
      ASSERT_EQ(FloatToHalf(f), h);
    }
  }
}

// Rounding to nearest even: just below, at and above the middle of each pair of neighbours.
TEST(DTypeTest, FloatToHalfRoundsToNearestEven) {
  for (uint32_t h = 0; h < 0x7bff; ++h) {
    const float a = HalfToFloat(static_cast<uint16_t>(h)),
                b = HalfToFloat(static_cast<uint16_t>(h + 1));
    const float middle = a + (b - a) / 2;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 0.0f)), h);
    ASSERT_EQ(FloatToHalf(middle), h % 2 == 0 ? h : h + 1);
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 1e9f)), h + 1);
    ASSERT_EQ(FloatToHalf(-middle), 0x8000 | (h % 2 == 0 ? h : h + 1));
  }
  EXPECT_EQ(FloatToHalf(65519.996f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(FloatToHalf(1e30f), 0x7c00);
  EXPECT_EQ(FloatToHalf(1e-30f), 0);
}

}  // namespace
}  // namespace weir::tensor
