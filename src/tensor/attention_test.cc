#include "tensor/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tensor/dtype.h"
#include "tensor/kernels.h"
#include "tensor/test_matrices.h"

namespace weir::tensor {
namespace {

struct Case {
  int64_t n_q, n_k;
  int heads, kv_heads, head_dim;
  int64_t window = 0;
};

std::string Name(const Case& c) {
  return "q" + std::to_string(c.n_q) + " k" + std::to_string(c.n_k) + " h" +
         std::to_string(c.heads) + "/" + std::to_string(c.kv_heads) + " d" +
         std::to_string(c.head_dim) + " w" + std::to_string(c.window);
}

// A filled cache. Slots past the last token hold NaN: they must not be read into any result.
struct Cache {
  Cache(const Case& c, std::vector<float> keys, std::vector<float> values)
      : k(std::move(keys)), v(std::move(values)) {
    const size_t width = static_cast<size_t>(c.kv_heads) * c.head_dim;
    const size_t count = (c.n_k + 31) / 32;
    const size_t bytes = KvBlockBytes(c.kv_heads, c.head_dim);
    storage.assign(count * bytes, std::byte{0x7f});
    for (int64_t t = 0; t < c.n_k; ++t) {
      WriteKv(storage.data() + t / 32 * bytes, static_cast<int>(t % 32), &k[t * width],
              &v[t * width], c.kv_heads, c.head_dim);
    }
    for (size_t b = 0; b < count; ++b) blocks.push_back(storage.data() + b * bytes);
    for (float& x : k) x = HalfToFloat(FloatToHalf(x));
    for (float& x : v) x = HalfToFloat(FloatToHalf(x));
  }
  std::vector<float> k, v;  // as stored, [n_k, kv_heads, head_dim]
  std::vector<std::byte> storage;
  std::vector<const std::byte*> blocks;
};

Cache RandomCache(const Case& c, std::mt19937& random) {
  const size_t size = static_cast<size_t>(c.n_k) * c.kv_heads * c.head_dim;
  return Cache(c, RandomFloats(size, random), RandomFloats(size, random));
}

PagedAttention Paged(const Case& c, const Cache& cache) {
  return {cache.blocks, c.n_k,      c.heads,
          c.kv_heads,   c.head_dim, 1.0f / std::sqrt(static_cast<float>(c.head_dim)),
          c.window};
}

struct Result {
  std::vector<float> out, lse;
  friend bool operator==(const Result& a, const Result& b) {
    return std::memcmp(a.out.data(), b.out.data(), a.out.size() * 4) == 0 &&
           std::memcmp(a.lse.data(), b.lse.data(), a.lse.size() * 4) == 0;
  }
};

// float64, one row at a time, straight from the definition.
void ExpectMatchesNaive(const Case& c, const Cache& cache, const std::vector<float>& q,
                        const Result& got) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(c.head_dim));
  const int group = c.heads / c.kv_heads, d = c.head_dim;
  for (int64_t i = 0; i < c.n_q; ++i) {
    const int64_t position = c.n_k - c.n_q + i;
    const int64_t first = c.window > 0 ? std::max<int64_t>(0, position - c.window + 1) : 0;
    for (int h = 0; h < c.heads; ++h) {
      const float* qr = &q[(i * c.heads + h) * d];
      std::vector<double> s;
      double most = -INFINITY, sum = 0, largest_value = 0;
      for (int64_t j = first; j <= position; ++j) {
        double dot = 0;
        for (int x = 0; x < d; ++x)
          dot += static_cast<double>(qr[x]) * cache.k[(j * c.kv_heads + h / group) * d + x];
        s.push_back(dot * scale);
        most = std::max(most, s.back());
      }
      for (double& x : s) sum += x = std::exp(x - most);
      ASSERT_NEAR(got.lse[i * c.heads + h], most + std::log(sum), 2e-5 * (1 + std::fabs(most)))
          << Name(c);
      for (int x = 0; x < d; ++x) {
        double want = 0;
        for (int64_t j = first; j <= position; ++j) {
          const double v = cache.v[(j * c.kv_heads + h / group) * d + x];
          want += s[j - first] / sum * v;
          largest_value = std::max(largest_value, std::fabs(v));
        }
        ASSERT_NEAR(got.out[(i * c.heads + h) * d + x], want, 1e-5 * largest_value)
            << Name(c) << " query " << i << " head " << h << " channel " << x;
      }
    }
  }
}

