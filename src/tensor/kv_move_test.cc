// Moved keys and values: bytes of what was not turned, the turn against float64, what lies around
// it, and the targets against each other.
#include "tensor/kv_move.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tensor/attention.h"
#include "tensor/dtype.h"
#include "tensor/kernels.h"
#include "tensor/ops.h"
#include "tensor/simd/turn_keys.h"
#include "tensor/test_matrices.h"

namespace weir::tensor {
namespace {

constexpr KvStorage kInt8 = KvStorage::kInt8;

struct Blocks {
  Blocks(int64_t tokens, int heads_in, int dim_in, std::byte fill)
      : heads(heads_in), dim(dim_in), bytes(KvBlockBytes(heads_in, dim_in, kInt8)) {
    const int64_t count = (tokens + 31) / 32;
    storage.assign(count * bytes, fill);
    for (int64_t b = 0; b < count; ++b) {
      to.push_back(&storage[b * bytes]);
      from.push_back(to.back());
    }
  }
  void Write(int64_t token, const float* k, const float* v) {
    WriteKv(to[token / 32], token % 32, k, v, heads, dim, kInt8);
  }
  // [heads, dim] as the layout says.
  std::vector<float> Key(int64_t token) const {
    std::vector<float> out;
    for (int h = 0; h < heads; ++h) {
      const std::byte* p = from[token / 32] + h * bytes / heads;
      for (int i = 0; i < dim; ++i) {
        uint16_t scale;
        std::memcpy(&scale, p + 32 * dim + i / 32 * 64 + token % 32 * 2, 2);
        const int code = static_cast<int>(p[i / 4 * 128 + token % 32 * 4 + i % 4]) - 128;
        out.push_back(static_cast<float>(code) * HalfToFloat(scale));
      }
    }
    return out;
  }
  int heads, dim;
  size_t bytes;
  std::vector<std::byte> storage;
  std::vector<std::byte*> to;
  std::vector<const std::byte*> from;
};

struct Range {
  int64_t from, to, count;
};
constexpr Range kRanges[] = {{0, 0, 64},   {0, 32, 40},  {0, 37, 250}, {5, 0, 3},  {3, 2, 1},
                             {31, 33, 70}, {17, 18, 90}, {0, 1, 96},   {2, 63, 66}, {40, 3, 29}};

TEST(MoveKvTest, WithoutATurnBytesAreThoseOfAWrite) {
  std::mt19937 random(1);
  for (const Range& r : kRanges) {
    const int heads = 2, dim = 96;
    const int64_t tokens = std::max(r.from, r.to) + r.count + 40;
    Blocks source(tokens, heads, dim, std::byte{0x7f}), moved(tokens, heads, dim, std::byte{0x55});
    Blocks want = moved;
    want.to.clear();
    for (size_t b = 0; b < moved.to.size(); ++b) want.to.push_back(&want.storage[b * want.bytes]);
    for (int64_t t = 0; t < r.from + r.count; ++t) {
      const auto k = RandomFloats(heads * dim, random), v = RandomFloats(heads * dim, random);
      source.Write(t, k.data(), v.data());
      if (t >= r.from) want.Write(r.to + t - r.from, k.data(), v.data());
    }
    MoveKv({source.from, moved.to, r.from, r.to, r.count, heads, dim}, {});
    EXPECT_EQ(moved.storage, want.storage) << r.from << " to " << r.to << ", " << r.count;
  }
}

TEST(MoveKvTest, TurnsAgainstFloat64) {
  std::mt19937 random(2);
  for (const bool halves : {false, true}) {
    for (const int dim : {32, 64, 128, 256}) {
      for (const bool shifted : {false, true}) {
        const Range r{3, 38, 61};
        const int heads = 2;
        Blocks source(70, heads, dim, std::byte{0}), moved(110, heads, dim, std::byte{0});
        for (int64_t t = 0; t < r.from + r.count; ++t) {
          source.Write(t, RandomFloats(heads * dim, random).data(),
                       RandomFloats(heads * dim, random).data());
        }
        std::vector<float> cos_sin(dim);
        RotaryTable(1234, dim, 10000, nullptr, cos_sin.data());
        const auto shift = RandomFloats(heads * dim, random);
        MoveKv({source.from, moved.to, r.from, r.to, r.count, heads, dim},
               {cos_sin.data(), halves, shifted ? shift.data() : nullptr});
        for (int64_t t = 0; t < r.count; ++t) {
          const auto k = source.Key(r.from + t), got = moved.Key(r.to + t);
          std::vector<double> want(k.size());
          for (int h = 0; h < heads; ++h) {
            for (int i = 0; i < dim / 2; ++i) {
              const double angle = 1234 * std::pow(10000.0, -2.0 * i / dim);
              const size_t a = h * dim + (halves ? i : 2 * i);
              const size_t b = h * dim + (halves ? i + dim / 2 : 2 * i + 1);
              want[a] = k[a] * std::cos(angle) - k[b] * std::sin(angle);
              want[b] = k[b] * std::cos(angle) + k[a] * std::sin(angle);
            }
          }
          for (size_t part = 0; part < want.size(); part += 32) {
            double peak = 0;
            for (size_t i = part; i < part + 32; ++i) {
              if (shifted) want[i] += shift[i];
              peak = std::max(peak, std::fabs(want[i]));
            }
            // Half a step, and what half precision does to the scale.
            for (size_t i = part; i < part + 32; ++i)
              ASSERT_NEAR(got[i], want[i], peak * (0.501 / 127 + 1.0 / 2048)) << t << " " << i;
          }
        }
      }
    }
  }
}

TEST(MoveKvTest, TargetsAreBitEqual) {
  constexpr int kDim = 128;
  std::mt19937 random(3);
  Blocks source(32, 1, kDim, std::byte{0});
  for (int t = 0; t < 32; ++t) {
    auto k = RandomFloats(kDim, random);
    if (t == 4) k.assign(kDim, 0.0f);
    if (t == 5) k[7] = 3e4f;
    source.Write(t, k.data(), k.data());
  }
  std::vector<float> cos_sin(kDim), scratch(kDim * 16);
  RotaryTable(-77, kDim, 10000, nullptr, cos_sin.data());
  const auto shift = RandomFloats(kDim, random);
  for (const int count : {1, 7, 16}) {
    for (const bool halves : {false, true}) {
      std::vector<std::byte> want;
      for (const KernelSet* kernels : AllKernels()) {
        Blocks moved(32, 1, kDim, std::byte{0x11});
        TurnKeysOf(*kernels)({source.from[0], moved.to[0], 3, 9, count, kDim, halves,
                              cos_sin.data(), shift.data(), scratch.data()});
        if (want.empty()) want = moved.storage;
        EXPECT_EQ(want, moved.storage) << kernels->name << " " << count;
      }
    }
  }
}

}  // namespace
}  // namespace weir::tensor
