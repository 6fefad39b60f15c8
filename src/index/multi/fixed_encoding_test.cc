#include "index/multi/fixed_encoding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

#include "base/threads.h"
#include "index/multi/gaussian.h"

namespace weir::index {
namespace {

std::vector<float> UnitVectors(size_t n, size_t d, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(n * d);
  for (float& v : x) v = normal(random);
  for (size_t r = 0; r < n; ++r) {
    double square = 0;
    for (size_t i = 0; i < d; ++i) square += double{x[r * d + i]} * x[r * d + i];
    for (size_t i = 0; i < d; ++i) x[r * d + i] /= static_cast<float>(std::sqrt(square));
  }
  return x;
}

double Product(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

std::unique_ptr<const FixedEncoder> Encoder(const FixedEncodingParameters& parameters) {
  auto made = FixedEncoder::Make(parameters);
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

std::vector<float> Query(const FixedEncoder& encoder, std::span<const float> tokens) {
  std::vector<float> out(encoder.length());
  EXPECT_TRUE(encoder.EncodeQuery(tokens, out).ok());
  return out;
}
std::vector<float> Passage(const FixedEncoder& encoder, std::span<const float> tokens) {
  std::vector<float> out(encoder.length());
  EXPECT_TRUE(encoder.EncodePassage(tokens, out).ok());
  return out;
}

TEST(FixedEncodingTest, WithoutPartsItIsSumAndMean) {
  const size_t d = 40;
  const auto encoder = Encoder({.dimensions = d, .reps = 1, .bits = 0, .dim = 0});
  const auto q = UnitVectors(5, d, 1), p = UnitVectors(9, d, 2);
  const auto query = Query(*encoder, q), passage = Passage(*encoder, p);
  ASSERT_EQ(query.size(), d);
  double closed = 0;
  for (size_t i = 0; i < d; ++i) {
    double sum = 0, mean = 0;
    for (size_t t = 0; t < 5; ++t) sum += q[t * d + i];
    for (size_t t = 0; t < 9; ++t) mean += p[t * d + i] / 9.0;
    EXPECT_NEAR(query[i], sum, 1e-5);
    EXPECT_NEAR(passage[i], mean, 1e-5);
    closed += sum * mean;
  }
  EXPECT_NEAR(Product(query, passage), closed, 1e-5);
}

TEST(FixedEncodingTest, NeighboursInGrayCodeDifferInOneBit) {
  for (uint32_t k = 0; k <= kMostEncodingBits; ++k) {
    for (uint32_t j = 0; j < 1u << k; ++j) {
      EXPECT_EQ(GrayPart(GrayPattern(j), k), j);
      if (j + 1 < 1u << k) {
        EXPECT_EQ(std::popcount(GrayPattern(j) ^ GrayPattern(j + 1)), 1);
      }
    }
  }
}

// Blocks as the paper writes them, from the parts that Parts() tells.
TEST(FixedEncodingTest, BlocksAreSumsMeansAndNearestVectors) {
  const size_t d = 24;
  const FixedEncodingParameters parameters{.dimensions = d, .reps = 3, .bits = 4, .dim = 0};
  const auto encoder = Encoder(parameters);
  const auto tokens = UnitVectors(11, d, 3);
  const std::vector<uint32_t> parts = encoder->Parts(tokens);
  const auto query = Query(*encoder, tokens), passage = Passage(*encoder, tokens);
  for (size_t r = 0; r < 3; ++r) {
    for (uint32_t j = 0; j < 16; ++j) {
      std::vector<size_t> inside;
      for (size_t t = 0; t < 11; ++t) {
        if (parts[t * 3 + r] == j) inside.push_back(t);
      }
      size_t nearest = 0;
      for (size_t t = 1; t < 11; ++t) {
        const auto apart = [&](size_t i) {
          return std::popcount(GrayPattern(parts[i * 3 + r]) ^ GrayPattern(j));
        };
        if (apart(t) < apart(nearest)) nearest = t;
      }
      for (size_t i = 0; i < d; ++i) {
        double sum = 0;
        for (size_t t : inside) sum += tokens[t * d + i];
        const double want = inside.empty() ? tokens[nearest * d + i]
                                           : sum / static_cast<double>(inside.size());
        EXPECT_NEAR(query[(r * 16 + j) * d + i], sum, 1e-5);
        EXPECT_NEAR(passage[(r * 16 + j) * d + i], want, 1e-5);
      }
    }
  }
}

// Mean over 200 seeds within three standard errors; the sketch needs no scale.
TEST(FixedEncodingTest, SketchIsUnbiased) {
  const size_t d = 64;
  const auto a = UnitVectors(1, d, 4), b = UnitVectors(1, d, 5);
  std::vector<float> mixed(d);
  for (size_t i = 0; i < d; ++i) mixed[i] = 0.6f * a[i] + 0.8f * b[i];
  for (const uint32_t final_dim : {0u, 16u}) {
    double sum = 0, square = 0;
    for (uint64_t seed = 0; seed < 200; ++seed) {
      const auto encoder = Encoder({.dimensions = d,
                                    .reps = 1,
                                    .bits = 0,
                                    .dim = final_dim == 0 ? 8u : 0u,
                                    .final_dim = final_dim,
                                    .seed = 1000 * seed});
      const double estimate = Product(Query(*encoder, a), Passage(*encoder, mixed));
      sum += estimate, square += estimate * estimate;
    }
    const double mean = sum / 200, deviation = std::sqrt(square / 200 - mean * mean);
    EXPECT_NEAR(mean, Product(a, mixed), 3 * deviation / std::sqrt(200.0)) << final_dim;
  }
}

TEST(FixedEncodingTest, SameBitsForAnyThreadsAndOrderOfPassages) {
  const size_t d = 48, passages = 40;
  const FixedEncodingParameters parameters{.dimensions = d, .reps = 5, .bits = 3, .dim = 8,
                                           .final_dim = 64, .seed = 9};
  std::vector<std::vector<float>> sets;
  for (uint32_t i = 0; i < passages; ++i) sets.push_back(UnitVectors(1 + i % 17, d, i));
  const auto encoder = Encoder(parameters);
  std::vector<std::vector<float>> alone, together(passages);
  for (const auto& set : sets) alone.push_back(Passage(*encoder, set));
  const auto again = Encoder(parameters);
  Threads threads(2);
  ParallelShare(&threads, passages, 1, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) {
      together[passages - 1 - i] = Passage(*again, sets[passages - 1 - i]);
    }
  });
  EXPECT_EQ(alone, together);
  // Another order of the vectors inside: equal but for rounding.
  std::vector<float> turned;
  for (size_t t = 17; t-- > 0;) {
    turned.insert(turned.end(), sets[16].begin() + t * d, sets[16].begin() + (t + 1) * d);
  }
  const auto encoding = Passage(*encoder, turned);
  // Filled parts may take another vector of the same distance: compare without filling.
  FixedEncodingParameters unfilled = parameters;
  unfilled.fill_empty = false;
  const auto plain = Encoder(unfilled);
  const auto one = Passage(*plain, sets[16]), two = Passage(*plain, turned);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(one[i], two[i], 1e-5);
  EXPECT_EQ(encoding.size(), alone[16].size());
}

TEST(FixedEncodingTest, UnitMeansAndTheWholeSet) {
  const size_t d = 16;
  const auto encoder = Encoder({.dimensions = d, .reps = 4, .bits = 1, .dim = 0,
                                .unit_means = true, .whole = true});
  const auto tokens = UnitVectors(9, d, 11);
  const auto query = Query(*encoder, tokens), passage = Passage(*encoder, tokens);
  ASSERT_EQ(passage.size(), (4 * 2 + 1) * d);
  for (size_t block = 0; block < 8; ++block) {
    const auto x = std::span(passage).subspan(block * d, d);
    EXPECT_NEAR(Product(x, x), 1, 1e-5);
  }
  std::vector<double> sum(d);
  double square = 0;
  for (size_t i = 0; i < d; ++i) {
    for (size_t t = 0; t < 9; ++t) sum[i] += tokens[t * d + i];
    square += sum[i] * sum[i];
  }
  for (size_t i = 0; i < d; ++i) {
    EXPECT_NEAR(query[8 * d + i], 2 * sum[i], 1e-5);  // the root of four repetitions
    EXPECT_NEAR(passage[8 * d + i], 2 * sum[i] / std::sqrt(square), 1e-5);
  }
}

TEST(FixedEncodingTest, EstimatesMaxSim) {
  const size_t d = 32;
  const auto encoder = Encoder({.dimensions = d, .reps = 64, .bits = 5, .dim = 0});
  // A passage that holds the query's vectors is found before one that does not.
  const auto query = UnitVectors(6, d, 7), other = UnitVectors(30, d, 8);
  std::vector<float> with = other;
  std::copy(query.begin(), query.end(), with.begin());
  const auto q = Query(*encoder, query);
  EXPECT_GT(Product(q, Passage(*encoder, with)), Product(q, Passage(*encoder, other)));
  EXPECT_LE(Product(q, Passage(*encoder, with)) / 64, 6.01);  // MaxSim itself
}

TEST(FixedEncodingTest, BadParametersAndSetsAreRefused) {
  using absl::StatusCode;
  const auto code = [](const FixedEncodingParameters& p) { return CheckParameters(p).code(); };
  EXPECT_EQ(code({.dimensions = 384}), StatusCode::kOk);
  EXPECT_EQ(code({.dimensions = 0}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.dimensions = 384, .reps = 0}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.dimensions = 384, .bits = 31}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.dimensions = 384, .dim = 385}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.dimensions = 384, .reps = 256, .bits = 12}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.dimensions = 384, .final_dim = 70000}), StatusCode::kInvalidArgument);
  EXPECT_EQ(FixedEncoder::Make({.dimensions = 0}).status().code(), StatusCode::kInvalidArgument);
  const auto encoder = Encoder({.dimensions = 8, .reps = 1, .bits = 1, .dim = 4});
  std::vector<float> out(encoder->length());
  EXPECT_EQ(encoder->EncodePassage({}, out).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(encoder->EncodeQuery({}, out).ok());
  EXPECT_EQ(out, std::vector<float>(out.size()));
  const std::vector<float> x(9);
  EXPECT_EQ(encoder->EncodePassage(x, out).code(), StatusCode::kInvalidArgument);
}