Result RunAttend(const Case& c, const Cache& cache, const std::vector<float>& q, Threads* threads) {
  Result r{std::vector<float>(c.n_q * c.heads * c.head_dim, NAN),
           std::vector<float>(c.n_q * c.heads, NAN)};
  Attend(Paged(c, cache), q.data(), c.n_q, r.out.data(), r.lse.data(), threads);
  return r;
}

TEST(AttendTest, MatchesNaive) {
  std::mt19937 random(1);
  Threads two(2);
  for (const int64_t n_q : {1, 7, 64}) {
    for (const int64_t n_k : {1, 31, 32, 33, 1000}) {
      if (n_q > n_k) continue;
      for (const Case base : {Case{0, 0, 9, 3, 64},
                              {0, 0, 14, 2, 64},
                              {0, 0, 12, 2, 128},
                              {0, 0, 3, 3, 80},
                              {0, 0, 2, 1, 24},
                              {0, 0, 4, 1, 256},
                              {0, 0, 71, 1, 16},
                              {0, 0, 128, 2, 16},
                              {0, 0, 200, 2, 16}}) {
        for (const int64_t window : {0, 5, 40, 512}) {
          if (n_q * n_k > 10000 && (window == 5 || base.head_dim > 128 || base.heads > 20))
            continue;  // time
          Case c = base;
          c.n_q = n_q;
          c.n_k = n_k;
          c.window = window;
          const Cache cache = RandomCache(c, random);
          const std::vector<float> q = RandomFloats(n_q * c.heads * c.head_dim, random);
          const Result one = RunAttend(c, cache, q, nullptr);
          ExpectMatchesNaive(c, cache, q, one);
          if (HasFatalFailure()) return;
          EXPECT_TRUE(one == RunAttend(c, cache, q, &two))
              << Name(c) << ": threads changed the bytes";
        }
      }
    }
  }
}

// A token at a time gives the bytes of all at once: the prefill path, the split path, and both
// cuts.
TEST(AttendTest, BatchDoesNotChangeBytes) {
  std::mt19937 random(2);
  Threads two(2);
  for (const int64_t window : {0, 300}) {
    const Case c{96, 900, 9, 3, 64, window};
    const Cache cache = RandomCache(c, random);
    const std::vector<float> q = RandomFloats(c.n_q * c.heads * c.head_dim, random);
    const Result all = RunAttend(c, cache, q, &two);
    const size_t width = c.heads * c.head_dim;
    for (int64_t i = 0; i < c.n_q; i += 5) {
      Case one = c;
      one.n_q = 1;
      one.n_k = c.n_k - c.n_q + i + 1;
      const Result r =
          RunAttend(one, cache, {q.begin() + i * width, q.begin() + (i + 1) * width}, &two);
      EXPECT_EQ(0, std::memcmp(r.out.data(), all.out.data() + i * width, width * 4))
          << "query " << i;
      EXPECT_EQ(0, std::memcmp(r.lse.data(), all.lse.data() + i * c.heads, c.heads * 4))
          << "query " << i;
    }
  }
}

