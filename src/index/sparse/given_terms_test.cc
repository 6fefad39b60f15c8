#include "index/sparse/given_terms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "index/store_fixture.h"

namespace weir::index {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

TEST(GivenTerms, WeightsInEightBits) {
  EXPECT_EQ(*ImpactOf(0), 0);
  EXPECT_EQ(*ImpactOf(0.5 / 64 - 1e-9), 0);
  EXPECT_EQ(*ImpactOf(1), 64);
  EXPECT_EQ(*ImpactOf(kMaxGivenWeight), 255);
  for (const double wrong : {-0.1, kMaxGivenWeight + 0.001, 1e30, std::nan(""),
                             std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(ImpactOf(wrong).status().code(), StatusCode::kInvalidArgument) << wrong;
  }
}

TEST(GivenTerms, PackAndUnpack) {
  const GivenTerms terms = {{"bus", 130}, {std::string(kMaxGivenWord, 'x'), 1}, {"\xC3\xA9", 255}};
  EXPECT_EQ(*UnpackTerms(PackTerms(terms)), terms);
  EXPECT_TRUE(UnpackTerms("")->empty());
  const std::string bytes = PackTerms(terms);
  for (size_t size = 1; size < bytes.size(); ++size) {
    if (size == 5 || size == 5 + 2 + kMaxGivenWord) continue;  // whole words
    EXPECT_EQ(UnpackTerms(bytes.substr(0, size)).status().code(), StatusCode::kDataLoss) << size;
  }
}

TEST(GivenTerms, LimitsAndOrder) {
  EXPECT_TRUE(CheckGivenTerms({}).ok());
  for (const GivenTerms& wrong :
       {GivenTerms{{"", 1}}, GivenTerms{{"a", 0}}, GivenTerms{{"b", 1}, {"a", 1}},
        GivenTerms{{"a", 1}, {"a", 2}}, GivenTerms{{std::string(kMaxGivenWord + 1, 'x'), 1}},
        GivenTerms(kMaxGivenTerms + 1)}) {
    EXPECT_EQ(CheckGivenTerms(wrong).code(), StatusCode::kInvalidArgument);
  }
}

TEST(GivenTerms, VectorInAVocabulary) {
  const HashSparseEncoder encoder(10);
  // Two words of several terms share one; what is not spelled is left out.
  const text::SparseVector vector =
      VectorOf({{"t1 t2", 64}, {"t12", 200}, {"t2 t5", 128}, {"t3 zebra", 9}}, encoder);
  ASSERT_EQ(vector.size(), 3u);
  const std::pair<int32_t, float> want[] = {{1, 1.0f}, {2, 2.0f}, {5, 2.0f}};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(vector[i].term, want[i].first);
    EXPECT_EQ(vector[i].weight, want[i].second);
  }
}

}  // namespace
}  // namespace weir::index
