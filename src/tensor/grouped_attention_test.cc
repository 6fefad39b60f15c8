// Grouped attention: every byte equals Attend of each sequence alone, on random trees of prefixes;
// and one reference in float64, so that both are right and not just alike.
#include "tensor/grouped_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tensor/dtype.h"
#include "tensor/test_matrices.h"

namespace weir::tensor {
namespace {

// Sequences over blocks of one pool; the tokens of a block are random rows.
class Forest {
 public:
  Forest(int heads, int kv_heads, int head_dim, KvStorage storage, uint32_t seed)
      : random(seed), heads_(heads), kv_heads_(kv_heads), d_(head_dim), storage_(storage) {}

  const std::byte* NewBlock() {
    auto block = std::make_unique<std::vector<std::byte>>(KvBlockBytes(kv_heads_, d_, storage_));
    const size_t width = static_cast<size_t>(kv_heads_) * d_;
    std::vector<float> k = RandomFloats(width * 32, random), v = RandomFloats(width * 32, random);
    for (int slot = 0; slot < 32; ++slot) {
      WriteKv(block->data(), slot, &k[slot * width], &v[slot * width], kv_heads_, d_, storage_);
    }
    blocks_.push_back(std::move(block));
    return blocks_.back()->data();
  }

  // A sequence over `prefix` and blocks of its own, `length` tokens in all.
  void Add(std::vector<const std::byte*> prefix, int64_t length, int64_t n, int64_t window = 0) {
    while (static_cast<int64_t>(prefix.size()) * 32 < length) prefix.push_back(NewBlock());
    tables.push_back(std::move(prefix));
    q.push_back(RandomFloats(n * heads_ * d_, random));
    SequenceQueries s;
    s.attention = {.length = length, .heads = heads_, .kv_heads = kv_heads_, .head_dim = d_,
                   .scale = 1 / std::sqrt(static_cast<float>(d_)), .window = window,
                   .storage = storage_};
    s.n = n;
    sequences.push_back(s);
  }

  // Leaves of a random tree below `prefix`.
  void Grow(int depth, int& leaves, std::vector<const std::byte*> prefix) {
    for (int more = static_cast<int>(random() % 20); more > 0; --more) prefix.push_back(NewBlock());
    for (int children = 1 + static_cast<int>(random() % 4); children > 0 && leaves > 0;
         --children) {
      if (depth > 1) {
        Grow(depth - 1, leaves, prefix);
        continue;
      }
      --leaves;
      const int64_t shared = static_cast<int64_t>(prefix.size()) * 32;
      const int64_t own = random() % 3 == 0 ? 0 : static_cast<int64_t>(random() % 400);
      const int64_t length = std::max<int64_t>(shared + own, 3);
      const bool windows = random() % 4 == 0;
      Add(prefix, length, 1 + static_cast<int64_t>(random() % 3), windows ? 300 : 0);
    }
  }

  struct Result {
    std::vector<std::vector<float>> out, lse;
    bool operator==(const Result&) const = default;
  };
  // share < 0: Attend of each alone.
  Result Run(int share, Threads* threads) {
    Result r;
    for (size_t i = 0; i < sequences.size(); ++i) {
      sequences[i].attention.blocks = tables[i];
      sequences[i].q = q[i].data();
      r.out.emplace_back(q[i].size(), 7.0f);
      r.lse.emplace_back(sequences[i].n * heads_, 7.0f);
    }
    for (size_t i = 0; i < sequences.size(); ++i) {
      sequences[i].out = r.out[i].data();
      sequences[i].lse = r.lse[i].data();
    }
    if (share >= 0) {
      AttendTogether(sequences, share == 1, threads);
    } else {
      for (const SequenceQueries& s : sequences)
        Attend(s.attention, s.q, s.n, s.out, s.lse, threads);
    }
    return r;
  }

  std::mt19937 random;
  std::vector<std::vector<const std::byte*>> tables;
  std::vector<std::vector<float>> q;
  std::vector<SequenceQueries> sequences;