TEST(AttendTest, AdversarialScores) {
  const Case c{2, 70, 1, 1, 64};
  const size_t size = c.n_k * c.head_dim;
  std::mt19937 random(3);
  // Query 8 along channel 0, so that a key of 80 there scores 80 and one of -80 scores -80.
  std::vector<float> q(c.n_q * c.head_dim, 0.0f);
  q[0] = q[c.head_dim] = 8.0f;
  for (const int hot : {0, 31, 32, 68}) {
    std::vector<float> k(size, 0.0f);
    for (int64_t j = 0; j < c.n_k; ++j) k[j * c.head_dim] = j == hot ? 80.0f : -80.0f;
    const Cache cache(c, k, RandomFloats(size, random));
    const Result r = RunAttend(c, cache, q, nullptr);
    ExpectMatchesNaive(c, cache, q, r);
    for (int d = 0; d < c.head_dim; ++d) EXPECT_EQ(r.out[d], cache.v[hot * c.head_dim + d]);
  }
  const Cache equal(c, std::vector<float>(size, 0.5f), RandomFloats(size, random));
  ExpectMatchesNaive(c, equal, q, RunAttend(c, equal, q, nullptr));
  // Rising scores: the peak moves in every block.
  std::vector<float> rising(size, 0.0f);
  for (int64_t j = 0; j < c.n_k; ++j) rising[j * c.head_dim] = static_cast<float>(j) * 3;
  const Cache ladder(c, rising, RandomFloats(size, random));
  ExpectMatchesNaive(c, ladder, q, RunAttend(c, ladder, q, nullptr));
}

TEST(AttendTest, NoQueriesIsNothing) {
  std::mt19937 random(4);
  const Case c{0, 10, 2, 1, 64};
  const Cache cache = RandomCache(c, random);
  Attend(Paged(c, cache), nullptr, 0, nullptr, nullptr, nullptr);
}

// One tile, called straight: any target against the scalar one, and any cut of the keys merged.
class TileTest : public testing::Test {
 protected:
  struct State {
    std::vector<float> acc, peak, sums;
  };
  static constexpr int kRows = 21, kDim = 64, kBlocks = 9;

  TileTest() {
    std::mt19937 random(5);
    keys_ = RandomFloats(kBlocks * 32 * kDim, random);
    values_ = RandomFloats(kBlocks * 32 * kDim, random);
    q_ = RandomFloats(kRows * kDim, random);
    for (int b = 0; b < kBlocks; ++b)
      blocks_.push_back({&keys_[b * 32 * kDim], &values_[b * 32 * kDim]});
    for (int r = 0; r < kRows; ++r) {
      begin_.push_back(r % 3 == 0 ? 0 : 10 * r);
      end_.push_back(r == 4 ? 0 : r == 5 ? 41 : 13 * r + 20);  // row 4 sees nothing
    }
  }

  State Attend(const KernelSet& kernels, int first, int last) const {
    State s{std::vector<float>(kRows * kDim, 0.0f), std::vector<float>(kRows, -INFINITY),
            std::vector<float>(kRows * 16, 0.0f)};
    AttentionTile t;
    t.rows = kRows;
    t.head_dim = t.value_stride = kDim;
    t.blocks = std::span(blocks_).subspan(first, last - first);
    t.first_key = first * 32;
    t.q = q_.data();
    t.begin = begin_.data();
    t.end = end_.data();
    t.acc = s.acc.data();
    t.peak = s.peak.data();
    t.sums = s.sums.data();
    kernels.attend(t);
    return s;
  }

  static std::vector<float> Finish(const KernelSet& kernels, const State& s) {
    std::vector<float> out(kRows * (kDim + 1));
    for (int r = 0; r < kRows; ++r) {
      out[kRows * kDim + r] =
          kernels.finish_row(&s.acc[r * kDim], s.peak[r], &s.sums[r * 16], &out[r * kDim], kDim);
    }
    return out;
  }

  std::vector<float> keys_, values_, q_;
  std::vector<KeyBlock> blocks_;
  std::vector<int64_t> begin_, end_;
};

TEST_F(TileTest, TargetsAreBitEqual) {
  const State want = Attend(kScalarKernels, 0, kBlocks);
  const std::vector<float> finished = Finish(kScalarKernels, want);
  for (const KernelSet* kernels : AllKernels()) {
    const State got = Attend(*kernels, 0, kBlocks);
    EXPECT_EQ(want.acc, got.acc) << kernels->name;
    EXPECT_EQ(want.peak, got.peak) << kernels->name;
    EXPECT_EQ(want.sums, got.sums) << kernels->name;
    EXPECT_EQ(finished, Finish(*kernels, got)) << kernels->name;
  }
}

