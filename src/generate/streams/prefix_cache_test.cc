#include "generate/streams/prefix_cache.h"

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "generate/sample/random.h"
#include "generate/streams/kv_memory.h"
#include "gtest/gtest.h"

namespace weir::generate {
namespace {

constexpr KvShape kShape = {.layers = 2, .heads = 2, .kv_heads = 1, .head_dim = 32};

std::unique_ptr<KvMemory> Memory(int64_t tokens) {
  return *KvMemory::Make(*KvPolicy::Make({.format = "f16"}, kShape), kShape, tokens);
}

std::vector<int32_t> Tokens(int64_t n, int32_t first = 0) {
  std::vector<int32_t> tokens(n);
  for (int64_t i = 0; i < n; ++i) tokens[i] = first + static_cast<int32_t>(i);
  return tokens;
}

// A sequence that holds n tokens; what they say does not matter here.
std::unique_ptr<PagedSequence> Holding(KvMemory& memory, int64_t n) {
  auto s = memory.NewSequence();
  EXPECT_TRUE(s->Reserve(n).ok());
  s->Commit(n);
  return s;
}

TEST(PrefixCacheTest, WholeBlocksOfTheLongestPrefixAreShared) {
  auto memory = Memory(1024);
  PrefixCache& cache = *memory->prefixes();
  auto first = Holding(*memory, 100);
  cache.Insert("", Tokens(100), *first);
  EXPECT_EQ(cache.tokens(), 96);
  EXPECT_EQ(cache.Match("", Tokens(100)), 96);
  EXPECT_EQ(cache.Match("", Tokens(95)), 64);
  EXPECT_EQ(cache.Match("", Tokens(31)), 0);
  auto fork = Tokens(100);
  fork[70] = -1;
  EXPECT_EQ(cache.Match("", fork), 64);
  const int64_t stored = memory->placement().used_blocks();
  auto second = memory->NewSequence();
  EXPECT_EQ(cache.Adopt("", fork, *second), 64);
  EXPECT_EQ(second->length(), 64);
  EXPECT_EQ(memory->placement().used_blocks(), stored);  // nothing was copied
  for (int layer = 0; layer < 2; ++layer) {
    for (size_t b = 0; b < 2; ++b) EXPECT_EQ(second->blocks(layer)[b], first->blocks(layer)[b]);
  }
  EXPECT_EQ(cache.Adopt("", Tokens(100), *second), 96);  // and on from where it is
  EXPECT_EQ(second->blocks(1)[2], first->blocks(1)[2]);
}

TEST(PrefixCacheTest, ScopesSeeTheirOwnPromptsOnly) {
  auto memory = Memory(1024);
  PrefixCache& cache = *memory->prefixes();
  auto s = Holding(*memory, 64);
  cache.Insert("anna", Tokens(64), *s);
  EXPECT_EQ(cache.Match("anna", Tokens(64)), 64);
  EXPECT_EQ(cache.Match("ben", Tokens(64)), 0);
  EXPECT_EQ(cache.Match("", Tokens(64)), 0);
  auto other = memory->NewSequence();
  EXPECT_EQ(cache.Adopt("ben", Tokens(64), *other), 0);
}

TEST(PrefixCacheTest, EvictsTheLeastRecentlyUsedAndNothingInUse) {
  auto memory = Memory(8 * 32);
  PrefixCache& cache = *memory->prefixes();
  for (int32_t i : {0, 1, 2}) {  // two blocks each; the first one in common
    auto tokens = Tokens(64);
    for (int j = 32; j < 64; ++j) tokens[j] += 1000 * (i + 1);
    auto s = memory->NewSequence();
    cache.Adopt("", tokens, *s);
    ASSERT_TRUE(s->Reserve(64 - s->length()).ok());
    s->Commit(64 - s->length());
    cache.Insert("", tokens, *s);
  }
  const auto with = [](int32_t i) {
    auto tokens = Tokens(64);
    for (int j = 32; j < 64; ++j) tokens[j] += 1000 * (i + 1);
    return tokens;
  };
  EXPECT_EQ(cache.tokens(), 4 * 32);
  EXPECT_EQ(memory->available(), 8);
  auto user = memory->NewSequence();
  cache.Adopt("", with(1), *user);
  EXPECT_EQ(memory->available(), 6);
  auto recent = memory->NewSequence();
  cache.Adopt("", with(0), *recent);
  recent.reset();
  // 4 blocks are free; 5 are wanted: the third prompt's own block is the oldest that nobody holds.
  auto large = memory->NewSequence();
  ASSERT_TRUE(large->Reserve(5 * 32).ok());
  EXPECT_EQ(cache.Match("", with(2)), 32);
  EXPECT_EQ(cache.Match("", with(0)), 64);
  EXPECT_EQ(cache.Match("", with(1)), 64);
  // One more: the first prompt goes. Another: the rest is held by `user`.
  ASSERT_TRUE(large->Reserve(6 * 32).ok());
  EXPECT_EQ(cache.Match("", with(0)), 32);
  EXPECT_EQ(large->Reserve(7 * 32).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(cache.Match("", with(1)), 64);
  user.reset();
  ASSERT_TRUE(large->Reserve(8 * 32).ok());
  EXPECT_EQ(cache.tokens(), 0);
  EXPECT_EQ(cache.Match("", with(1)), 0);
}

// Against a list of everything that was inserted, under random inserts, uses and shortages.
TEST(PrefixCacheTest, RandomHistoriesKeepCountsAndNeverLoseHeldBlocks) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    auto memory = Memory(40 * 32);
    PrefixCache& cache = *memory->prefixes();
    std::vector<std::pair<std::vector<int32_t>, std::unique_ptr<PagedSequence>>> held;
    uint64_t draw = 0;
    const auto random = [&](int64_t n) {
      return static_cast<int64_t>(UniformAt(seed, draw++) * static_cast<double>(n));
    };
    for (int step = 0; step < 300; ++step) {
      if (held.size() > 3 || (!held.empty() && random(3) == 0)) {
        held.erase(held.begin() + random(static_cast<int64_t>(held.size())));
      }
      std::vector<int32_t> tokens(32 + random(8 * 32));
      // A tree with few branches, so that prefixes meet.
      for (size_t i = 0; i < tokens.size(); ++i)
        tokens[i] = i % 64 == 0 ? static_cast<int32_t>(random(2)) : 7;
      auto s = memory->NewSequence();
      const int64_t matched = cache.Match("", tokens);
      ASSERT_EQ(cache.Adopt("", tokens, *s), matched);
      const int64_t more = static_cast<int64_t>(tokens.size()) - s->length();
      const int64_t need = (more + 31) / 32;
      const int64_t available = memory->available();
      const bool ok = s->Reserve(more).ok();
      ASSERT_EQ(ok, need <= available) << seed << " " << step;
      if (!ok) continue;
      s->Commit(more);
      cache.Insert("", tokens, *s);
      ASSERT_EQ(cache.Match("", tokens), static_cast<int64_t>(tokens.size()) / 32 * 32);
      held.emplace_back(tokens, std::move(s));
      for (const auto& [t, sequence] : held) {
        for (int layer = 0; layer < 2; ++layer) {
          for (BlockId id : sequence->blocks(layer)) ASSERT_GE(memory->placement().Users(id), 1);
        }
      }
    }
    held.clear();
    EXPECT_EQ(memory->placement().used_blocks(), cache.tokens() / 32 * kShape.layers);
    cache.Clear();
    EXPECT_EQ(memory->placement().used_blocks(), 0);
    EXPECT_EQ(cache.tokens(), 0);
  }
}

}  // namespace
}  // namespace weir::generate
