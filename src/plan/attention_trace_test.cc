#include "plan/attention_trace.h"

#include <algorithm>
#include <list>
#include <random>

#include "gtest/gtest.h"
#include "plan/lru_cache.h"

namespace weir::plan {
namespace {

TEST(LruCacheTest, EqualsAListOfLines) {
  std::mt19937 random(4);
  for (const int capacity : {1, 2, 7, 40}) {
    for (const bool fetch : {false, true}) {
      LruCache cache(50, capacity);
      std::list<std::pair<int, bool>> lines;  // newest first, with dirty
      int64_t fetches = 0, write_backs = 0;
      for (int i = 0; i < 5000; ++i) {
        const int line = random() % (i % 3 == 0 ? 50 : 9);
        const bool write = random() % 4 == 0;
        cache.Access(line, write, fetch);
        auto it =
            std::find_if(lines.begin(), lines.end(), [&](auto& l) { return l.first == line; });
        bool dirty = write;
        if (it != lines.end()) {
          dirty |= it->second;
          lines.erase(it);
        } else {
          fetches += !write || fetch;
          if (static_cast<int>(lines.size()) == capacity) {
            write_backs += lines.back().second;
            lines.pop_back();
          }
        }
        lines.emplace_front(line, dirty);
      }
      EXPECT_EQ(cache.fetches(), fetches);
      EXPECT_EQ(cache.write_backs(), write_backs);
      cache.Flush(20);
      for (const auto& [line, dirty] : lines) write_backs += dirty && line < 20;
      EXPECT_EQ(cache.write_backs(), write_backs);
      EXPECT_EQ(cache.touched(), 50);
    }
  }
}

// With twice the words, a cache that decides for itself moves at most twice what the explicit
// schedule does, and the first touch of each word (Sleator and Tarjan 1985).
TEST(AttentionTraceTest, LruIsCompetitive) {
  for (const int64_t d : {16, 64}) {
    for (const bool causal : {false, true}) {
      const AttentionShape shape = {160, 160, d, 1, 1, causal};
      for (const int64_t m : {32, 100, 256, 1000, 4096, 12288}) {
        for (const Schedule schedule : kSchedules) {
          const auto tiles = BestTiles(shape, schedule, m);
          if (!tiles) continue;
          const int64_t words = CountWords(shape, schedule, *tiles, m).total();
          const auto lru = SimulateLru(shape, schedule, *tiles, m, 2 * m, 1);
          ASSERT_TRUE(lru.ok()) << lru.status();
          EXPECT_LE(lru->total(), 2 * words + lru->cold)
              << NameOf(schedule) << " d " << d << " M " << m << " causal " << causal;
          EXPECT_GE(lru->total(), 4 * 160 * d);  // inputs and outputs at least once
        }
      }
    }
  }
}

TEST(AttentionTraceTest, AllThatFitsIsMovedOnce) {
  const AttentionShape shape = {128, 128, 32, 1, 1, false};
  const Tiles tiles = *BestTiles(shape, Schedule::kRowOuter, 1 << 16);
  for (const int64_t line : {1, 16}) {
    const auto lru = SimulateLru(shape, Schedule::kRowOuter, tiles, 1 << 16, 1 << 20, line);
    ASSERT_TRUE(lru.ok());
    EXPECT_EQ(lru->written, 128 * 32) << line;
    EXPECT_GE(lru->fetched, 3 * 128 * 32) << line;
    EXPECT_LE(lru->fetched, lru->cold) << line;
  }
}

TEST(AttentionTraceTest, RefusesWhatWouldTakeTooLong) {
  const Tiles tiles = {8, 8, 8};
  const auto code = [&](const AttentionShape& shape, int64_t words, int64_t line) {
    return SimulateLru(shape, Schedule::kTwoPhase, tiles, 500, words, line).status().code();
  };
  EXPECT_EQ(code({4096, 4096, 8, 1, 1, false}, 1000, 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({2048, 2048, 4096, 1, 1, false}, 1000, 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({2048, 2048, 8, 64, 1, false}, 1000, 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({16, 16, 8, 1, 1, false}, 8, 16), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace weir::plan