TEST_F(TileTest, AnyPartitionOfTheKeysMerges) {
  const State whole = Attend(Kernels(), 0, kBlocks);
  const std::vector<float> want = Finish(Kernels(), whole);
  std::mt19937 random(6);
  for (int round = 0; round < 50; ++round) {
    std::vector<int> cuts = {0, kBlocks};
    for (int i = 0; i < round % 8; ++i) cuts.push_back(static_cast<int>(random() % (kBlocks + 1)));
    std::sort(cuts.begin(), cuts.end());
    std::vector<State> parts;
    for (size_t i = 0; i + 1 < cuts.size(); ++i)
      parts.push_back(Attend(Kernels(), cuts[i], cuts[i + 1]));
    std::shuffle(parts.begin(), parts.end(), random);
    State total = parts[0];
    for (size_t i = 1; i < parts.size(); ++i) {
      for (int r = 0; r < kRows; ++r) {
        Kernels().merge_row(&total.acc[r * kDim], &total.peak[r], &total.sums[r * 16],
                            &parts[i].acc[r * kDim], parts[i].peak[r], &parts[i].sums[r * 16],
                            kDim);
      }
    }
    const std::vector<float> got = Finish(Kernels(), total);
    for (size_t i = 0; i < want.size(); ++i) {
      if (std::isinf(want[i])) {
        EXPECT_EQ(want[i], got[i]);  // the row that sees nothing
      } else {
        EXPECT_NEAR(want[i], got[i], 2e-6 * (1 + std::fabs(want[i])));
      }
    }
  }
}

TEST_F(TileTest, UnseenRowIsZeroWithMinusInfinity) {
  const std::vector<float> out = Finish(Kernels(), Attend(Kernels(), 0, kBlocks));
  for (int d = 0; d < kDim; ++d) EXPECT_EQ(out[4 * kDim + d], 0.0f);
  EXPECT_EQ(out[kRows * kDim + 4], -INFINITY);
}

// Encoders: every token of a sequence sees all of it and nothing else; q, k and v interleaved.
TEST(AttendRaggedTest, MatchesNaiveInAnyBatch) {
  std::mt19937 random(7);
  for (const int d : {32, 64}) {
    const int heads = 3;
    const size_t width = heads * d, stride = 3 * width;
    const std::vector<int64_t> offsets = {0, 1, 32, 32, 65, 193};  // one sequence is empty
    const std::vector<float> qkv = RandomFloats(offsets.back() * stride, random);
    std::vector<float> out(offsets.back() * width, NAN);
    Threads two(2);
    const float scale = 1.0f / std::sqrt(static_cast<float>(d));
    AttendRagged(qkv.data(), qkv.data() + width, qkv.data() + 2 * width, stride, offsets, heads, d,
                 scale, out.data(), width, &two);
    for (size_t s = 0; s + 1 < offsets.size(); ++s) {
      const int64_t first = offsets[s], n = offsets[s + 1] - first;
      for (int64_t i = 0; i < n; ++i) {
        for (int h = 0; h < heads; ++h) {
          std::vector<double> p(n);
          double sum = 0;
          for (int64_t j = 0; j < n; ++j) {
            for (int x = 0; x < d; ++x) {
              p[j] += static_cast<double>(qkv[(first + i) * stride + h * d + x]) *
                      qkv[(first + j) * stride + width + h * d + x];
            }
            sum += p[j] = std::exp(p[j] * scale);
          }
          for (int x = 0; x < d; ++x) {
            double want = 0;
            for (int64_t j = 0; j < n; ++j)
              want += p[j] / sum * qkv[(first + j) * stride + 2 * width + h * d + x];
            ASSERT_NEAR(out[(first + i) * width + h * d + x], want, 1e-5);
          }
        }
      }
      const std::vector<int64_t> alone = {0, n};
      std::vector<float> again(n * width + 1);
      const float* at = qkv.data() + first * stride;
      AttendRagged(at, at + width, at + 2 * width, stride, alone, heads, d, scale, again.data(),
                   width, nullptr);
      EXPECT_EQ(0, std::memcmp(again.data(), out.data() + first * width, n * width * 4));
    }
  }
}

}  // namespace
}  // namespace weir::tensor