 private:
  int heads_, kv_heads_, d_;
  KvStorage storage_;
  std::vector<std::unique_ptr<std::vector<std::byte>>> blocks_;
};

TEST(GroupedAttentionTest, EqualsEachSequenceAloneOnRandomTrees) {
  Threads two(2), three(3);
  int done = 0;
  for (KvStorage storage : {KvStorage::kInt8, KvStorage::kHalf}) {
    for (int group : {1, 3, 7}) {
      for (int depth = 1; depth <= 4; ++depth) {
        for (int most : {1, 2, 5, 16}) {
          const int kv_heads = 1 + done % 3;
          Forest forest(kv_heads * group, kv_heads, done % 2 == 0 ? 64 : 32, storage, 100 + done);
          ++done;
          for (int leaves = most; leaves > 0;) forest.Grow(depth, leaves, {});
          const auto alone = forest.Run(-1, nullptr);
          const std::string name = "group " + std::to_string(group) + " depth " +
                                   std::to_string(depth) + " leaves " + std::to_string(most);
          for (int share : {0, 1}) {
            for (Threads* threads : {static_cast<Threads*>(nullptr), &two, &three}) {
              ASSERT_TRUE(forest.Run(share, threads) == alone) << name << " share " << share;
            }
          }
        }
      }
    }
  }
}

// 16 sequences with 7 query heads to a KV head: 112 rows, more than a tile; one ends inside the
// prefix, one has a prompt's worth of queries, blocks are shared after unequal ones.
TEST(GroupedAttentionTest, LargeGroupsPromptsAndHolesAreTheSame) {
  Forest forest(14, 2, 64, KvStorage::kInt8, 7);
  std::vector<const std::byte*> prefix;
  for (int i = 0; i < 21; ++i) prefix.push_back(forest.NewBlock());
  for (int i = 0; i < 16; ++i) forest.Add(prefix, 21 * 32 + i * 13, 1);
  forest.Add({prefix.begin(), prefix.begin() + 5}, 5 * 32, 1);
  forest.Add(prefix, 21 * 32 + 40, 40);
  for (int i = 0; i < 3; ++i) {
    auto holed = prefix;
    holed[2] = forest.NewBlock();
    holed[11] = forest.NewBlock();
    forest.Add(holed, 21 * 32 + 7, 2);
  }
  Threads two(2);
  const auto alone = forest.Run(-1, nullptr);
  EXPECT_TRUE(forest.Run(1, nullptr) == alone);
  EXPECT_TRUE(forest.Run(1, &two) == alone);
  EXPECT_TRUE(forest.Run(0, &two) == alone);
}

TEST(GroupedAttentionTest, EqualsFloat64OnWhatTheBlocksHold) {
  constexpr int kHeads = 3, kDim = 32;
  Forest forest(kHeads, 1, kDim, KvStorage::kHalf, 3);
  std::vector<const std::byte*> prefix;
  for (int i = 0; i < 9; ++i) prefix.push_back(forest.NewBlock());
  for (int64_t own : {0, 1, 64, 301}) forest.Add(prefix, 9 * 32 + own, 1);
  const auto got = forest.Run(1, nullptr);
  const auto half = [](const std::byte* p, size_t i) {
    uint16_t bits;
    std::memcpy(&bits, p + 2 * i, 2);
    return static_cast<double>(HalfToFloat(bits));
  };
  for (size_t s = 0; s < forest.sequences.size(); ++s) {
    for (int h = 0; h < kHeads; ++h) {
      std::vector<double> out(kDim);
      double sum = 0;
      for (int64_t t = 0; t < forest.sequences[s].attention.length; ++t) {
        const std::byte* block = forest.tables[s][t / 32];
        double dot = 0;
        for (int i = 0; i < kDim; ++i)
          dot += forest.q[s][h * kDim + i] * half(block, i * 32 + t % 32);
        const double w = std::exp(dot / std::sqrt(double{kDim}));
        sum += w;
        for (int i = 0; i < kDim; ++i) out[i] += w * half(block, 32 * kDim + t % 32 * kDim + i);
      }
      for (int i = 0; i < kDim; ++i)
        EXPECT_NEAR(got.out[s][h * kDim + i], out[i] / sum, 1e-5) << s << " " << h;
      EXPECT_NEAR(got.lse[s][h], std::log(sum), 1e-5);
    }
  }
}

// A prefix that ends inside a span of 128 keys, and queries that do not stand at the end.
TEST(GroupedAttentionTest, SpansThatPartAndQueriesThatStandEarlierAreTheSame) {
  for (KvStorage storage : {KvStorage::kInt8, KvStorage::kHalf}) {
    for (int prefix_blocks = 3; prefix_blocks <= 13; ++prefix_blocks) {
      Forest forest(6, 2, 32, storage, 50 + prefix_blocks);
      std::vector<const std::byte*> prefix;
      for (int i = 0; i < prefix_blocks; ++i) prefix.push_back(forest.NewBlock());
      for (int64_t own : {0, 0, 5, 64, 90}) forest.Add(prefix, prefix_blocks * 32 + own, 2);
      const int64_t positions[] = {prefix_blocks * 32 - 60, prefix_blocks * 32 - 1};
      forest.sequences[0].attention.positions = positions;
      Threads two(2);
      const auto alone = forest.Run(-1, nullptr);
      ASSERT_TRUE(forest.Run(1, nullptr) == alone) << prefix_blocks;
      ASSERT_TRUE(forest.Run(1, &two) == alone) << prefix_blocks;
      ASSERT_TRUE(forest.Run(0, &two) == alone) << prefix_blocks;
    }
  }
}

TEST(GroupedAttentionTest, NothingToDo) {
  AttendTogether({}, true, nullptr);
  Forest forest(3, 1, 32, KvStorage::kInt8, 1);
  forest.Add({}, 40, 1);
  forest.sequences[0].n = 0;
  EXPECT_EQ(forest.Run(1, nullptr).out[0][0], 7.0f);  // untouched
}

}  // namespace
}  // namespace weir::tensor
