#include "base/statistics.h"

#include <vector>

#include "base/context.h"
#include "base/metrics.h"
#include "gtest/gtest.h"

namespace weir {
namespace {

TEST(Statistics, KnownValues) {
  const std::vector<double> values = {4, 1, 3, 2};
  EXPECT_DOUBLE_EQ(Median(values), 2.5);
  EXPECT_DOUBLE_EQ(Mean(values), 2.5);
  EXPECT_DOUBLE_EQ(Spread(values), 3 / 2.5);
  EXPECT_DOUBLE_EQ(Quantile(values, 0), 1);
  EXPECT_DOUBLE_EQ(Quantile(values, 1), 4);
  EXPECT_DOUBLE_EQ(Quantile(values, 0.25), 1.75);  // numpy.quantile's default
  EXPECT_DOUBLE_EQ(Quantile(values, 7), 4);
  EXPECT_DOUBLE_EQ(Median(std::vector<double>{5, 9, 7}), 7);
}

TEST(Statistics, NoneAndOne) {
  EXPECT_EQ(Median({}), 0);
  EXPECT_EQ(Mean({}), 0);
  EXPECT_EQ(Spread({}), 0);
  EXPECT_EQ(Quantile({}, 0.5), 0);
  EXPECT_EQ(Median(std::vector<double>{3}), 3);
  EXPECT_EQ(Spread(std::vector<double>{3}), 0);
  EXPECT_EQ(Spread(std::vector<double>{-1, 0, 1}), 0);  // no median to compare with
}

TEST(Metrics, AddsByName) {
  Metrics metrics;
  metrics.Add("tokens", 2);
  metrics.Add("tokens", 3);
  metrics.Add("files", 1);
  EXPECT_EQ(metrics.Snapshot(), (std::map<std::string, double>{{"files", 1}, {"tokens", 5}}));
}

TEST(Context, CancelIsSeen) {
  CancelToken token;
  Context context;
  EXPECT_TRUE(context.CheckCancelled().ok());
  context.cancel = &token;
  EXPECT_TRUE(context.CheckCancelled().ok());
  token.Cancel();
  EXPECT_EQ(context.CheckCancelled().code(), absl::StatusCode::kCancelled);
}

TEST(Context, ClockIsSteady) {
  const Context context;
  const int64_t before = context.now_ns();
  EXPECT_GE(context.now_ns(), before);
}

}  // namespace
}  // namespace weir
