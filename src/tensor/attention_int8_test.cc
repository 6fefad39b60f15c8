// Attention over int8 blocks: against float64 on what the blocks hold, against exact keys and
// values within the error that int8 allows, and bit for bit between targets, threads and batches.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tensor/attention.h"
#include "tensor/dtype.h"
#include "tensor/kernels.h"
#include "tensor/test_matrices.h"

namespace weir::tensor {
namespace {

struct Case {
  int64_t n_q, n_k;
  int heads, kv_heads, head_dim;
  int64_t window = 0;
  std::string Name() const {
    return "q" + std::to_string(n_q) + " k" + std::to_string(n_k) + " h" + std::to_string(heads) +
           "/" + std::to_string(kv_heads) + " d" + std::to_string(head_dim) + " w" +
           std::to_string(window);
  }
};

float HalfAt(const std::byte* p) {
  uint16_t half;
  std::memcpy(&half, p, 2);
  return HalfToFloat(half);
}

// A filled cache and what it holds, read by the layout's description. Slots past the last token
// hold bytes whose scales are NaN: they must not be read into any result.
struct Cache {
  Cache(const Case& c, std::vector<float> k_in, std::vector<float> v_in)
      : k(std::move(k_in)), v(std::move(v_in)) {
    const int d = c.head_dim;
    const size_t width = static_cast<size_t>(c.kv_heads) * d, count = (c.n_k + 31) / 32;
    const size_t bytes = KvBlockBytes(c.kv_heads, d, KvStorage::kInt8), head = bytes / c.kv_heads;
    storage.assign(count * bytes, std::byte{0x7f});
    for (int64_t t = 0; t < c.n_k; ++t) {
      WriteKv(&storage[t / 32 * bytes], t % 32, &k[t * width], &v[t * width], c.kv_heads, d,
              KvStorage::kInt8);
    }
    for (size_t b = 0; b < count; ++b) blocks.push_back(&storage[b * bytes]);
    for (int64_t t = 0; t < c.n_k; ++t) {
      for (int h = 0; h < c.kv_heads; ++h) {
        const std::byte* p = blocks[t / 32] + h * head;
        const int64_t slot = t % 32;
        for (int i = 0; i < d; ++i) {
          const int key = static_cast<int>(p[i / 4 * 128 + slot * 4 + i % 4]) - 128;
          const auto value =
              static_cast<int8_t>(p[34 * d + slot / 4 * d * 4 + i * 4 + slot % 4]);
          k[t * width + h * d + i] =
              static_cast<float>(key) * HalfAt(p + 32 * d + i / 32 * 64 + slot * 2);
          v[t * width + h * d + i] = static_cast<float>(value) * HalfAt(p + 66 * d + slot * 2);
        }
      }
    }
  }
  std::vector<float> k, v;  // as stored, [n_k, kv_heads, head_dim]
  std::vector<std::byte> storage;
  std::vector<const std::byte*> blocks;
};

struct Result {
  std::vector<float> out, lse;
  bool operator==(const Result& b) const {
    return std::memcmp(out.data(), b.out.data(), out.size() * 4) == 0 &&
           std::memcmp(lse.data(), b.lse.data(), lse.size() * 4) == 0;
  }
};

Result Attended(const Case& c, const Cache& cache, const float* q, Threads* threads) {
  Result r{std::vector<float>(c.n_q * c.heads * c.head_dim, NAN),
           std::vector<float>(c.n_q * c.heads, NAN)};
  const PagedAttention a = {cache.blocks, c.n_k,
                            c.heads,      c.kv_heads,
                            c.head_dim,   1.0f / std::sqrt(static_cast<float>(c.head_dim)),
                            c.window,     KvStorage::kInt8};
  Attend(a, q, c.n_q, r.out.data(), r.lse.data(), threads);
  return r;
}

// Queries as the kernel sees them: 32 channels to a scale.
std::vector<double> Rounded(const std::vector<float>& q) {
  std::vector<double> out(q.size());
  for (size_t i = 0; i < q.size(); i += 32) {
    float most = 0;
    for (size_t j = 0; j < 32; ++j) most = std::max(most, std::fabs(q[i + j]));
    for (size_t j = 0; j < 32; ++j)
      out[i + j] = most == 0 ? 0 : std::nearbyint(q[i + j] * 127 / most) * most / 127;
  }
  return out;
}

// Largest difference to softmax attention in float64, in units of the largest value seen.
struct Difference {
  double out = 0, lse = 0;
};
Difference DifferenceToNaive(const Case& c, const std::vector<float>& k,
                             const std::vector<float>& v, const std::vector<double>& q,
                             const Result& got) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(c.head_dim));
  const int group = c.heads / c.kv_heads, d = c.head_dim;
  Difference worst;
  for (int64_t i = 0; i < c.n_q; ++i) {
    const int64_t position = c.n_k - c.n_q + i;
    const int64_t first = c.window > 0 ? std::max<int64_t>(0, position - c.window + 1) : 0;
    for (int h = 0; h < c.heads; ++h) {
      std::vector<double> s;
      double most = -INFINITY, sum = 0, largest = 1e-9;
      for (int64_t j = first; j <= position; ++j) {
        double dot = 0;
        for (int x = 0; x < d; ++x)
          dot += q[(i * c.heads + h) * d + x] * k[(j * c.kv_heads + h / group) * d + x];
        s.push_back(dot * scale);
        most = std::max(most, s.back());
      }
      for (double& x : s) sum += x = std::exp(x - most);
      worst.lse =
          std::max(worst.lse, std::fabs(got.lse[i * c.heads + h] - (most + std::log(sum))));
      std::vector<double> want(d);
      for (int64_t j = first; j <= position; ++j) {
        for (int x = 0; x < d; ++x) {
          const double value = v[(j * c.kv_heads + h / group) * d + x];
          want[x] += s[j - first] / sum * value;
          largest = std::max(largest, std::fabs(value));
        }
      }
      for (int x = 0; x < d; ++x) {
        const double off = std::fabs(got.out[(i * c.heads + h) * d + x] - want[x]) / largest;
        worst.out = std::isnan(off) ? INFINITY : std::max(worst.out, off);
      }
    }
  }
  return worst;
}

