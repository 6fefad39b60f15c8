#include "tensor/ops.h"

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tensor/kernels.h"
#include "tensor/simd/gate.h"
#include "tensor/test_matrices.h"

namespace weir::tensor {
namespace {

constexpr size_t kSizes[] = {1, 2, 15, 16, 17, 63, 64, 65, 100, 576, 1537};

void ExpectClose(const std::vector<float>& got, const std::vector<double>& want, double tolerance) {
  for (size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], tolerance * (1 + std::fabs(want[i])))
        << i << " of " << want.size();
  }
}

// All targets give the same bytes; `run` writes its result into the vector it gets.
template <class Run>
std::vector<float> OnAllTargets(size_t n, Run run) {
  std::vector<float> want(n);
  run(kScalarKernels, want);
  for (const KernelSet* kernels : AllKernels()) {
    std::vector<float> got(n + 1, 9.0f);
    run(*kernels, got);
    EXPECT_EQ(0, std::memcmp(want.data(), got.data(), n * 4)) << kernels->name << " n " << n;
    EXPECT_EQ(got[n], 9.0f) << kernels->name << " wrote past the end";
  }
  return want;
}

TEST(OpsTest, RmsNorm) {
  std::mt19937 random(1);
  for (const size_t n : kSizes) {
    const std::vector<float> x = RandomFloats(n, random), w = RandomFloats(n, random);
    double squares = 0;
    for (float v : x) squares += static_cast<double>(v) * v;
    std::vector<double> want(n);
    for (size_t i = 0; i < n; ++i) want[i] = x[i] / std::sqrt(squares / n + 1e-5) * w[i];
    ExpectClose(OnAllTargets(n,
                             [&](const KernelSet& k, std::vector<float>& out) {
                               k.rms_norm(x.data(), w.data(), 1e-5f, out.data(), n);
                             }),
                want, 1e-6);
  }
}

TEST(OpsTest, LayerNorm) {
  std::mt19937 random(2);
  for (const size_t n : kSizes) {
    const std::vector<float> x = RandomFloats(n, random), w = RandomFloats(n, random),
                             b = RandomFloats(n, random);
    double mean = 0, variance = 0;
    for (float v : x) mean += v / static_cast<double>(n);
    for (float v : x) variance += (v - mean) * (v - mean) / n;
    std::vector<double> want(n);
    for (size_t i = 0; i < n; ++i)
      want[i] = (x[i] - mean) / std::sqrt(variance + 1e-12) * w[i] + b[i];
    if (n == 1) want[0] = b[0];
    ExpectClose(OnAllTargets(n,
                             [&](const KernelSet& k, std::vector<float>& out) {
                               k.layer_norm(x.data(), w.data(), b.data(), 1e-12f, out.data(), n);
                             }),
                want, n == 2 ? 1e-4 : 1e-5);
  }
}

TEST(OpsTest, RmsNormInPlace) {
  std::mt19937 random(6);
  for (const size_t n : kSizes) {
    const std::vector<float> x = RandomFloats(n, random), w = RandomFloats(n, random);
    std::vector<float> want(n), got = x;
    RmsNorm(x.data(), w.data(), 1e-6f, want.data(), n);
    RmsNorm(got.data(), w.data(), 1e-6f, got.data(), n);
    EXPECT_EQ(got, want);
  }
}

TEST(OpsTest, GeluTanhMultiplyOverTheWholeRange) {
  for (const size_t n : {size_t{1}, size_t{17}, size_t{40001}}) {
    std::vector<float> x(n), up(n);
    for (size_t i = 0; i < n; ++i) {
      x[i] = (static_cast<float>(i) - static_cast<float>(n / 2)) * 0.005f;  // up to -100 .. 100
      up[i] = static_cast<float>(i % 7) - 2.5f;
    }
    const std::vector<float> got =
        OnAllTargets(n, [&](const KernelSet& k, std::vector<float>& out) {
          GeluTanhKernel(k)(x.data(), up.data(), out.data(), n);
        });
    for (size_t i = 0; i < n; ++i) {
      const double v = x[i], u = std::sqrt(2 / std::acos(-1.0)) * (v + 0.044715 * v * v * v);
      // 0.5 (1 + tanh u) without the cancellation of large negative u. Exp's argument is an f32 of
      // up to 87, which costs 2^-24 of it in the tail.
      const double want = v / (1 + std::exp(-2 * u)) * up[i];
      const double size = std::fabs(want);
      ASSERT_NEAR(got[i], want, (1e-6 + 1.5e-7 * std::min(88.0, 2 * std::fabs(u))) * size + 1e-30)
          << v;
    }
    std::vector<float> in_place = x;
    GeluTanhMultiply(in_place.data(), up.data(), in_place.data(), n);
    EXPECT_EQ(in_place, got);
  }
}

