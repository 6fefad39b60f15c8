#include "tensor/tiled_attention.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tensor/simd/tiled.h"
#include "tensor/test_matrices.h"

namespace weir::tensor {
namespace {

struct Inputs {
  explicit Inputs(const TiledShape& s, uint32_t seed = 3) {
    std::mt19937 random(seed);
    const size_t size = static_cast<size_t>(s.n) * s.head_dim;
    for (auto* x : {&q, &k, &v}) *x = RandomFloats(size, random);
  }
  std::vector<float> q, k, v;
};

// float64, one row at a time, straight from the definition.
std::vector<double> Naive(const TiledShape& s, const Inputs& in) {
  const int64_t d = s.head_dim;
  std::vector<double> out(s.n * d, 0.0), p(s.n);
  for (int64_t i = 0; i < s.n; ++i) {
    const int64_t seen = s.causal ? i + 1 : s.n;
    double peak = -INFINITY, sum = 0;
    for (int64_t j = 0; j < seen; ++j) {
      double dot = 0;
      for (int64_t c = 0; c < d; ++c) dot += static_cast<double>(in.q[i * d + c]) * in.k[j * d + c];
      p[j] = dot * s.scale;
      peak = std::max(peak, p[j]);
    }
    for (int64_t j = 0; j < seen; ++j) sum += p[j] = std::exp(p[j] - peak);
    for (int64_t j = 0; j < seen; ++j) {
      for (int64_t c = 0; c < d; ++c) out[i * d + c] += p[j] / sum * in.v[j * d + c];
    }
  }
  return out;
}

// The largest error relative to the largest output.
double Error(const std::vector<float>& got, const std::vector<double>& want) {
  double most = 0, error = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    most = std::max(most, std::fabs(want[i]));
    error = std::max(error, std::fabs(got[i] - want[i]));
    if (!std::isfinite(got[i])) return INFINITY;
  }
  return error / most;
}

TEST(TiledAttentionTest, EqualsNaiveForEverySchedule) {
  const TileSizes sizes[] = {{1, 32, 1}, {7, 32, 5}, {16, 64, 64}, {13, 96, 16}, {1000, 1024, 999}};
  for (const auto& [n, d] : {std::pair{1, 1}, {7, 16}, {33, 40}, {64, 64}, {129, 100}, {70, 256}}) {
    for (const bool causal : {false, true}) {
      const TiledShape shape = {n, d, 1.0f / std::sqrt(static_cast<float>(d)), causal};
      const Inputs in(shape);
      const std::vector<double> want = Naive(shape, in);
      for (const TileSizes& tiles : sizes) {
        for (const TiledSchedule schedule : {TiledSchedule::kRowOuter, TiledSchedule::kTwoPhase}) {
          for (const KernelSet* set : AllKernels()) {
            auto made = TiledAttention::Make(shape, schedule, tiles, &TiledKernelsOf(*set));
            ASSERT_TRUE(made.ok()) << made.status();
            std::vector<float> out(want.size(), NAN);
            made->Run(in.q.data(), in.k.data(), in.v.data(), out.data());
            EXPECT_LT(Error(out, want), 1e-5)
                << set->name << " " << NameOf(schedule) << " n " << n << " d " << d << " causal "
                << causal << " tiles " << tiles.rows << " x " << tiles.columns << ", "
                << tiles.slab;
          }
        }
      }
    }
  }
}

TEST(TiledAttentionTest, RunsTwiceWithTheSameResult) {
  const TiledShape shape = {50, 24, 0.2f, true};
  const Inputs first(shape, 1), second(shape, 2);
  for (const TiledSchedule schedule : {TiledSchedule::kRowOuter, TiledSchedule::kTwoPhase}) {
    auto made = TiledAttention::Make(shape, schedule, {16, 32, 8});
    ASSERT_TRUE(made.ok());
    std::vector<float> a(50 * 24), b(50 * 24), again(50 * 24);
    made->Run(first.q.data(), first.k.data(), first.v.data(), a.data());
    made->Run(second.q.data(), second.k.data(), second.v.data(), b.data());
    made->Run(first.q.data(), first.k.data(), first.v.data(), again.data());
    EXPECT_EQ(a, again);
    EXPECT_NE(a, b);
  }
}

// One logit far above the others, and all of them equal: no NaN, exact weights.
TEST(TiledAttentionTest, ExtremeLogits) {
  for (const float size : {0.0f, 1e3f}) {
    const TiledShape shape = {65, 8, 1.0f, false};
    Inputs in(shape);
    for (float& x : in.q) x *= size;
    const std::vector<double> want = Naive(shape, in);
    for (const TiledSchedule schedule : {TiledSchedule::kRowOuter, TiledSchedule::kTwoPhase}) {
      auto made = TiledAttention::Make(shape, schedule, {8, 32, 8});
      std::vector<float> out(want.size());
      made->Run(in.q.data(), in.k.data(), in.v.data(), out.data());
      // Logits of some thousands carry an f32 error of some 1e-4 into the exponent.
      EXPECT_LT(Error(out, want), size == 0 ? 1e-5 : 2e-3) << NameOf(schedule);
    }
  }
}

TEST(TiledAttentionTest, RefusesBadSizes) {
  const TiledShape shape = {64, 64, 0.125f, false};
  for (const TileSizes& tiles : {TileSizes{0, 32, 64}, {8, 31, 64}, {8, 32, 0}, {-1, 32, 64}}) {
    EXPECT_EQ(TiledAttention::Make(shape, TiledSchedule::kRowOuter, tiles).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(TiledAttention::Make({0, 64, 1, false}, TiledSchedule::kRowOuter, {8, 32, 64})
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
  const TiledShape large = {1 << 16, 64, 0.125f, false};  // 16 GiB of scores
  EXPECT_EQ(TiledAttention::Make(large, TiledSchedule::kTwoPhase, {64, 64, 64}).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(TiledAttention::Make(large, TiledSchedule::kRowOuter, {64, 64, 64}).ok());
}

}  // namespace
}  // namespace weir::tensor