TEST(AttendInt8Test, MatchesNaiveOnWhatIsStored) {
  std::mt19937 random(1);
  Threads two(2);
  for (const int64_t n_q : {1, 7, 64}) {
    for (const int64_t n_k : {1, 31, 32, 33, 1000}) {
      for (const Case base : {Case{0, 0, 9, 3, 64},
                              {0, 0, 14, 2, 64},
                              {0, 0, 12, 2, 128},
                              {0, 0, 4, 1, 256},
                              {0, 0, 5, 1, 32},
                              {0, 0, 2, 2, 96},
                              {0, 0, 71, 1, 32}}) {
        for (const int64_t window : {0, 5, 512}) {
          if (n_q > n_k || (n_q * n_k > 10000 && (window == 5 || base.heads > 20))) continue;
          Case c = base;
          c.n_q = n_q;
          c.n_k = n_k;
          c.window = window;
          const size_t size = static_cast<size_t>(c.n_k) * c.kv_heads * c.head_dim;
          const std::vector<float> k = RandomFloats(size, random), v = RandomFloats(size, random);
          const Cache cache(c, k, v);
          const std::vector<float> q = RandomFloats(n_q * c.heads * c.head_dim, random);
          const Result one = Attended(c, cache, q.data(), nullptr);
          // Weights are rounded to 1 / 32766 of the largest of their block.
          const Difference stored = DifferenceToNaive(c, cache.k, cache.v, Rounded(q), one);
          ASSERT_LT(stored.out, 1e-4) << c.Name();
          ASSERT_LT(stored.lse, 1e-4) << c.Name();
          const Difference exact = DifferenceToNaive(c, k, v, {q.begin(), q.end()}, one);
          ASSERT_LT(exact.out, 0.03) << c.Name();
          EXPECT_TRUE(one == Attended(c, cache, q.data(), &two)) << c.Name() << ": threads";
        }
      }
    }
  }
}

