#include "generate/sample/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "generate/sample/random.h"
#include "gtest/gtest.h"

namespace weir::generate {
namespace {

std::vector<float> RandomLogits(size_t n, uint64_t seed, bool ties = false) {
  std::vector<float> logits(n);
  for (size_t i = 0; i < n; ++i) {
    const double u = UniformAt(seed, i);
    logits[i] = ties ? static_cast<float>(std::floor(u * 8)) : static_cast<float>(20 * u - 10);
  }
  return logits;
}

std::vector<Candidate> FullSort(const std::vector<float>& logits) {
  std::vector<Candidate> all;
  for (size_t i = 0; i < logits.size(); ++i) all.push_back({logits[i], static_cast<int32_t>(i)});
  std::sort(all.begin(), all.end(), Likelier);
  return all;
}

// The chain written plainly over a full sort: probabilities of every token that survives.
std::vector<std::pair<int32_t, double>> NaiveChain(const std::vector<float>& logits,
                                                   const SampleOptions& o) {
  std::vector<Candidate> c = FullSort(logits);
  if (o.top_k > 0 && c.size() > static_cast<size_t>(o.top_k)) c.resize(o.top_k);
  const auto softmax = [](const std::vector<Candidate>& list, double t) {
    std::vector<double> p;
    double sum = 0;
    for (const auto& x : list) p.push_back(std::exp((x.logit - list[0].logit) / t));
    for (double v : p) sum += v;
    for (double& v : p) v /= sum;
    return p;
  };
  std::vector<double> p = softmax(c, 1);
  double sum = 0;
  for (size_t i = 0; i < c.size(); ++i) {
    sum += p[i];
    if (sum >= o.top_p) {
      c.resize(i + 1);
      break;
    }
  }
  p = softmax(c, 1);
  while (p.back() < o.min_p * p[0]) {
    p.pop_back();
    c.pop_back();
  }
  p = softmax(c, o.temperature);
  std::vector<std::pair<int32_t, double>> out;
  for (size_t i = 0; i < c.size(); ++i) out.push_back({c[i].id, p[i]});
  return out;
}

TEST(PhiloxTest, MatchesThePublishedVectors) {
  // From the authors' known-answer file for philox4x32-10.
  EXPECT_EQ(Philox({0, 0, 0, 0}, 0),
            (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, ~uint64_t{0}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(SamplerTest, ArgMaxTakesTheFirstOfEquals) {
  for (size_t n : {1u, 2u, 63u, 64u, 65u, 1000u, 4096u}) {
    for (uint64_t seed = 0; seed < 8; ++seed) {
      for (bool ties : {false, true}) {
        const auto logits = RandomLogits(n, seed, ties);
        EXPECT_EQ(ArgMax(logits), std::max_element(logits.begin(), logits.end()) - logits.begin());
      }
    }
  }
}

TEST(SamplerTest, TopKEqualsAFullSort) {
  std::vector<Candidate> out;
  for (size_t n : {1u, 5u, 64u, 777u, 5000u}) {
    for (size_t k : {1u, 2u, 40u, 100u, 6000u}) {
      for (bool ties : {false, true}) {
        const auto logits = RandomLogits(n, n + k, ties);
        TopK(logits, k, out);
        auto expected = FullSort(logits);
        expected.resize(std::min(n, k));
        ASSERT_EQ(out.size(), expected.size());
        for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i].id, expected[i].id);
      }
    }
  }
}

TEST(SamplerTest, DrawsFollowTheNaiveChain) {
  const SampleOptions settings[] = {
      {.temperature = 1.0, .top_k = 0, .top_p = 1.0, .min_p = 0},
      {.temperature = 0.7, .top_k = 12, .top_p = 1.0, .min_p = 0},
      {.temperature = 1.3, .top_k = 0, .top_p = 0.8, .min_p = 0},
      {.temperature = 1.0, .top_k = 0, .top_p = 1.0, .min_p = 0.2},
      {.temperature = 0.9, .top_k = 40, .top_p = 0.95, .min_p = 0.05},
  };
  for (SampleOptions o : settings) {
    std::vector<float> logits = RandomLogits(300, 3);
    for (float& v : logits) v *= 0.4f;
    const auto expected = NaiveChain(logits, o);
    o.seed = 11;
    Sampler sampler(o);
    constexpr int kDraws = 20000;
    std::vector<int> seen(logits.size());
    for (int i = 0; i < kDraws; ++i) {
      std::vector<float> fresh = logits;
      ++seen[sampler.Sample(fresh, i)];
    }
    int outside = kDraws;
    for (const auto& [id, p] : expected) {
      outside -= seen[id];
      // Five standard deviations of a binomial.
      EXPECT_NEAR(seen[id], kDraws * p, 5 * std::sqrt(kDraws * p) + 1) << id;
    }
    EXPECT_EQ(outside, 0);
  }
}

TEST(SamplerTest, SameSeedSameTokensOtherSeedOthers) {
  const auto run = [](uint64_t seed) {
    Sampler sampler({.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .seed = seed});
    std::vector<int32_t> out;
    for (uint64_t i = 0; i < 64; ++i) {
      auto logits = RandomLogits(500, i);
      out.push_back(sampler.Sample(logits, i));
    }
    return out;
  };
  EXPECT_EQ(run(5), run(5));
  EXPECT_NE(run(5), run(6));
}

TEST(SamplerTest, RepetitionLowersRecentTokensOnly) {
  Sampler sampler({.temperature = 0, .repetition = 2.0, .repetition_window = 2});
  std::vector<float> logits = {3, 4, -1};
  EXPECT_EQ(sampler.Sample(logits, 0), 1);
  sampler.Accept(1);
  sampler.Accept(2);
  logits = {3, 4, -1};
  EXPECT_EQ(sampler.Sample(logits, 1), 0);
  EXPECT_EQ(logits, (std::vector<float>{3, 2, -2}));
  sampler.Accept(0);  // pushes 1 out of the window
  logits = {3, 4, -1};
  EXPECT_EQ(sampler.Sample(logits, 2), 1);
  EXPECT_EQ(logits, (std::vector<float>{1.5, 4, -2}));
}

TEST(SamplerTest, ResampleSkipsMaskedTokens) {
  constexpr float kOut = -std::numeric_limits<float>::infinity();
  for (double temperature : {0.0, 1.0}) {
    Sampler sampler({.temperature = temperature});
    std::vector<float> logits = {kOut, 1, kOut};
    EXPECT_EQ(sampler.Resample(logits, 0), 1);
    logits[1] = kOut;
    EXPECT_EQ(sampler.Resample(logits, 0), -1);
  }
}

}  // namespace
}  // namespace weir::generate
