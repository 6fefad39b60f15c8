// Attention against float64 over the shapes of real models: contexts up to 32,768 keys, heads of 64
// to 256 channels, every way that keys are stored. What is stored is rounded, so references read
// the stored values. Large cases compare a sample of their rows.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tensor/attention.h"
#include "tensor/dtype.h"
#include "tensor/kernels.h"
#include "tensor/test_matrices.h"
#include "tensor/unfused_attention.h"

namespace weir::tensor {
namespace {

struct Shape {
  int64_t n_q, n_k;
  int heads, kv_heads, d;
  int64_t window = 0;

  std::string Name() const {
    return "q" + std::to_string(n_q) + " k" + std::to_string(n_k) + " h" + std::to_string(heads) +
           "/" + std::to_string(kv_heads) + " d" + std::to_string(d) + " w" +
           std::to_string(window);
  }
};

// Keys and values [n_k, kv_heads, d] as the reference reads them, and queries [n_q, heads, d].
struct Values {
  std::vector<float> k, v;
  std::vector<double> q;
};

struct Row {
  std::vector<double> out;
  double lse = 0;
  double largest = 0;  // |v| of all keys that the row sees
};

// From the definition: query i of head h, bottom-right aligned, with an optional window.
Row Naive(const Shape& s, const Values& x, int64_t i, int h) {
  const int64_t last = s.n_k - s.n_q + i;
  const int64_t first = s.window > 0 ? std::max<int64_t>(0, last - s.window + 1) : 0;
  const int kv = h / (s.heads / s.kv_heads);
  const double* q = &x.q[(i * s.heads + h) * s.d];
  std::vector<double> score;
  for (int64_t j = first; j <= last; ++j) {
    const float* k = &x.k[(j * s.kv_heads + kv) * s.d];
    double dot = 0;
    for (int c = 0; c < s.d; ++c) dot += q[c] * k[c];
    score.push_back(dot / std::sqrt(static_cast<double>(s.d)));
  }
  const double most = *std::max_element(score.begin(), score.end());
  double sum = 0;
  for (double& p : score) sum += p = std::exp(p - most);
  Row row{std::vector<double>(s.d), most + std::log(sum)};
  for (int64_t j = first; j <= last; ++j) {
    const float* v = &x.v[(j * s.kv_heads + kv) * s.d];
    for (int c = 0; c < s.d; ++c) {
      row.out[c] += score[j - first] / sum * v[c];
      row.largest = std::max(row.largest, std::fabs(static_cast<double>(v[c])));
    }
  }
  return row;
}

float HalfAt(const std::byte* p) {
  uint16_t half;
  std::memcpy(&half, p, 2);
  return HalfToFloat(half);
}

// A cache of either storage; `as_stored` is what it holds, read by the layout's description.
struct Cache {
  Cache(const Shape& s, KvStorage storage, const std::vector<float>& k, const std::vector<float>& v)
      : as_stored{k, v, {}} {
    const size_t width = static_cast<size_t>(s.kv_heads) * s.d, count = (s.n_k + 31) / 32;
    const size_t bytes = KvBlockBytes(s.kv_heads, s.d, storage);
    memory.assign(count * bytes, std::byte{0x7f});  // slots past the last token hold NaN
    for (int64_t t = 0; t < s.n_k; ++t) {
      WriteKv(&memory[t / 32 * bytes], t % 32, &k[t * width], &v[t * width], s.kv_heads, s.d,
              storage);
    }
    for (size_t b = 0; b < count; ++b) blocks.push_back(&memory[b * bytes]);
    for (int64_t t = 0; t < s.n_k; ++t) {
      for (int h = 0; h < s.kv_heads; ++h) {
        const std::byte* p = blocks[t / 32] + h * (bytes / s.kv_heads);
        float* key = &as_stored.k[t * width + h * s.d];
        float* value = &as_stored.v[t * width + h * s.d];
        for (int c = 0; c < s.d; ++c) {
          if (storage == KvStorage::kHalf) {
            key[c] = HalfAt(p + (c * 32 + t % 32) * 2);
            value[c] = HalfAt(p + (32 * s.d + t % 32 * s.d + c) * 2);
          } else {
            ReadInt8(p, t % 32, c, s.d, key + c, value + c);
          }
        }
      }
    }
  }