TEST(OpsTest, SiluMultiplyAndGeluOverTheWholeRange) {
  const size_t n = 40001;
  std::vector<float> x(n), up(n, 1.5f);
  for (size_t i = 0; i < n; ++i) x[i] = (static_cast<float>(i) - 20000) * 0.005f;  // -100 .. 100
  const std::vector<float> silu = OnAllTargets(n, [&](const KernelSet& k, std::vector<float>& out) {
    k.silu_multiply(x.data(), up.data(), out.data(), n);
  });
  const std::vector<float> gelu = OnAllTargets(n, [&](const KernelSet& k, std::vector<float>& out) {
    std::memcpy(out.data(), x.data(), n * 4);
    k.gelu(out.data(), n);
  });
  for (size_t i = 0; i < n; ++i) {
    const double v = x[i];
    ASSERT_NEAR(silu[i], v / (1 + std::exp(-v)) * 1.5, 5e-7 * std::fabs(v) + 1e-30) << v;
    ASSERT_NEAR(gelu[i], 0.5 * v * std::erfc(-v / std::sqrt(2.0)),
                2e-7 * std::max(1.0, std::fabs(v)))
        << v;
  }
}

TEST(OpsTest, Softmax) {
  std::mt19937 random(3);
  for (const size_t n : kSizes) {
    std::vector<float> x = RandomFloats(n, random);
    for (float& v : x) v *= 10;
    if (n > 20) x[3] = -INFINITY;
    double most = -INFINITY, sum = 0;
    for (float v : x) most = std::max<double>(most, v);
    for (float v : x) sum += std::exp(v - most);
    std::vector<double> want(n);
    for (size_t i = 0; i < n; ++i) want[i] = std::exp(x[i] - most) / sum;
    ExpectClose(OnAllTargets(n,
                             [&](const KernelSet& k, std::vector<float>& out) {
                               std::memcpy(out.data(), x.data(), n * 4);
                               k.softmax(out.data(), n);
                             }),
                want, 1e-6);
  }
  std::vector<float> none(3, -INFINITY);
  Softmax(none.data(), 3);
  EXPECT_EQ(none, std::vector<float>(3, 0.0f));
  Softmax(none.data(), 0);
}

TEST(OpsTest, Add) {
  std::mt19937 random(4);
  for (const size_t n : kSizes) {
    const std::vector<float> x = RandomFloats(n, random), y = RandomFloats(n, random);
    const std::vector<float> got =
        OnAllTargets(n, [&](const KernelSet& k, std::vector<float>& out) {
          std::memcpy(out.data(), x.data(), n * 4);
          k.add_to(out.data(), y.data(), n);
        });
    for (size_t i = 0; i < n; ++i) EXPECT_EQ(got[i], x[i] + y[i]);
  }
}

TEST(OpsTest, Rotary) {
  std::mt19937 random(5);
  for (const int dim : {2, 16, 24, 32, 64, 80, 128, 256}) {
    for (const int64_t position : {0, 1, 77, 100000}) {
      std::vector<float> table(dim), factors(dim / 2, 1.0f);
      factors[0] = 4.0f;
      RotaryTable(position, dim, 10000.0f, factors.data(), table.data());
      const std::vector<float> x = RandomFloats(dim, random);
      std::vector<double> pairs(dim), halves(dim);
      for (int i = 0; i < dim / 2; ++i) {
        const double angle = position * std::pow(10000.0, -2.0 * i / dim) / factors[i];
        const double c = std::cos(angle), s = std::sin(angle);
        pairs[2 * i] = x[2 * i] * c - x[2 * i + 1] * s;
        pairs[2 * i + 1] = x[2 * i] * s + x[2 * i + 1] * c;
        halves[i] = x[i] * c - x[i + dim / 2] * s;
        halves[i + dim / 2] = x[i] * s + x[i + dim / 2] * c;
      }
      auto run = [&](auto member) {
        return OnAllTargets(dim, [&](const KernelSet& k, std::vector<float>& out) {
          std::memcpy(out.data(), x.data(), dim * 4);
          (k.*member)(out.data(), table.data(), dim);
        });
      };
      ExpectClose(run(&KernelSet::rotary_interleaved), pairs, 2e-4);
      ExpectClose(run(&KernelSet::rotary_halves), halves, 2e-4);
    }
  }
}

}  // namespace
}  // namespace weir::tensor
