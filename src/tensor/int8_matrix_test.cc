#include "tensor/int8_matrix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "tensor/kernels.h"
#include "tensor/simd/int8_rows.h"
#include "tensor/test_matrices.h"

namespace weir::tensor {
namespace {

struct Case {
  size_t rows, columns;
};
constexpr Case kCases[] = {{1, 16}, {16, 64}, {37, 384}, {96, 1536}, {33, 48}};

struct Made {
  std::vector<float> weights, bias, x;
  Int8Matrix matrix;
};

Made Make(Case c, size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  Made made{RandomFloats(c.rows * c.columns, random), RandomFloats(c.rows, random),
            RandomFloats(n * c.columns, random), {}};
  made.matrix = *Int8Matrix::Pack(made.weights, made.bias, c.columns);
  return made;
}

// Every error is that of rounding: half a step of a weight times |x|, and the other way round.
TEST(Int8MatrixTest, ErrorIsThatOfRounding) {
  for (const Case c : kCases) {
    constexpr size_t kN = 13;
    const Made made = Make(c, kN, 1);
    Int8Matrix::Workspace workspace;
    std::vector<float> y(kN * c.rows + 1, -7.0f);
    made.matrix.Multiply(made.x.data(), kN, y.data(), workspace, nullptr);
    EXPECT_EQ(y.back(), -7.0f) << "wrote past the end";
    for (size_t i = 0; i < kN; ++i) {
      for (size_t r = 0; r < c.rows; ++r) {
        const float *x = &made.x[i * c.columns], *w = &made.weights[r * c.columns];
        double want = made.bias[r], x_sum = 0, w_sum = 0, x_most = 0, w_most = 0;
        for (size_t k = 0; k < c.columns; ++k) {
          want += static_cast<double>(x[k]) * w[k];
          x_sum += std::fabs(x[k]), w_sum += std::fabs(w[k]);
          x_most = std::max<double>(x_most, std::fabs(x[k]));
          w_most = std::max<double>(w_most, std::fabs(w[k]));
        }
        const double x_half = x_most / 254, w_half = w_most / 254;
        const double bound = x_half * w_sum + w_half * x_sum + c.columns * x_half * w_half;
        EXPECT_NEAR(y[i * c.rows + r], want, 1.001 * bound + 1e-4) << i << " " << r;
      }
    }
  }
}

// What is exact in int8 comes out exactly.
TEST(Int8MatrixTest, WholeNumbersAreExact) {
  std::mt19937 random(2);
  constexpr size_t kRows = 21, kColumns = 80, kN = 7;
  std::vector<float> weights(kRows * kColumns), bias(kRows, 0.5f), x(kN * kColumns);
  const auto fill = [&](std::vector<float>& to) {
    for (size_t i = 0; i < to.size(); ++i) {
      to[i] =
          i % kColumns == 0 ? 127.0f : static_cast<float>(static_cast<int>(random() % 255) - 127);
    }
  };
  fill(weights), fill(x);
  const Int8Matrix matrix = *Int8Matrix::Pack(weights, bias, kColumns);
  Int8Matrix::Workspace workspace;
  std::vector<float> y(kN * kRows);
  matrix.Multiply(x.data(), kN, y.data(), workspace, nullptr);
  for (size_t i = 0; i < kN; ++i) {
    for (size_t r = 0; r < kRows; ++r) {
      float want = 0.5f;
      for (size_t k = 0; k < kColumns; ++k) want += weights[r * kColumns + k] * x[i * kColumns + k];
      EXPECT_EQ(y[i * kRows + r], want);
    }
  }
}

TEST(Int8MatrixTest, ThreadsAndOtherRowsDoNotChangeBytes) {
  Threads two(2);
  for (const Case c : kCases) {
    constexpr size_t kN = 70;
    const Made made = Make(c, kN, 3);
    Int8Matrix::Workspace workspace;
    std::vector<float> one(kN * c.rows), both(kN * c.rows), alone(c.rows);
    made.matrix.Multiply(made.x.data(), kN, one.data(), workspace, nullptr);
    made.matrix.Multiply(made.x.data(), kN, both.data(), workspace, &two);
    EXPECT_EQ(0, std::memcmp(one.data(), both.data(), one.size() * sizeof(float)));
    for (size_t i = 0; i < kN; i += 9) {
      made.matrix.Multiply(&made.x[i * c.columns], 1, alone.data(), workspace, &two);
      EXPECT_EQ(0, std::memcmp(&one[i * c.rows], alone.data(), c.rows * sizeof(float)));
    }
  }
}

// Codes at both ends of their range, every tile height, on every target.
TEST(Int8MatrixTest, TargetsAreBitEqual) {
  std::mt19937 random(4);
  constexpr size_t kRows = 40, kGroups = 3, kSteps = 33, kN = 19;
  std::vector<std::byte> memory(kGroups * kSteps * 64);
  for (std::byte& b : memory) b = static_cast<std::byte>(1 + random() % 255);  // codes from -127
  std::vector<int8_t> codes(kN * 4 * kSteps);
  for (int8_t& c : codes) c = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
  std::fill_n(codes.begin(), 4 * kSteps, int8_t{127});
  const std::vector<float> scales = RandomFloats(kGroups * 16, random),
                           bias = RandomFloats(kGroups * 16, random),
                           x_scales = RandomFloats(kN, random);
  std::vector<int32_t> negative_sums(kN);
  for (size_t i = 0; i < codes.size(); ++i) negative_sums[i / (4 * kSteps)] -= codes[i];
  for (size_t n = 1; n <= kN; ++n) {
    const auto run = [&](Int8RowsKernel kernel) {
      std::vector<float> y(n * kRows + 1, -7.0f);
      kernel({memory.data(), scales.data(), bias.data(), kSteps, kRows, codes.data(),
              x_scales.data(), negative_sums.data(), n, y.data()},
             0, kGroups);
      EXPECT_EQ(y.back(), -7.0f) << "wrote past the end";
      return y;
    };
    const std::vector<float> want = run(kScalarInt8Rows);
    for (const KernelSet* kernels : AllKernels()) {
      const std::vector<float> y = run(Int8RowsKernelOf(*kernels));
      EXPECT_EQ(0, std::memcmp(want.data(), y.data(), y.size() * sizeof(float)))
          << kernels->name << " n " << n;
    }
  }
}

// The fused maxima are those of Multiply's values, bit for bit, with one thread and two.
TEST(Int8MatrixTest, PeaksAreTheLargestOfTheValues) {
  Threads two(2);
  for (const Case c : kCases) {
    const std::vector<int64_t> offsets = {0, 1, 7, 7, 20, 49};
    const size_t n = 49, parts = offsets.size() - 1;
    const Made made = Make(c, n, 6);
    Int8Matrix::Workspace workspace;
    std::vector<float> y(n * c.rows), want(parts * c.rows);
    made.matrix.Multiply(made.x.data(), n, y.data(), workspace, nullptr);
    for (size_t s = 0; s < parts; ++s) {
      for (int64_t t = offsets[s]; t < offsets[s + 1]; ++t) {
        for (size_t r = 0; r < c.rows; ++r) {
          want[s * c.rows + r] = std::max(want[s * c.rows + r], y[t * c.rows + r]);
        }
      }
    }
    for (Threads* threads : {static_cast<Threads*>(nullptr), &two}) {
      std::vector<float> peaks(parts * c.rows + 1, -7.0f);
      made.matrix.Peaks(made.x.data(), offsets, peaks.data(), workspace, threads);
      EXPECT_EQ(peaks.back(), -7.0f) << "wrote past the end";
      EXPECT_EQ(0, std::memcmp(want.data(), peaks.data(), want.size() * sizeof(float)));
    }
  }
}

// As above for the maxima.
TEST(Int8MatrixTest, PeaksAreBitEqualOnAllTargets) {
  std::mt19937 random(7);
  constexpr size_t kRows = 40, kGroups = 3, kSteps = 33;
  std::vector<std::byte> memory(kGroups * kSteps * 64);
  for (std::byte& b : memory) b = static_cast<std::byte>(1 + random() % 255);
  std::vector<int64_t> offsets = {0};
  for (int64_t n = 1; n <= 14; ++n) offsets.push_back(offsets.back() + n);
  const size_t n = offsets.back(), parts = offsets.size() - 1;
  std::vector<int8_t> codes(n * 4 * kSteps);
  for (int8_t& c : codes) c = static_cast<int8_t>(static_cast<int>(random() % 255) - 127);
  const std::vector<float> scales = RandomFloats(kGroups * 16, random),
                           bias = RandomFloats(kGroups * 16, random),
                           x_scales = RandomFloats(n, random);
  std::vector<int32_t> negative_sums(n);
  for (size_t i = 0; i < codes.size(); ++i) negative_sums[i / (4 * kSteps)] -= codes[i];
  const auto run = [&](Int8RowsKernel kernel) {
    std::vector<float> y(parts * kRows + 1, -7.0f);
    kernel({memory.data(), scales.data(), bias.data(), kSteps, kRows, codes.data(),
            x_scales.data(), negative_sums.data(), n, y.data(), offsets.data(), parts},
           0, kGroups);
    EXPECT_EQ(y.back(), -7.0f) << "wrote past the end";
    return y;
  };
  const std::vector<float> want = run(kScalarInt8Peaks);
  for (const KernelSet* kernels : AllKernels()) {
    const std::vector<float> y = run(Int8PeaksKernelOf(*kernels));
    EXPECT_EQ(0, std::memcmp(want.data(), y.data(), y.size() * sizeof(float))) << kernels->name;
  }
}

TEST(Int8MatrixTest, RefusesWhatDoesNotFit) {
  const std::vector<float> weights(64), bias(2);
  EXPECT_TRUE(Int8Matrix::Pack(weights, bias, 32).ok());
  for (const size_t columns : {0, 8, 24, 64, 131072}) {
    EXPECT_EQ(Int8Matrix::Pack(weights, bias, columns).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace weir::tensor