  static void ReadInt8(const std::byte* p, int64_t slot, int c, int d, float* key, float* value) {
    const int code = static_cast<int>(p[c / 4 * 128 + slot * 4 + c % 4]) - 128;
    *key = static_cast<float>(code) * HalfAt(p + 32 * d + c / 32 * 64 + slot * 2);
    const auto own = static_cast<int8_t>(p[34 * d + slot / 4 * d * 4 + c * 4 + slot % 4]);
    *value = static_cast<float>(own) * HalfAt(p + 66 * d + slot * 2);
  }

  Values as_stored;
  std::vector<std::byte> memory;
  std::vector<const std::byte*> blocks;
};

// Queries as the int8 kernel rounds them: 32 channels to a scale.
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

// The first and the last rows and some between, so that the references take seconds in all.
std::vector<int64_t> SampleOf(int64_t n, int64_t most) {
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < n; i += std::max<int64_t>(1, (n + most - 1) / most)) rows.push_back(i);
  if (rows.back() != n - 1) rows.push_back(n - 1);
  return rows;
}

// Weights over int8 values are rounded to 1 / 32766 of the largest of 128.
double ToleranceOf(KvStorage storage) { return storage == KvStorage::kHalf ? 1e-5 : 1e-4; }

void ExpectExact(const Shape& s, KvStorage storage, std::mt19937& random) {
  const size_t size = static_cast<size_t>(s.n_k) * s.kv_heads * s.d;
  Cache cache(s, storage, RandomFloats(size, random), RandomFloats(size, random));
  const std::vector<float> q = RandomFloats(s.n_q * s.heads * s.d, random);
  cache.as_stored.q =
      storage == KvStorage::kInt8 ? Rounded(q) : std::vector<double>(q.begin(), q.end());
  std::vector<float> out(q.size(), NAN), lse(s.n_q * s.heads, NAN);
  PagedAttention a;
  a.blocks = cache.blocks;
  a.length = s.n_k;
  a.heads = s.heads;
  a.kv_heads = s.kv_heads;
  a.head_dim = s.d;
  a.scale = 1.0f / std::sqrt(static_cast<float>(s.d));
  a.window = s.window;
  a.storage = storage;
  Attend(a, q.data(), s.n_q, out.data(), lse.data(), nullptr);
  const double tolerance = ToleranceOf(storage);
  for (const int64_t i : SampleOf(s.n_q, s.n_k > 1000 ? 2 : 6)) {
    for (int h = 0; h < s.heads; h += std::max(1, s.heads / 4)) {
      const Row want = Naive(s, cache.as_stored, i, h);
      ASSERT_NEAR(lse[i * s.heads + h], want.lse, 10 * tolerance) << s.Name() << " row " << i;
      for (int c = 0; c < s.d; ++c) {
        ASSERT_NEAR(out[(i * s.heads + h) * s.d + c], want.out[c], tolerance * want.largest)
            << s.Name() << " row " << i << " head " << h << " channel " << c;
      }
    }
  }
}

class ExactAttentionTest : public testing::TestWithParam<KvStorage> {};

TEST_P(ExactAttentionTest, CausalAndWindowed) {
  std::mt19937 random(11);
  for (const int64_t n_q : {1, 7, 64, 513}) {
    for (const int64_t n_k : {1, 31, 32, 33, 4096}) {
      for (const auto& [heads, kv_heads] : {std::pair{9, 3}, {14, 2}, {4, 1}}) {
        for (const int d : {64, 128, 256}) {
          // The widest heads once: what they add is the width.
          if (n_q > n_k || (n_k == 4096 && d > 64 && (heads != 4 || n_q == 513))) continue;
          for (const int64_t window : {int64_t{0}, int64_t{40}}) {
            if (window > 0 && (n_k == 1 || d > 64)) continue;
            ExpectExact({n_q, n_k, heads, kv_heads, d, window}, GetParam(), random);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

// f32 sums of 32,768 keys: slow drift would show here.
TEST_P(ExactAttentionTest, LongContext) {
  std::mt19937 random(12);
  ExpectExact({7, 32768, 9, 3, 64}, GetParam(), random);
}

// One key far above the others (+80 against -80), all keys alike, and none that a row sees.
TEST_P(ExactAttentionTest, AdversarialScores) {
  const Shape s{2, 200, 1, 1, 64};
  std::mt19937 random(13);
  std::vector<float> q(s.n_q * s.d, 0.0f);
  q[0] = q[s.d] = 8;  // along channel 0: a key of 80 there scores 80
  for (const int64_t hot : {0, 31, 32, 127, 128, 198, -1}) {
    std::vector<float> k(s.n_k * s.d, 0.0f);
    for (int64_t j = 0; j < s.n_k; ++j) k[j * s.d] = hot < 0 ? 5.0f : j == hot ? 80.0f : -80.0f;
    Cache cache(s, GetParam(), k, RandomFloats(k.size(), random));
    cache.as_stored.q.assign(q.begin(), q.end());
    std::vector<float> out(s.n_q * s.d, NAN), lse(s.n_q, NAN);
    PagedAttention a;
    a.blocks = cache.blocks;
    a.length = s.n_k;
    a.heads = a.kv_heads = 1;
    a.head_dim = s.d;
    a.scale = 0.125f;
    a.storage = GetParam();
    Attend(a, q.data(), s.n_q, out.data(), lse.data(), nullptr);
    for (int64_t i = 0; i < s.n_q; ++i) {
      const Row want = Naive(s, cache.as_stored, i, 0);
      EXPECT_NEAR(lse[i], want.lse, 1e-4);
      for (int c = 0; c < s.d; ++c) {
        EXPECT_NEAR(out[i * s.d + c], want.out[c], ToleranceOf(GetParam()) * want.largest)
            << "hot key " << hot << " row " << i << " channel " << c;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Storages, ExactAttentionTest,
                         testing::Values(KvStorage::kHalf, KvStorage::kInt8), [](const auto& info) {
                           return info.param == KvStorage::kHalf ? "f16" : "int8";
                         });

// f32 tiles, straight from the kernel of every target.
struct Tile {
  static constexpr int kRows = 9, kDim = 64, kBlocks = 64;

  explicit Tile(uint32_t seed) {
    std::mt19937 random(seed);
    keys = RandomFloats(kBlocks * 32 * kDim, random);
    values = RandomFloats(kBlocks * 32 * kDim, random);
    q = RandomFloats(kRows * kDim, random);
    for (float& x : q) x *= 0.125f * 1.44269504f;
    begin.assign(kRows, 0);
    end.assign(kRows, kBlocks * 32);
  }

  struct State {
    std::vector<float> acc = std::vector<float>(kRows * kDim, 0.0f);
    std::vector<float> peak = std::vector<float>(kRows, -INFINITY);
    std::vector<float> sums = std::vector<float>(kRows * 16, 0.0f);
  };

  // Attention over the given blocks alone, in the given order.
  State Over(const KernelSet& kernels, const std::vector<int>& which) const {
    std::vector<KeyBlock> blocks;
    for (const int b : which) blocks.push_back({&keys[b * 32 * kDim], &values[b * 32 * kDim]});
    State s;
    AttentionTile t;
    t.rows = kRows;
    t.head_dim = t.value_stride = kDim;
    t.blocks = blocks;
    t.q = q.data();
    t.begin = begin.data();
    t.end = end.data();
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

  std::vector<float> keys, values, q;  // keys [blocks][dim][32]
  std::vector<int64_t> begin, end;
};

TEST(ExactTileTest, EveryTargetEqualsNaive) {
  const Tile tile(14);
  std::vector<int> all(Tile::kBlocks);
  std::iota(all.begin(), all.end(), 0);
  for (const KernelSet* kernels : AllKernels()) {
    const std::vector<float> got = Tile::Finish(*kernels, tile.Over(*kernels, all));
    for (int r = 0; r < Tile::kRows; ++r) {
      std::vector<double> want(Tile::kDim);
      double sum = 0;
      for (int j = 0; j < Tile::kBlocks * 32; ++j) {
        double score = 0;
        for (int c = 0; c < Tile::kDim; ++c) {
          score += static_cast<double>(tile.q[r * Tile::kDim + c]) *
                   tile.keys[(j / 32 * Tile::kDim + c) * 32 + j % 32];
        }
        const double p = std::exp2(score);
        sum += p;
        for (int c = 0; c < Tile::kDim; ++c) want[c] += p * tile.values[j * Tile::kDim + c];
      }
      EXPECT_NEAR(got[Tile::kRows * Tile::kDim + r], std::log(sum), 1e-5) << kernels->name;
      for (int c = 0; c < Tile::kDim; ++c)
        EXPECT_NEAR(got[r * Tile::kDim + c], want[c] / sum, 1e-6) << kernels->name;
    }
  }
}

// Any partition of the keys into 1 to 16 parts, merged in any order, is the same attention.
TEST(ExactTileTest, AnyPartsMergeInAnyOrder) {
  const KernelSet& kernels = Kernels();
  const Tile tile(15);
  std::vector<int> all(Tile::kBlocks);
  std::iota(all.begin(), all.end(), 0);
  const std::vector<float> want = Tile::Finish(kernels, tile.Over(kernels, all));
  std::mt19937 random(16);
  for (int parts = 1; parts <= 16; ++parts) {
    for (int round = 0; round < 4; ++round) {
      std::vector<std::vector<int>> which(parts);
      for (const int b : all) which[random() % parts].push_back(b);  // some may stay empty
      std::shuffle(which.begin(), which.end(), random);
      Tile::State total = tile.Over(kernels, which[0]);
      for (int p = 1; p < parts; ++p) {
        const Tile::State part = tile.Over(kernels, which[p]);
        for (int r = 0; r < Tile::kRows; ++r) {
          kernels.merge_row(&total.acc[r * Tile::kDim], &total.peak[r], &total.sums[r * 16],
                            &part.acc[r * Tile::kDim], part.peak[r], &part.sums[r * 16],
                            Tile::kDim);
        }
      }
      const std::vector<float> got = Tile::Finish(kernels, total);
      for (size_t i = 0; i < want.size(); ++i) {
        ASSERT_NEAR(got[i], want[i], 1e-6 * std::max(1.0f, std::fabs(want[i])))
            << parts << " parts";
      }
    }
  }
}

// The bench's baseline computes the same attention.
TEST(UnfusedAttentionTest, EqualsNaive) {
  Threads two(2);
  std::mt19937 random(17);
  for (const auto& [n, d] : {std::pair{1, 32}, {33, 64}, {300, 64}, {130, 40}}) {
    const Shape s{n, n, 2, 1, d};
    Values x{RandomFloats(n * d, random), RandomFloats(n * d, random), {}};
    const std::vector<float> q = RandomFloats(n * 2 * d, random);
    x.q.assign(q.begin(), q.end());
    auto unfused = UnfusedAttention::Make(n, d);
    ASSERT_TRUE(unfused.ok()) << unfused.status();
    std::vector<float> out(q.size());
    for (int h = 0; h < 2; ++h) {
      unfused->Run(&q[h * d], 2 * d, x.k.data(), x.v.data(), d,
                   1.0f / std::sqrt(static_cast<float>(d)), &out[h * d], h == 0 ? nullptr : &two);
    }
    for (int64_t i = 0; i < n; ++i) {
      for (int h = 0; h < 2; ++h) {
        const Row want = Naive(s, x, i, h);
        for (int c = 0; c < d; ++c)
          ASSERT_NEAR(out[(i * 2 + h) * d + c], want.out[c], 1e-5 * want.largest) << n;
      }
    }
  }
  EXPECT_EQ(UnfusedAttention::Make(0, 64).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(UnfusedAttention::Make(1 << 17, 64).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace weir::tensor