TEST(FixedEncodingTest, OptionsKeepWhatTheStoreHas) {
  const FixedEncodingParameters stored{.dimensions = 384, .reps = 10, .bits = 4, .seed = 3};
  auto same = ResolveParameters({}, 384, &stored);
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(*same, stored);
  EXPECT_TRUE(ResolveParameters({.reps = 10, .seed = 3}, 384, &stored).ok());
  const auto other = ResolveParameters({.seed = 4}, 384, &stored);
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(other.status().message().find("seed=3"), std::string::npos) << other.status();
  EXPECT_EQ(ResolveParameters({.bits = 2}, 384, nullptr)->bits, 2u);
  EXPECT_FALSE(ResolveParameters({.bits = 12, .dim = 0}, 384, nullptr).ok());
}

TEST(GaussianTest, NumbersAreTheSameEverywhere) {
  // Written down once: another compiler, library or CPU must give them too.
  PortableRandom random(1, 2);
  EXPECT_EQ(random.Next(), PortableRandom(1, 2).Next());
  PortableRandom g(42, 0);
  double sum = 0, square = 0, fourth = 0;
  const int n = 200000;
  for (int i = 0; i < n; ++i) {
    const double x = g.Gaussian();
    sum += x, square += x * x, fourth += x * x * x * x;
  }
  EXPECT_NEAR(sum / n, 0, 0.01);
  EXPECT_NEAR(square / n, 1, 0.015);
  EXPECT_NEAR(fourth / n, 3, 0.12);
}

}  // namespace
}  // namespace weir::index
