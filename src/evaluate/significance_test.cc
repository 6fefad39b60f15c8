#include "evaluate/significance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <span>

#include "evaluate/compare.h"

namespace weir::evaluate {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// All 2^n signs instead of drawn ones.
double ExactP(const std::vector<double>& differences) {
  double sum = 0;
  for (double d : differences) sum += d;
  int as_far = 0;
  for (unsigned signs = 0; signs < 1u << differences.size(); ++signs) {
    double s = 0;
    for (size_t i = 0; i < differences.size(); ++i) {
      s += (signs >> i & 1) != 0 ? differences[i] : -differences[i];
    }
    as_far += std::abs(s) >= std::abs(sum) - 1e-12;
  }
  return as_far / std::pow(2.0, static_cast<double>(differences.size()));
}

TEST(SignificanceTest, ExactByHand) {
  const SignificanceOptions options{.trials = 200000, .seed = 5};
  for (const std::vector<double>& d : {std::vector<double>{1, 1, 1, 1, 1, 1},
                                       std::vector<double>{0.5, -0.2, 0.1, 0.9, 0, 0.3, -0.4, 0.2},
                                       std::vector<double>{0.1, -0.1, 0.1, -0.1}}) {
    EXPECT_NEAR(TestPaired(d, options).p, ExactP(d), 0.005);
  }
  EXPECT_EQ(TestPaired(std::vector<double>{0, 0, 0}, options).p, 1);
  EXPECT_EQ(TestPaired({}, options).p, 1);
}

TEST(SignificanceTest, SetsByHand) {
  const SignificanceOptions options{.trials = 200000, .seed = 5};
  using Sets = std::vector<std::vector<double>>;
  const std::vector<double> small = {0.6, -0.1}, large = {0.1, 0.2, -0.3, 0.4, 0.05, 0.1, 0, 0.2};
  const PairedTest both = TestPairedOverSets(Sets{small, {}, large}, options);
  EXPECT_NEAR(both.mean, (0.25 + 0.75 / 8) / 2, 1e-12);
  // The statistic as a plain sum: each difference over the size of its set.
  std::vector<double> shares;
  for (double d : small) shares.push_back(d / 2);
  for (double d : large) shares.push_back(d / 8);
  EXPECT_NEAR(both.p, ExactP(shares), 0.005);
  // No draw of either set lies outside of its values.
  EXPECT_GT(both.low, (-0.1 - 0.3) / 2);
  EXPECT_LT(both.high, (0.6 + 0.4) / 2);
  EXPECT_LT(both.low, both.mean);
  EXPECT_GT(both.high, both.mean);
  const PairedTest one = TestPairedOverSets(Sets{large}, options);
  EXPECT_EQ(one.p, TestPaired(large, options).p);
  EXPECT_EQ(one.low, TestPaired(large, options).low);
  EXPECT_EQ(TestPairedOverSets({}, options).p, 1);
}

TEST(SignificanceTest, IntervalHoldsTheMeanAndRepeats) {
  std::vector<double> d;
  for (int i = 0; i < 400; ++i) d.push_back(0.05 + 0.2 * std::sin(i * 12.9898));
  const PairedTest a = TestPaired(d, {}), b = TestPaired(d, {});
  EXPECT_LT(a.low, a.mean);
  EXPECT_GT(a.high, a.mean);
  // 1.96 standard errors of a sine of amplitude .2: .2 / sqrt(2) / sqrt(400) * 1.96
  EXPECT_NEAR(a.high - a.low, 2 * 1.96 * 0.2 / std::sqrt(2.0) / 20, 0.003);
  EXPECT_EQ(a.p, b.p);
  EXPECT_EQ(a.low, b.low);
  EXPECT_NE(a.low, TestPaired(d, {.seed = 2}).low);
}

TEST(SignificanceTest, HolmByHand) {
  EXPECT_THAT(
      Holm(std::vector<double>{0.01, 0.04, 0.03}),
      ElementsAre(DoubleNear(0.03, 1e-12), DoubleNear(0.06, 1e-12), DoubleNear(0.06, 1e-12)));
  EXPECT_THAT(Holm(std::vector<double>{0.6, 0.9}), ElementsAre(1, 1));
  EXPECT_TRUE(Holm({}).empty());
}

absl::StatusOr<QueryValues> Read(std::string_view text) {
  const auto lines =
      LineReader::OverBytes("values.tsv", std::as_bytes(std::span(text.data(), text.size())));
  return ReadQueryValues(*lines);
}

TEST(CompareTest, ReadsValuesAndRefusesDamage) {
  const auto good = Read("query\tndcg@10\tmap\nq1\t0.5\t0.25\nq2\t1\t0\n");
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(good->at("q1").at("map"), 0.25);
  for (const char* bad : {"", "q1\t1\n", "query\n", "query\tmap\nq1\n", "query\tmap\nq1\tx\n",
                          "query\tmap\nq1\tnan\n", "query\tmap\nq1\t1\nq1\t2\n"}) {
    const absl::Status status = Read(bad).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << bad;
    EXPECT_THAT(std::string(status.message()), HasSubstr("values.tsv")) << bad;
  }
}

}  // namespace
}  // namespace weir::evaluate
