// Coded blocks: what a code stands for is within half a step of the element; attention over codes
// equals attention over what they stand for; the same bytes on every target, split and thread.
#include "tensor/coded_kv.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tensor/dtype.h"
#include "tensor/kernels.h"
#include "tensor/simd/coded.h"
#include "tensor/test_matrices.h"

namespace weir::tensor {
namespace {

constexpr CodedForm kForms[] = {{3, 2, false}, {3, 2, true}, {2, 2, false},
                                {2, 2, true},  {4, 4, false}, {4, 4, true}};

std::string Name(const CodedForm& form) {
  return absl::StrCat(form.key_bits, " and ", form.value_bits,
                      form.token_keys ? " bits by token" : " bits by channel");
}

// Tokens of one KV head: [tokens, head_dim] each.
struct Rows {
  std::vector<float> k, v;
};

// Keys with a few channels of large magnitude, as in models.
Rows ModelLike(int64_t tokens, int d, std::mt19937& random) {
  Rows rows{RandomFloats(tokens * d, random), RandomFloats(tokens * d, random)};
  for (int64_t t = 0; t < tokens; ++t) {
    rows.k[t * d + 3] += 9.0f;
    rows.k[t * d + d / 2] *= 6.0f;
  }
  return rows;
}

// Blocks of kv_heads heads, [first, coded) of them coded; what they hold goes to `rows`.
struct Cache {
  Cache(int kv_heads, int d, KvStorage storage, const CodedForm& form, size_t coded,
        const std::vector<float>& k, const std::vector<float>& v, size_t first = 0)
      : keys(k), values(v) {
    const size_t width = static_cast<size_t>(kv_heads) * d, tokens = k.size() / width;
    for (size_t b = 0; b * 32 < tokens; ++b) {
      std::vector<std::byte> open(KvBlockBytes(kv_heads, d, storage), std::byte{0x7f});
      for (size_t t = b * 32; t < std::min(tokens, b * 32 + 32); ++t)
        WriteKv(open.data(), t % 32, &k[t * width], &v[t * width], kv_heads, d, storage);
      if (b >= first && b < coded) {
        std::vector<std::byte> small(CodedBlockBytes(kv_heads, d, form), std::byte{0x7f});
        CodeBlock(open.data(), storage, kv_heads, d, form, small.data());
        open = small;
      }
      memory.push_back(std::move(open));
      std::vector<float> head_k(32 * d), head_v(32 * d);
      for (int h = 0; h < kv_heads; ++h) {
        const std::byte* head = memory.back().data() + h * memory.back().size() / kv_heads;
        if (b >= first && b < coded) {
          ReadCodedHead(head, form, d, head_k.data(), head_v.data());
        } else {
          ReadOpenHead(head, storage, d, head_k.data(), head_v.data());
        }
        for (size_t t = b * 32; t < std::min(tokens, b * 32 + 32); ++t) {
          std::copy_n(&head_k[t % 32 * d], d, &keys[t * width + h * d]);
          std::copy_n(&head_v[t % 32 * d], d, &values[t * width + h * d]);
        }
      }
    }
    for (const auto& m : memory) blocks.push_back(m.data());
  }
  std::vector<float> keys, values;  // as stored
  std::vector<std::vector<std::byte>> memory;
  std::vector<const std::byte*> blocks;
};

float HalfStep(float x) { return std::ldexp(std::max(std::fabs(x), 6.2e-5f), -11); }

// The bound of one group: half a step, and what rounding scale and middle adds. A scale of one byte
// is off by 1/16 at most, which moves the ends of at most 7 steps by less than half a step; a
// middle of one byte by 1/32 of that scale.
void ExpectGroup(const std::vector<float>& x, const std::vector<float>& got, int bits,
                 bool values, const std::string& name) {
  const int steps = (1 << bits) - 1;
  const auto [least, most] = std::minmax_element(x.begin(), x.end());
  float scale = (*most - *least) / steps;
  const float middle = 0.5f * *most + 0.5f * *least;
  float bound = 1e-6f * std::fabs(middle);
  if (bits == 4) {
    bound += HalfStep(scale) * steps;
  } else {
    scale *= 17.0f / 16.0f;
  }
  bound += 0.5f * scale + (bits < 4 && values ? scale / 32.0f : HalfStep(middle));
  for (size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(got[i], x[i], bound) << name << " " << i;
}

TEST(CodedKvTest, RoundTripIsWithinHalfAStep) {
  std::mt19937 random(1);
  for (const CodedForm& form : kForms) {
    for (const KvStorage storage : {KvStorage::kHalf, KvStorage::kInt8}) {
      for (const int d : {32, 64, 96, 128, 256}) {
        const int heads = 2;
        Rows rows = ModelLike(32 * heads, d, random);
        for (int t = 0; t < 32; ++t) rows.k[t * heads * d + 7] = 0.3333f;  // a constant channel
        // What is coded is what the open block holds.
        const Cache open(heads, d, storage, form, 0, rows.k, rows.v);
        const Cache coded(heads, d, storage, form, 1, rows.k, rows.v);
        const size_t width = static_cast<size_t>(heads) * d;
        const auto group = [&](const std::vector<float>& x, bool by_token, int at, int lane) {
          std::vector<float> out;
          for (int i = 0; i < 32; ++i)
            out.push_back(by_token ? x[lane * width + at * 32 + i] : x[i * width + at]);
          return out;
        };
        for (int part = 0; part < heads * d / 32; ++part) {
          for (int t = 0; t < 32; ++t) {
            ExpectGroup(group(open.values, true, part, t), group(coded.values, true, part, t),
                        form.value_bits, true, Name(form) + " values");
            if (form.token_keys) {
              ExpectGroup(group(open.keys, true, part, t), group(coded.keys, true, part, t),
                          form.key_bits, false, Name(form) + " keys");
            }
          }
        }
        for (int c = 0; c < heads * d && !form.token_keys; ++c)
          ExpectGroup(group(open.keys, false, c, 0), group(coded.keys, false, c, 0),
                      form.key_bits, false, Name(form) + " keys");
        if (form.token_keys || storage != KvStorage::kHalf) continue;
        for (int t = 0; t < 32; ++t) EXPECT_EQ(coded.keys[t * width + 7], open.keys[7]);
      }
    }
  }
}

// Values far from zero for their width: a middle of one byte reaches 127/16 scales only, so the
// scale is that of the distance, and a code falls on the middle.
TEST(CodedKvTest, NarrowGroupsFarFromZeroKeepTheirMiddle) {
  std::mt19937 random(3);
  for (const CodedForm& form : kForms) {
    for (const float width : {0.0f, 0.01f, 0.3f, 2.0f}) {
      Rows rows = ModelLike(32, 32, random);
      for (int i = 0; i < 32 * 32; ++i) {
        rows.v[i] = (i / 32 % 2 == 0 ? 9.0f : -70.0f) +
                    0.5f * width * std::clamp(rows.v[i], -1.0f, 1.0f);
      }
      const Cache coded(1, 32, KvStorage::kHalf, form, 1, rows.k, rows.v);
      for (int i = 0; i < 32 * 32; ++i) {
        const float far = i / 32 % 2 == 0 ? 9.0f : 70.0f;
        EXPECT_NEAR(coded.values[i], rows.v[i], 0.5f * width + far / 200.0f) << Name(form);
      }
    }
  }
}

// Decoding into an open block gives what attention over the codes reads.
TEST(CodedKvTest, DecodedBlocksHoldTheSame) {
  std::mt19937 random(2);
  for (const CodedForm& form : kForms) {
    const int d = 64, heads = 3;
    const Rows rows = ModelLike(32 * heads, d, random);
    const Cache coded(heads, d, KvStorage::kHalf, form, 1, rows.k, rows.v);
    std::vector<std::byte> open(KvBlockBytes(heads, d));
    DecodeBlock(coded.memory[0].data(), form, heads, d, KvStorage::kHalf, open.data());
    std::vector<float> k(32 * d), v(32 * d);
    for (int h = 0; h < heads; ++h) {
      ReadOpenHead(&open[h * open.size() / heads], KvStorage::kHalf, d, k.data(), v.data());
      for (int t = 0; t < 32; ++t) {
        for (int c = 0; c < d; ++c) {
          const size_t at = (static_cast<size_t>(t) * heads + h) * d + c;
          EXPECT_NEAR(k[t * d + c], coded.keys[at], HalfStep(coded.keys[at]));
          EXPECT_NEAR(v[t * d + c], coded.values[at], HalfStep(coded.values[at]));
        }
      }
    }
  }
}

TEST(CodedKvTest, ExtremeElementsStayFinite) {
  const int d = 32;
  Rows rows{std::vector<float>(32 * d, 1e30f), std::vector<float>(32 * d, -1e30f)};
  rows.k[0] = -1e30f;
  rows.k[1] = INFINITY;
  rows.v[5] = -INFINITY;
  rows.v[6] = 1e-30f;
  for (const CodedForm& form : kForms) {
    const Cache coded(1, d, KvStorage::kHalf, form, 1, rows.k, rows.v);
    for (float x : coded.keys) EXPECT_TRUE(std::isfinite(x)) << Name(form);
    for (float x : coded.values) EXPECT_TRUE(std::isfinite(x)) << Name(form);
  }
}

struct Case {
  int64_t n_q, n_k;
  int heads, kv_heads, head_dim;
  size_t coded;
  int64_t window = 0;
  size_t open = 0;  // of the coded ones, the first that are not
};

struct Result {
  std::vector<float> out, lse;
  bool operator==(const Result& b) const {
    return std::memcmp(out.data(), b.out.data(), out.size() * 4) == 0 &&
           std::memcmp(lse.data(), b.lse.data(), lse.size() * 4) == 0;
  }
};

Result Attended(const Case& c, const Cache& cache, const CodedForm& form, KvStorage storage,
                const float* q, Threads* threads) {
  Result r{std::vector<float>(c.n_q * c.heads * c.head_dim, NAN),
           std::vector<float>(c.n_q * c.heads, NAN)};
  PagedAttention a;
  a.blocks = std::span(cache.blocks).first((c.n_k + 31) / 32);
  a.length = c.n_k;
  a.heads = c.heads;
  a.kv_heads = c.kv_heads;
  a.head_dim = c.head_dim;
  a.scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
  a.window = c.window;
  a.storage = storage;
  a.coded_first = c.open;
  a.coded_last = c.coded;
  a.coded = form;
  Attend(a, q, c.n_q, r.out.data(), r.lse.data(), threads);
  return r;
}

// |got - softmax attention in float64 over the same elements| / |the latter|, all outputs together.
double RelativeError(const Case& c, const Cache& cache, const std::vector<float>& q,
                     const Result& got) {
  const int group = c.heads / c.kv_heads, d = c.head_dim;
  double off = 0, all = 0;
  for (int64_t i = 0; i < c.n_q; ++i) {
    const int64_t position = c.n_k - c.n_q + i;
    const int64_t first = c.window > 0 ? std::max<int64_t>(0, position - c.window + 1) : 0;
    for (int h = 0; h < c.heads; ++h) {
      std::vector<double> s, want(d);
      double most = -INFINITY, sum = 0;
      for (int64_t j = first; j <= position; ++j) {
        double dot = 0;
        for (int x = 0; x < d; ++x) {
          dot += static_cast<double>(q[(i * c.heads + h) * d + x]) *
                 cache.keys[(j * c.kv_heads + h / group) * d + x];
        }
        s.push_back(dot / std::sqrt(static_cast<double>(d)));
        most = std::max(most, s.back());
      }
      for (double& x : s) sum += x = std::exp(x - most);
      for (int64_t j = first; j <= position; ++j) {
        for (int x = 0; x < d; ++x)
          want[x] += s[j - first] / sum * cache.values[(j * c.kv_heads + h / group) * d + x];
      }
      for (int x = 0; x < d; ++x) {
        const double error = got.out[(i * c.heads + h) * d + x] - want[x];
        off += error * error;
        all += want[x] * want[x];
      }
    }
  }
  return std::isnan(off) ? INFINITY : std::sqrt(off / all);
}

TEST(AttendCodedTest, EqualsDenseAttentionOverWhatCodesStandFor) {
  std::mt19937 random(4);
  Threads two(2);
  double worst = 0;
  for (const Case& c : {Case{1, 64, 9, 3, 64, 2},
                        {1, 500, 9, 3, 64, 11},
                        {1, 2000, 14, 2, 64, 58},
                        {1, 700, 12, 2, 128, 17},
                        {1, 700, 4, 1, 256, 17},
                        {1, 300, 5, 1, 32, 5},
                        {40, 900, 9, 3, 64, 24},
                        {40, 300, 2, 2, 96, 6},
                        {7, 100, 71, 1, 32, 2},
                        {1, 900, 4, 1, 64, 24, 300},
                        {32, 900, 4, 1, 64, 23, 300},
                        {1, 700, 9, 3, 64, 17, 0, 1},
                        {40, 900, 9, 3, 64, 24, 0, 11}}) {
    for (const CodedForm& form : kForms) {
      for (const KvStorage storage : {KvStorage::kHalf, KvStorage::kInt8}) {
        const Rows rows = ModelLike(c.n_k * c.kv_heads, c.head_dim, random);
        const Cache cache(c.kv_heads, c.head_dim, storage, form, c.coded, rows.k, rows.v, c.open);
        const std::vector<float> q = RandomFloats(c.n_q * c.heads * c.head_dim, random);
        const Result one = Attended(c, cache, form, storage, q.data(), nullptr);
        const double error = RelativeError(c, cache, q, one);
        // Over int8 blocks the rounding of their queries to int8 comes on top.
        const bool half = storage == KvStorage::kHalf;
        EXPECT_LT(error, half ? 1e-2 : 3e-2) << Name(form) << ", d " << c.head_dim;
        if (half) worst = std::max(worst, error);
        EXPECT_TRUE(one == Attended(c, cache, form, storage, q.data(), &two));
      }
    }
  }
  RecordProperty("worst_relative_error", std::to_string(worst));
}

TEST(AttendCodedTest, BatchDoesNotChangeBytes) {
  std::mt19937 random(5);
  Threads two(2);
  for (const CodedForm& form : kForms) {
    const Case c{96, 900, 9, 3, 64, 20, 0, 1};
    const Rows rows = ModelLike(c.n_k * c.kv_heads, c.head_dim, random);
    const Cache cache(c.kv_heads, c.head_dim, KvStorage::kInt8, form, c.coded, rows.k, rows.v,
                      c.open);
    const size_t width = static_cast<size_t>(c.heads) * c.head_dim;
    const std::vector<float> q = RandomFloats(c.n_q * width, random);
    const Result all = Attended(c, cache, form, KvStorage::kInt8, q.data(), &two);
    for (int64_t i = 0; i < c.n_q; i += 5) {
      Case one = c;
      one.n_q = 1;
      one.n_k = c.n_k - c.n_q + i + 1;
      const Result r = Attended(one, cache, form, KvStorage::kInt8, q.data() + i * width, &two);
      EXPECT_EQ(0, std::memcmp(r.out.data(), all.out.data() + i * width, width * 4)) << i;
    }
  }
}

TEST(AttendCodedTest, TargetsAreBitEqual) {
  constexpr int kRows = 21, kDim = 96, kBlocks = 5;
  std::mt19937 random(6);
  for (const CodedForm& form : kForms) {
    const Rows rows = ModelLike(kBlocks * 32, kDim, random);
    const Cache cache(1, kDim, KvStorage::kHalf, form, kBlocks, rows.k, rows.v);
    const std::vector<float> q = RandomFloats(kRows * kDim, random);
    std::vector<int64_t> begin, end;
    for (int r = 0; r < kRows; ++r) {
      begin.push_back(r % 3 == 0 ? 0 : 6 * r);
      end.push_back(r == 4 ? 0 : 7 * r + 10);  // row 4 sees nothing
    }
    std::vector<float> want;
    for (const KernelSet* kernels : AllKernels()) {
      std::vector<float> got(kRows * (kDim + 17), 0.0f);
      float* peak = &got[kRows * kDim];
      std::fill_n(peak, kRows, -INFINITY);
      std::vector<const std::byte*> heads = cache.blocks;
      heads.resize(kBlocks + kAheadBlocks);
      CodedKernelOf(*kernels)({kRows, kDim, form, heads.data(), kBlocks, 0, q.data(), begin.data(),
                               end.data(), got.data(), peak, peak + kRows});
      if (want.empty()) want = got;
      EXPECT_EQ(0, std::memcmp(want.data(), got.data(), got.size() * 4))
          << kernels->name << " " << Name(form);
    }
  }
}

}  // namespace
}  // namespace weir::tensor