TEST(AttendInt8Test, ReadsBackWhatTheBlocksHold) {
  std::mt19937 random(4);
  for (const int head_dim : {32, 64, 128}) {
    const Case c{1, 70, 6, 3, head_dim};
    const size_t width = c.kv_heads * c.head_dim, size = c.n_k * width;
    std::vector<float> k_in = RandomFloats(size, random), v_in = RandomFloats(size, random);
    std::fill_n(k_in.begin(), width, 0.0f);  // a token of zeros
    const Cache cache(c, k_in, v_in);
    const size_t bytes = KvBlockBytes(c.kv_heads, c.head_dim, KvStorage::kInt8);
    std::vector<std::byte> again(cache.storage.size(), std::byte{0x7f});
    std::vector<float> k(width), v(width);
    for (int64_t t = 0; t < c.n_k; ++t) {
      ReadKv(cache.blocks[t / 32], t % 32, k.data(), v.data(), c.kv_heads, c.head_dim,
             KvStorage::kInt8);
      EXPECT_TRUE(std::equal(k.begin(), k.end(), cache.k.begin() + t * width)) << t;
      EXPECT_TRUE(std::equal(v.begin(), v.end(), cache.v.begin() + t * width)) << t;
      WriteKv(&again[t / 32 * bytes], t % 32, k.data(), v.data(), c.kv_heads, c.head_dim,
              KvStorage::kInt8);
    }
    EXPECT_TRUE(again == cache.storage) << "head_dim " << head_dim;
  }
}

TEST(AttendInt8Test, BatchDoesNotChangeBytes) {
  std::mt19937 random(2);
  Threads two(2);
  for (const int64_t window : {0, 300}) {
    const Case c{96, 900, 9, 3, 64, window};
    const size_t size = c.n_k * c.kv_heads * c.head_dim, width = c.heads * c.head_dim;
    const Cache cache(c, RandomFloats(size, random), RandomFloats(size, random));
    const std::vector<float> q = RandomFloats(c.n_q * width, random);
    const Result all = Attended(c, cache, q.data(), &two);
    for (int64_t i = 0; i < c.n_q; i += 5) {
      Case one = c;
      one.n_q = 1;
      one.n_k = c.n_k - c.n_q + i + 1;
      const Result r = Attended(one, cache, q.data() + i * width, &two);
      EXPECT_EQ(0, std::memcmp(r.out.data(), all.out.data() + i * width, width * 4)) << i;
      EXPECT_EQ(0, std::memcmp(r.lse.data(), all.lse.data() + i * c.heads, c.heads * 4)) << i;
    }
  }
}

// Any rows of a batch, each where it stands: the bytes of the whole batch's.
TEST(AttendInt8Test, RowsStandWhereTheySay) {
  std::mt19937 random(4);
  Threads two(2);
  for (const int64_t window : {0, 300}) {
    Case c{900, 900, 9, 3, 64, window};
    const size_t size = c.n_k * c.kv_heads * c.head_dim, width = c.heads * c.head_dim;
    const Cache cache(c, RandomFloats(size, random), RandomFloats(size, random));
    const std::vector<float> q = RandomFloats(c.n_q * width, random);
    const Result all = Attended(c, cache, q.data(), &two);
    for (const std::vector<int64_t>& rows :
         {std::vector<int64_t>{0, 31, 255, 256, 700}, {899}, {5}, {300, 301, 302}}) {
      std::vector<float> some, out(rows.size() * width), lse(rows.size() * c.heads);
      for (int64_t r : rows) some.insert(some.end(), &q[r * width], &q[r * width] + width);
      PagedAttention a = {cache.blocks, c.n_k, c.heads, c.kv_heads, c.head_dim,
                          1.0f / std::sqrt(static_cast<float>(c.head_dim)), c.window,
                          KvStorage::kInt8, rows.data()};
      for (Threads* threads : {static_cast<Threads*>(nullptr), &two}) {
        Attend(a, some.data(), static_cast<int64_t>(rows.size()), out.data(), lse.data(), threads);
        for (size_t i = 0; i < rows.size(); ++i) {
          EXPECT_EQ(0, std::memcmp(&out[i * width], &all.out[rows[i] * width], width * 4)) << i;
          EXPECT_EQ(0, std::memcmp(&lse[i * c.heads], &all.lse[rows[i] * c.heads], c.heads * 4));
        }
      }
    }
  }
}

