#include "tensor/vector.h"

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tensor/kernels.h"
#include "tensor/test_matrices.h"

namespace weir::tensor {
namespace {

std::vector<int8_t> RandomCodes(size_t n, std::mt19937& random) {
  std::vector<int8_t> out(n);
  for (int8_t& c : out) c = static_cast<int8_t>(random());
  return out;
}

TEST(VectorTest, DotOnAllTargets) {
  std::mt19937 random(1);
  for (size_t n = 0; n < 300; ++n) {
    const std::vector<float> a = RandomFloats(n, random), b = RandomFloats(n, random);
    double want = 0, magnitude = 0;
    for (size_t i = 0; i < n; ++i) {
      want += static_cast<double>(a[i]) * b[i];
      magnitude += std::fabs(a[i] * b[i]);
    }
    const float scalar = kScalarKernels.dot(a.data(), b.data(), n);
    EXPECT_NEAR(scalar, want, 1e-6 * magnitude);
    for (const KernelSet* kernels : AllKernels()) {
      EXPECT_EQ(scalar, kernels->dot(a.data(), b.data(), n)) << kernels->name << " n " << n;
    }
  }
}

TEST(VectorTest, DotInt8OnAllTargets) {
  std::mt19937 random(2);
  for (size_t n = 0; n < 400; ++n) {
    std::vector<int8_t> a = RandomCodes(n, random), b = RandomCodes(n, random);
    if (n % 3 == 0) a.assign(n, -128), b.assign(n, n % 2 == 0 ? -128 : 127);
    int32_t want = 0;
    for (size_t i = 0; i < n; ++i) want += a[i] * b[i];
    for (const KernelSet* kernels : AllKernels()) {
      EXPECT_EQ(want, kernels->dot_int8(a.data(), b.data(), n)) << kernels->name << " n " << n;
    }
  }
}

TEST(VectorTest, QuantizeInt8) {
  std::mt19937 random(3);
  const std::vector<float> x = RandomFloats(384, random);
  std::vector<int8_t> codes(384);
  const float scale = QuantizeInt8(x.data(), codes.data(), 384);
  float peak = 0;
  for (float v : x) peak = std::max(peak, std::fabs(v));
  EXPECT_FLOAT_EQ(scale, peak / 127);
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(codes[i] * scale, x[i], scale * 0.5001f);
  const std::vector<float> zeros(5, 0.0f);
  EXPECT_EQ(QuantizeInt8(zeros.data(), codes.data(), 5), 0.0f);
  EXPECT_EQ(codes[0], 0);
  EXPECT_EQ(QuantizeInt8(nullptr, codes.data(), 0), 0.0f);
  const std::vector<float> bad = {1.0f, NAN, INFINITY};
  EXPECT_EQ(QuantizeInt8(bad.data(), codes.data(), 3), 0.0f);
}

TEST(VectorTest, ScanInt8OnAllTargetsAndThreads) {
  std::mt19937 random(4);
  for (const size_t n : {1, 31, 64, 100, 384, 768}) {
    for (const size_t rows : {0, 1, 3, 4, 5, 63, 1500}) {
      const std::vector<int8_t> codes = RandomCodes(rows * n, random),
                                query = RandomCodes(n, random);
      const std::vector<float> scales = RandomFloats(rows, random);
      std::vector<float> want(rows);
      for (size_t i = 0; i < rows; ++i) {
        int32_t dot = 0;
        for (size_t j = 0; j < n; ++j) dot += codes[i * n + j] * query[j];
        want[i] = static_cast<float>(dot) * scales[i] * 0.25f;
      }
      for (const KernelSet* kernels : AllKernels()) {
        std::vector<float> got(rows);
        kernels->scan_int8(query.data(), 0.25f, codes.data(), scales.data(), rows, n, got.data());
        EXPECT_EQ(want, got) << kernels->name << " " << rows << " x " << n;
      }
      std::vector<uint32_t> at;  // backwards, the first row twice
      for (size_t i = rows; i-- > 0;) at.push_back(static_cast<uint32_t>(i));
      if (rows > 0) at.push_back(0);
      std::vector<float> picked(at.size());
      ScanInt8At(query.data(), 0.25f, codes.data(), scales.data(), at.data(), at.size(), n,
                 picked.data());
      for (size_t i = 0; i < at.size(); ++i) EXPECT_EQ(picked[i], want[at[i]]);
      Threads two(2);
      std::vector<float> got(rows);
      ScanInt8(query.data(), 0.25f, codes.data(), scales.data(), rows, n, got.data(), &two);
      EXPECT_EQ(want, got);
    }
  }
}

}  // namespace
}  // namespace weir::tensor
