// What attention allocates beside its inputs and outputs, counted by this binary's operator new.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tensor/attention.h"
#include "tensor/test_matrices.h"

namespace {

std::atomic<bool> counting = false;
std::atomic<int64_t> live = 0, peak = 0;

void Count(int64_t bytes) {
  if (!counting) return;
  const int64_t now = live += bytes;
  int64_t most = peak;
  while (now > most && !peak.compare_exchange_weak(most, now)) {
  }
}

// The size is kept in front of what is handed out.
constexpr size_t kFront = 64;

}  // namespace

void* operator new(size_t bytes) {
  auto* p = static_cast<std::byte*>(std::aligned_alloc(kFront, (bytes + 2 * kFront - 1) / kFront *
                                                                   kFront));
  if (p == nullptr) std::abort();
  *reinterpret_cast<size_t*>(p) = bytes;
  Count(static_cast<int64_t>(bytes));
  return p + kFront;
}

void operator delete(void* p) noexcept {
  if (p == nullptr) return;
  std::byte* front = static_cast<std::byte*>(p) - kFront;
  Count(-static_cast<int64_t>(*reinterpret_cast<size_t*>(front)));
  std::free(front);
}
void operator delete(void* p, size_t) noexcept { operator delete(p); }

namespace weir::tensor {
namespace {

// Bytes that `work` had allocated at most beyond what was there before.
int64_t PeakOf(const std::function<void()>& work) {
  live = peak = 0;
  counting = true;
  work();
  counting = false;
  return peak;
}

TEST(AttentionMemoryTest, CountsAllocations) {
  EXPECT_GE(PeakOf([] { std::vector<char>(3 << 20).back() = 1; }), 3 << 20);
}

// All scores of one head would be 256 MiB.
TEST(AttentionMemoryTest, StaysBelowOneMebibyteAThread) {
  constexpr int64_t kTokens = 8192;
  constexpr int kHeads = 3, kKvHeads = 1, kDim = 64;
  for (const KvStorage storage : {KvStorage::kHalf, KvStorage::kInt8}) {
    const size_t bytes = KvBlockBytes(kKvHeads, kDim, storage);
    std::vector<std::byte> memory(kTokens / 32 * bytes);
    std::vector<const std::byte*> blocks;
    std::mt19937 random(1);
    const std::vector<float> k = RandomFloats(kDim, random), v = RandomFloats(kDim, random);
    for (int64_t t = 0; t < kTokens; ++t) {
      std::byte* block = &memory[t / 32 * bytes];
      WriteKv(block, t % 32, k.data(), v.data(), kKvHeads, kDim, storage);
      if (t % 32 == 0) blocks.push_back(block);
    }
    PagedAttention a;
    a.blocks = blocks;
    a.length = kTokens;
    a.heads = kHeads;
    a.kv_heads = kKvHeads;
    a.head_dim = kDim;
    a.scale = 0.125f;
    a.storage = storage;
    for (const int64_t n : {int64_t{1}, kTokens}) {  // decode, all at once
      const std::vector<float> q = RandomFloats(n * kHeads * kDim, random);
      std::vector<float> out(q.size());
      int64_t most = 0;
      // A thread of its own: work buffers that another test left behind would not be counted.
      std::thread caller([&] {
        most = PeakOf([&] {
          Threads two(2);
          Attend(a, q.data(), n, out.data(), nullptr, &two);
        });
      });
      caller.join();
      EXPECT_GT(most, 0);
      EXPECT_LE(most, 2 << 20) << n << " queries";
    }
  }
}

}  // namespace
}  // namespace weir::tensor
