#include "index/lexical/bisection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <vector>

#include "base/threads.h"

namespace weir::index {
namespace {

// Rows of `topics` kinds in turns: most terms of a row are of its kind, the others anybody's.
ForwardIndex Mixed(size_t rows, uint32_t topics, std::mt19937& random) {
  constexpr uint32_t kOfTopic = 40, kOfAll = 200;
  ForwardIndex out;
  out.term_count = topics * kOfTopic + kOfAll;
  out.starts.push_back(0);
  for (size_t row = 0; row < rows; ++row) {
    std::set<uint32_t> terms;
    for (int i = 0; i < 8; ++i) {
      terms.insert(static_cast<uint32_t>(row) % topics * kOfTopic + random() % kOfTopic);
      if (i % 2 == 0) terms.insert(topics * kOfTopic + random() % kOfAll);
    }
    out.terms.insert(out.terms.end(), terms.begin(), terms.end());
    out.starts.push_back(out.terms.size());
  }
  return out;
}

bool IsPermutation(std::vector<uint32_t> order, size_t rows) {
  std::sort(order.begin(), order.end());
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] != i) return false;
  }
  return order.size() == rows;
}

// Mean of the logarithms of gaps: what the order is chosen for.
double Bits(const ForwardIndex& forward, const std::vector<uint32_t>& order) {
  std::vector<int64_t> last(forward.term_count, -1);
  double bits = 0;
  for (size_t place = 0; place < order.size(); ++place) {
    for (uint64_t p = forward.starts[order[place]]; p < forward.starts[order[place] + 1]; ++p) {
      int64_t& before = last[forward.terms[p]];
      bits += std::log2(static_cast<double>(static_cast<int64_t>(place) - before));
      before = static_cast<int64_t>(place);
    }
  }
  return bits / static_cast<double>(forward.terms.size());
}

std::vector<uint32_t> Ascending(size_t rows) {
  std::vector<uint32_t> order(rows);
  for (uint32_t i = 0; i < rows; ++i) order[i] = i;
  return order;
}

TEST(BisectRows, RowsOfATopicComeTogether) {
  std::mt19937 random(1);
  const ForwardIndex forward = Mixed(8000, 8, random);
  const std::vector<uint32_t> order = *BisectRows(forward, {});
  ASSERT_TRUE(IsPermutation(order, 8000));
  size_t neighbours = 0;  // of one topic
  for (size_t i = 1; i < order.size(); ++i) neighbours += order[i] % 8 == order[i - 1] % 8;
  EXPECT_GT(neighbours, 7900u);
  // Three bits of a topic's terms, which are two thirds of all.
  EXPECT_LT(Bits(forward, order), Bits(forward, Ascending(8000)) - 1.5);
}

TEST(BisectRows, EverySizeGivesAPermutationWithAnyThreads) {
  std::mt19937 random(2);
  Threads two(2), three(3);
  Context in_two, in_three;
  in_two.threads = &two;
  in_three.threads = &three;
  for (const size_t rows : {1, 2, 31, 32, 33, 65, 127, 1000, 1025, 3001, 20000}) {
    const ForwardIndex forward = Mixed(rows, 5, random);
    const std::vector<uint32_t> order = *BisectRows(forward, {});
    ASSERT_TRUE(IsPermutation(order, rows)) << rows;
    EXPECT_EQ(*BisectRows(forward, in_two), order) << rows;
    EXPECT_EQ(*BisectRows(forward, in_three), order) << rows;
  }
  EXPECT_TRUE(BisectRows(ForwardIndex(), {})->empty());
}

TEST(BisectRows, RowsWithoutTermsStayAndEqualRowsAreKept) {
  ForwardIndex forward;
  forward.starts.assign(1001, 0);
  forward.term_count = 3;
  EXPECT_EQ(*BisectRows(forward, {}), Ascending(1000));
  for (size_t row = 0; row < 1000; ++row) {
    forward.terms.insert(forward.terms.end(), {0, 1, 2});
    forward.starts[row + 1] = forward.terms.size();
  }
  EXPECT_TRUE(IsPermutation(*BisectRows(forward, {}), 1000));
}

TEST(BisectRows, StopsWhenCancelled) {
  std::mt19937 random(3);
  CancelToken cancel;
  cancel.Cancel();
  Context context;
  context.cancel = &cancel;
  EXPECT_TRUE(absl::IsCancelled(BisectRows(Mixed(5000, 4, random), context).status()));
}

}  // namespace
}  // namespace weir::index
