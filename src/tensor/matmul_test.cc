#include "tensor/matmul.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tensor/kernels.h"
#include "tensor/test_matrices.h"

namespace weir::tensor {
namespace {

// y in double from the dequantised weights.
std::vector<double> Naive(const std::vector<float>& w, const std::vector<float>& x, size_t n,
                          size_t rows, size_t columns, std::vector<double>* magnitude) {
  std::vector<double> y(n * rows, 0.0);
  magnitude->assign(n * rows, 0.0);
  for (size_t i = 0; i < n; ++i) {
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < columns; ++c) {
        const double term = static_cast<double>(w[r * columns + c]) * x[i * columns + c];
        y[i * rows + r] += term;
        (*magnitude)[i * rows + r] += std::fabs(term);
      }
    }
  }
  return y;
}

struct Shape {
  size_t rows, columns;
};

class MatmulTest : public testing::TestWithParam<DType> {
 protected:
  std::vector<Shape> Shapes() const {
    if (IsK(GetParam())) return {{16, 256}, {33, 512}, {7, 768}, {64, 1536}};
    if (IsFloat(GetParam())) return {{1, 1}, {16, 30}, {33, 64}, {7, 384}, {50, 777}, {64, 1536}};
    return {{1, 32}, {16, 64}, {33, 288}, {7, 384}, {50, 576}, {64, 896}, {17, 1536}};
  }
};

// Against double arithmetic on the dequantised matrix: what remains is the rounding of the
// activations to int8, half a step (peak / 254) each.
TEST_P(MatmulTest, MatchesNaive) {
  std::mt19937 random(1);
  for (const Shape s : Shapes()) {
    const TestMatrix m(GetParam(), s.rows, s.columns, random);
    for (const size_t n : {1, 3}) {
      const std::vector<float> x = RandomFloats(n * s.columns, random);
      std::vector<double> magnitude;
      const std::vector<double> want = Naive(m.floats, x, n, s.rows, s.columns, &magnitude);
      const absl::StatusOr<Matrix> packed = Matrix::Pack(m.view(), nullptr);
      ASSERT_TRUE(packed.ok()) << packed.status();
      std::vector<float> y(n * s.rows, -7.0f);
      packed->Multiply(x.data(), n, y.data(), nullptr);
      for (size_t i = 0; i < y.size(); ++i) {
        double scale = 0;
        for (size_t c = 0; c < s.columns; ++c)
          scale += std::fabs(m.floats[i % s.rows * s.columns + c]);
        const double bound = IsFloat(GetParam())
                                 ? 1e-6 * std::sqrt(s.columns) * magnitude[i] + 1e-30
                                 : scale * 4.5 / 254 + 1e-5 * magnitude[i];
        ASSERT_NEAR(y[i], want[i], bound)
            << s.rows << "x" << s.columns << " n " << n << " element " << i;
      }
    }
  }
}

// Every target, batch size and group range gives the bytes of the scalar twin.
TEST_P(MatmulTest, TargetsAndBatchesAreBitEqual) {
  std::mt19937 random(2);
  for (const Shape s : Shapes()) {
    const TestMatrix m(GetParam(), s.rows, s.columns, random);
    const Packed16 packed(m);
    constexpr size_t kMost = 64;
    const std::vector<float> x = RandomFloats(kMost * s.columns, random);
    const QuantizedActivations all(kScalarKernels, x.data(), kMost, s.columns, !IsFloat(GetParam()),
                                   nullptr);
    std::vector<float> want(kMost * s.rows);
    kScalarKernels.multiply(packed.matrix, 0, packed.matrix.groups, all.view(), want.data());
    for (const KernelSet* kernels : AllKernels()) {
      for (const size_t n : {1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 17, 64}) {
        const QuantizedActivations a(*kernels, x.data(), n, s.columns, !IsFloat(GetParam()),
                                     nullptr);
        std::vector<float> y(n * s.rows + 1, -7.0f);
        const size_t middle = packed.matrix.groups / 2;
        kernels->multiply(packed.matrix, middle, packed.matrix.groups, a.view(), y.data());
        kernels->multiply(packed.matrix, 0, middle, a.view(), y.data());
        ASSERT_EQ(0, std::memcmp(want.data(), y.data(), n * s.rows * sizeof(float)))
            << kernels->name << " " << s.rows << "x" << s.columns << " n " << n;
        ASSERT_EQ(y.back(), -7.0f) << "wrote past the end";
      }
    }
  }
}

