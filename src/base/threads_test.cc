#include "base/threads.h"

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace weir {
namespace {

TEST(Threads, RunCallsEveryWorkerOnceAndIsABarrier) {
  for (const int count : {1, 2, 3, 8}) {
    Threads threads(count);
    EXPECT_EQ(threads.count(), count);
    std::vector<int> calls(count, 0);  // not atomic: Run must order them before its return
    for (int round = 1; round <= 200; ++round) {
      threads.Run([&](int worker) { ++calls[worker]; });
      for (const int c : calls) ASSERT_EQ(c, round);
    }
  }
}

TEST(Threads, TheCallerIsWorkerZero) {
  Threads threads(2);
  std::vector<std::thread::id> ids(2);
  threads.Run([&](int worker) { ids[worker] = std::this_thread::get_id(); });
  EXPECT_EQ(ids[0], std::this_thread::get_id());
  EXPECT_NE(ids[1], ids[0]);
}

TEST(Threads, ForSplitsIntoOneContiguousRangeAWorkerInOrder) {
  for (const int count : {1, 2, 3, 7}) {
    Threads threads(count);
    for (const size_t n : {0, 1, 2, 5, 64, 100, 1001}) {
      for (const size_t grain : {0, 1, 3, 16, 2000}) {
        std::vector<std::pair<size_t, size_t>> ranges(count, {0, 0});
        std::vector<int> calls(count, 0);
        threads.For(n, grain, [&](size_t begin, size_t end, int worker) {
          ranges[worker] = {begin, end};
          ++calls[worker];
        });
        size_t next = 0;
        for (int worker = 0; worker < count; ++worker) {
          ASSERT_LE(calls[worker], 1);
          if (calls[worker] == 0) continue;
          ASSERT_EQ(ranges[worker].first, next);
          ASSERT_LT(ranges[worker].first, ranges[worker].second);
          if (grain > 0) { ASSERT_EQ(ranges[worker].first % grain, 0u); }
          next = ranges[worker].second;
        }
        ASSERT_EQ(next, n);
      }
    }
  }
}

TEST(Threads, ShareHandsOutEveryElementOnceInRangesOfTheGrain) {
  for (const int count : {1, 2, 3, 7}) {
    Threads threads(count);
    for (const size_t n : {0, 1, 2, 5, 64, 100, 1001}) {
      for (const size_t grain : {0, 1, 3, 16, 2000}) {
        std::vector<std::atomic<int>> calls(n);
        threads.Share(n, grain, [&](size_t begin, size_t end, int worker) {
          EXPECT_LT(worker, count);
          EXPECT_LT(begin, end);
          if (count > 1 && grain > 0) {
            EXPECT_EQ(begin % grain, 0u);
            EXPECT_LE(end - begin, grain);
          }
          for (size_t i = begin; i < end; ++i) ++calls[i];
        });
        for (const std::atomic<int>& c : calls) ASSERT_EQ(c, 1);
      }
    }
  }
}

// One worker is held up in its first range: the other does all the rest.
TEST(Threads, ShareDoesNotWaitForAWorkerThatIsHeldUp) {
  Threads threads(2);
  std::atomic<int> done{0};
  std::vector<int> by(2, 0);
  threads.Share(16, 1, [&](size_t begin, size_t, int worker) {
    ++by[worker];
    if (begin == 0) {
      while (done.load() < 15) std::this_thread::yield();
    } else {
      ++done;
    }
  });
  EXPECT_EQ(std::min(by[0], by[1]), 1);
}

TEST(Threads, OneAndTwoThreadsGiveTheSameResult) {
  const auto run = [](Threads* threads) {
    std::vector<double> out(10'000);
    ParallelFor(threads, out.size(), 64, [&](size_t begin, size_t end, int) {
      for (size_t i = begin; i < end; ++i) out[i] = 1.0 / static_cast<double>(i + 1);
    });
    return out;
  };
  Threads one(1);
  Threads two(2);
  EXPECT_EQ(run(nullptr), run(&one));
  EXPECT_EQ(run(&one), run(&two));
}

TEST(Threads, HundredThousandShortJobs) {
  Threads threads(2);
  int64_t sums[2][16] = {};  // a cache line apart
  const auto start = std::chrono::steady_clock::now();
  for (int job = 0; job < 100'000; ++job) {
    threads.Run([&](int worker) { sums[worker][0] += job; });
  }
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(sums[0][0], int64_t{100'000} * 99'999 / 2);
  EXPECT_EQ(sums[1][0], sums[0][0]);
  RecordProperty("ns_per_job",
                 static_cast<int>(std::chrono::duration<double, std::nano>(took).count() / 1e5));
}

TEST(Threads, SleepingWorkersWakeUp) {
  Threads threads(3);
  std::atomic<int> calls{0};
  for (int job = 0; job < 20; ++job) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // long past the spin
    threads.Run([&](int worker) {
      // The caller, too, has to sleep: it waits for the slowest.
      if (worker == 2) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      ++calls;
    });
    ASSERT_EQ(calls, 3 * (job + 1));
  }
}

TEST(Threads, PoolsComeAndGo) {
  for (int i = 0; i < 200; ++i) {
    Threads threads(1 + i % 4);
    if (i % 2 == 0) threads.Run([](int) {});
  }
}

}  // namespace
}  // namespace weir