// Zeros, one outlier channel, and vectors beyond what half precision can scale.
TEST(AttendInt8Test, ExtremeVectors) {
  const Case c{1, 40, 2, 1, 64};
  const size_t size = c.n_k * c.head_dim;
  std::mt19937 random(3);
  const std::vector<float> q = RandomFloats(c.heads * c.head_dim, random);
  const Cache zeros(c, std::vector<float>(size, 0.0f), std::vector<float>(size, 0.0f));
  const Result r = Attended(c, zeros, q.data(), nullptr);
  for (float x : r.out) EXPECT_EQ(x, 0.0f);
  EXPECT_NEAR(r.lse[0], std::log(40.0), 1e-5);
  std::vector<float> k = RandomFloats(size, random), v = RandomFloats(size, random);
  for (int64_t t = 0; t < c.n_k; ++t) k[t * c.head_dim + 3] = 100;
  const Cache outlier(c, k, v);
  EXPECT_LT(DifferenceToNaive(c, outlier.k, outlier.v, Rounded(q),
                              Attended(c, outlier, q.data(), nullptr))
                .out,
            1e-4);
  for (float& x : v) x *= 1e30f;
  const Cache huge(c, k, v);
  for (float x : Attended(c, huge, q.data(), nullptr).out) EXPECT_FALSE(std::isnan(x));
}

TEST(AttendInt8Test, TargetsAreBitEqual) {
  constexpr int kRows = 21, kDim = 96, kBlocks = 5, kParts = kDim / 32;
  std::mt19937 random(5);
  const Case shape{1, kBlocks * 32, 1, 1, kDim};
  const size_t size = kBlocks * 32 * kDim;
  const Cache cache(shape, RandomFloats(size, random), RandomFloats(size, random));
  const std::vector<float> q = RandomFloats(kRows * kDim, random);
  std::vector<int64_t> begin, end;
  for (int r = 0; r < kRows; ++r) {
    begin.push_back(r % 3 == 0 ? 0 : 6 * r);
    end.push_back(r == 4 ? 0 : 7 * r + 10);  // row 4 sees nothing
  }
  std::vector<float> want;
  for (const KernelSet* kernels : AllKernels()) {
    std::vector<int8_t> codes(kRows * kDim);
    std::vector<float> scales(kRows * kParts), scratch(kParts);
    std::vector<int32_t> sums(kRows * kParts), halves(2 * kParts);
    for (int r = 0; r < kRows; ++r) {
      kernels->quantize_row(&q[r * kDim], kDim,
                            {&codes[r * kDim], &scales[r * kParts], scratch.data(),
                             &sums[r * kParts], halves.data(), 1});
    }
    std::vector<float> got(kRows * (kDim + 17), 0.0f);
    float* peak = &got[kRows * kDim];
    std::fill_n(peak, kRows, -INFINITY);
    std::vector<const std::byte*> heads = cache.blocks;
    heads.resize(kBlocks + kAheadBlocks);
    kernels->attend_int8({kRows, kDim, heads.data(), kBlocks, 0, codes.data(), scales.data(),
                          sums.data(), begin.data(), end.data(), got.data(), peak, peak + kRows});
    if (want.empty()) want = got;
    EXPECT_EQ(0, std::memcmp(want.data(), got.data(), got.size() * 4)) << kernels->name;
    std::vector<int8_t> vector(kDim);
    const float scale = kernels->quantize_vector(q.data(), kDim, vector.data());
    float most = 0;
    for (int i = 0; i < kDim; ++i) most = std::max(most, std::fabs(q[i]));
    EXPECT_EQ(scale, most / 127.0f) << kernels->name;
    for (int i = 0; i < kDim; ++i) EXPECT_NEAR(vector[i] * scale, q[i], scale * 0.5001f);
  }
}

}  // namespace
}  // namespace weir::tensor