TEST_P(MatmulTest, ThreadsDoNotChangeBytes) {
  std::mt19937 random(3);
  const size_t columns = 512, rows = 150;
  const TestMatrix m(GetParam(), rows, columns, random);
  Threads two(2);
  const Matrix one_packed = *Matrix::Pack(m.view(), nullptr),
               two_packed = *Matrix::Pack(m.view(), &two);
  const size_t n = 64;
  const std::vector<float> x = RandomFloats(n * columns, random);
  std::vector<float> a(n * rows), b(n * rows), c(rows);
  one_packed.Multiply(x.data(), n, a.data(), nullptr);
  two_packed.Multiply(x.data(), n, b.data(), &two);
  EXPECT_EQ(0, std::memcmp(a.data(), b.data(), a.size() * sizeof(float)));
  for (size_t i = 0; i < n; i += 9) {
    two_packed.Multiply(x.data() + i * columns, 1, c.data(), &two);
    EXPECT_EQ(0, std::memcmp(a.data() + i * rows, c.data(), rows * sizeof(float))) << "row " << i;
  }
}

TEST_P(MatmulTest, BorrowedBytesGiveTheSameProduct) {
  std::mt19937 random(4);
  const TestMatrix m(GetParam(), 21, 512, random);
  const Matrix packed = *Matrix::Pack(m.view(), nullptr);
  const auto lent = packed.packed();
  const auto borrow = [&](std::span<const std::byte> bytes) {
    return Matrix::Borrow(GetParam(), 21, 512, bytes, nullptr);
  };
  const Matrix borrowed = *borrow(lent);
  std::vector<float> x(512, 0.5f), a(21), b(21);
  packed.Multiply(x.data(), 1, a.data(), nullptr);
  borrowed.Multiply(x.data(), 1, b.data(), nullptr);
  EXPECT_EQ(a, b);
  EXPECT_EQ(borrow(lent.first(lent.size() - 64)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(borrow(lent.subspan(1)).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_P(MatmulTest, NotWholeBlocksIsRefused) {
  if (IsFloat(GetParam())) GTEST_SKIP() << "any width is whole";
  const std::byte none{};
  EXPECT_EQ(Matrix::Pack({GetParam(), &none, 1, 100}, nullptr).status().code(),
            absl::StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(Types, MatmulTest,
                         testing::Values(DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0,
                                         DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0,
                                         DType::kQ4_K, DType::kQ5_K, DType::kQ6_K),
                         [](const auto& info) { return std::string(InfoOf(info.param).name); });

TEST(MultiplyTogetherTest, EqualsSeparateProducts) {
  std::mt19937 random(5);
  const size_t columns = 512, n = 5;
  std::vector<Matrix> matrices;
  std::vector<TestMatrix> sources;
  for (const auto& [type, rows] : std::vector<std::pair<DType, size_t>>{
           {DType::kQ4_K, 100}, {DType::kF32, 17}, {DType::kQ6_K, 31}, {DType::kQ8_0, 16}}) {
    sources.emplace_back(type, rows, columns, random);
  }
  for (const TestMatrix& m : sources) matrices.push_back(*Matrix::Pack(m.view(), nullptr));
  const std::vector<float> x = RandomFloats(n * columns, random);
  std::vector<const Matrix*> pointers;
  std::vector<std::vector<float>> together, apart;
  std::vector<float*> ys;
  for (const Matrix& m : matrices) {
    pointers.push_back(&m);
    together.emplace_back(n * m.rows());
    apart.emplace_back(n * m.rows());
    m.Multiply(x.data(), n, apart.back().data(), nullptr);
  }
  for (std::vector<float>& y : together) ys.push_back(y.data());
  Threads three(3);
  MultiplyTogether(pointers, x.data(), n, ys, &three);
  EXPECT_EQ(together, apart);
}

// More rows than one sweep takes.
TEST(MatmulEdgeTest, ManyRowsEqualFew) {
  std::mt19937 random(8);
  const TestMatrix m(DType::kQ4_1, 40, 576, random);
  const Matrix packed = *Matrix::Pack(m.view(), nullptr);
  const size_t n = 401;
  const std::vector<float> x = RandomFloats(n * 576, random);
  std::vector<float> all(n * 40), one(40);
  packed.Multiply(x.data(), n, all.data(), nullptr);
  for (size_t i = 0; i < n; i += 19) {
    packed.Multiply(x.data() + i * 576, 1, one.data(), nullptr);
    EXPECT_EQ(0, std::memcmp(all.data() + i * 40, one.data(), 40 * sizeof(float))) << i;
  }
}

TEST(MatmulEdgeTest, NoColumnsGivesZeros) {
  for (const DType type : {DType::kF32, DType::kQ4_0, DType::kQ4_K}) {
    const Matrix empty = *Matrix::Pack({type, nullptr, 3, 0}, nullptr);
    std::vector<float> y(6, 5.0f);
    empty.Multiply(nullptr, 2, y.data(), nullptr);
    EXPECT_EQ(y, std::vector<float>(6, 0.0f));
  }
}

TEST(MatmulEdgeTest, NothingToDo) {
  const Matrix empty = *Matrix::Pack({DType::kQ4_0, nullptr, 0, 64}, nullptr);
  std::vector<float> x(64, 1.0f), y(1, 5.0f);
  empty.Multiply(x.data(), 1, y.data(), nullptr);
  std::mt19937 random(6);
  const TestMatrix m(DType::kQ4_0, 16, 64, random);
  Matrix::Pack(m.view(), nullptr)->Multiply(x.data(), 0, y.data(), nullptr);
  EXPECT_EQ(y[0], 5.0f);
  EXPECT_EQ(empty.bytes(), 0u);
}

// Zeros, one huge value, NaN and infinity in the activations: all targets agree and nothing traps.
TEST(QuantizeRowTest, TargetsAgreeOnHardRows) {
  const size_t columns = 32 * 9;
  std::mt19937 random(7);
  std::vector<float> x = RandomFloats(columns, random);
  std::fill_n(x.begin() + 32, 32, 0.0f);
  std::fill_n(x.begin() + 64, 32, 1e-38f);
  x[100] = 1e38f;
  x[130] = NAN;
  x[170] = -INFINITY;
  for (size_t c = 192; c < 224; ++c) x[c] = 0.5f + static_cast<float>(c - 192);  // ties
  x[223] = 127.0f;
  const QuantizedActivations want(kScalarKernels, x.data(), 1, columns, true, nullptr);
  for (const KernelSet* kernels : AllKernels()) {
    const QuantizedActivations got(*kernels, x.data(), 1, columns, true, nullptr);
    EXPECT_EQ(0, std::memcmp(want.view().codes, got.view().codes, columns)) << kernels->name;
    for (size_t b = 0; b < 9; ++b) {
      if (std::isnan(want.view().scales[b])) {
        EXPECT_TRUE(std::isnan(got.view().scales[b]));
      } else {
        EXPECT_EQ(want.view().scales[b], got.view().scales[b]);
      }
      EXPECT_EQ(want.view().negative_sums[b], got.view().negative_sums[b]);
      EXPECT_EQ(want.view().negative_halves[2 * b + 1], got.view().negative_halves[2 * b + 1]);
    }
  }
  EXPECT_TRUE(std::isnan(want.view().scales[4]));
  EXPECT_EQ(want.view().scales[1], 0.0f);
}

}  // namespace
}  // namespace weir::tensor
