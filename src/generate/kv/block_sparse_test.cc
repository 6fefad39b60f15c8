#include "generate/kv/block_sparse.h"

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/registry.h"
#include "generate/kv/sequence.h"
#include "generate/sample/random.h"
#include "gtest/gtest.h"

namespace weir::generate {

void RegisterBlockSparse(Registry& registry);

namespace {

struct Patterns {
  const char* name;
  BlockSparseOptions options;
};
const Patterns kPatterns[] = {
    {"local", {.local = 64, .global = 0, .stride = 0}},
    {"local and global", {.local = 32, .global = 64, .stride = 0}},
    {"strided", {.local = 32, .global = 0, .stride = 3}},
    {"all three", {.local = 64, .global = 32, .stride = 4}},
    {"everything", {.local = 1 << 24, .global = 0, .stride = 0}},
};

// The mask, from the words of the card.
bool Visible(const BlockSparseOptions& o, int64_t query, int64_t key) {
  const int64_t i = query / 32, j = key / 32;
  if (key > query) return false;
  return j > i - o.local / 32 || j < o.global / 32 || (o.stride > 0 && (i - j) % o.stride == 0);
}

class BlockSparseTest : public testing::Test {
 protected:
  static constexpr int64_t kTokens = 333;

  // Tokens' rows of q, k and v, every `parts` of them at once; the outputs of all.
  std::vector<float> Attended(const KvShape& shape, const std::string& format,
                              const BlockSparseOptions& options, int64_t part, Threads* threads) {
    const auto policy = *KvPolicy::Make({.format = format}, shape);
    const auto placement = *policy->MakePlacement(shape, 512);
    PagedSequence sequence(policy, shape, placement.get(), std::make_unique<BlockSparse>(options));
    const int64_t q_row = shape.heads * shape.head_dim, k_row = shape.kv_heads * shape.head_dim;
    std::vector<float> out(kTokens * q_row, NAN);
    for (int64_t at = 0; at < kTokens; at += part) {
      const int64_t n = std::min(part, kTokens - at);
      EXPECT_TRUE(sequence.Reserve(n).ok());
      sequence.Append(0, n, &k_[at * k_row], &v_[at * k_row], threads);
      sequence.Attend(0, n, &q_[at * q_row], &out[at * q_row], threads);
      sequence.Commit(n);
    }
    return out;
  }

  void Fill(const KvShape& shape) {
    const auto fill = [](std::vector<float>& x, int64_t size, uint64_t seed) {
      x.resize(size);
      for (int64_t i = 0; i < size; ++i) x[i] = static_cast<float>(4 * UniformAt(seed, i) - 2);
    };
    fill(q_, kTokens * shape.heads * shape.head_dim, 1);
    fill(k_, kTokens * shape.kv_heads * shape.head_dim, 2);
    fill(v_, kTokens * shape.kv_heads * shape.head_dim, 3);
  }

  // The largest error of `out` against softmax in float64 over the keys that the mask shows.
  double ErrorOf(const KvShape& shape, const BlockSparseOptions& options,
                 const std::vector<float>& out) const {
    const int d = shape.head_dim, group = shape.heads / shape.kv_heads;
    double worst = 0;
    std::vector<double> want(d);
    for (int64_t i = 0; i < kTokens; ++i) {
      for (int h = 0; h < shape.heads; ++h) {
        const float* q = &q_[(i * shape.heads + h) * d];
        double sum = 0;
        want.assign(d, 0);
        for (int64_t j = 0; j <= i; ++j) {
          if (!Visible(options, i, j)) continue;
          const int64_t at = (j * shape.kv_heads + h / group) * d;
          double dot = 0;
          for (int c = 0; c < d; ++c) dot += static_cast<double>(q[c]) * k_[at + c];
          const double p = std::exp(dot / std::sqrt(static_cast<double>(d)));
          sum += p;
          for (int c = 0; c < d; ++c) want[c] += p * v_[at + c];
        }
        for (int c = 0; c < d; ++c) {
          const double off = std::fabs(out[(i * shape.heads + h) * d + c] - want[c] / sum);
          worst = std::isnan(off) ? INFINITY : std::max(worst, off);
        }
      }
    }
    return worst;
  }

  std::vector<float> q_, k_, v_;
};

TEST_F(BlockSparseTest, EqualsDenseAttentionUnderTheMask) {
  for (const KvShape& shape : {KvShape{1, 9, 3, 64, {}}, {1, 14, 2, 32, {}}, {1, 4, 1, 64, {}}}) {
    Fill(shape);
    for (const auto& [name, options] : kPatterns) {
      for (const auto& [format, tolerance] : {std::pair{"f16", 4e-3}, {"q8", 6e-2}}) {
        const std::vector<float> out = Attended(shape, format, options, kTokens, nullptr);
        EXPECT_LT(ErrorOf(shape, options, out), tolerance)
            << name << ", " << format << ", heads " << shape.heads;
      }
    }
  }
}

TEST_F(BlockSparseTest, TokensOneByOneGiveTheSameBytes) {
  const KvShape shape{1, 9, 3, 64, {}};
  Fill(shape);
  Threads two(2);
  for (const auto& [name, options] : kPatterns) {
    for (const char* format : {"f16", "q8"}) {
      const std::vector<float> all = Attended(shape, format, options, kTokens, &two);
      for (const int64_t part : {1, 7, 50}) {
        const std::vector<float> parts = Attended(shape, format, options, part, nullptr);
        EXPECT_EQ(0, std::memcmp(all.data(), parts.data(), all.size() * sizeof(float)))
            << name << ", " << format << ", " << part << " at once";
      }
    }
  }
}

// What is not masked at all is the dense selection's bytes, too.
TEST_F(BlockSparseTest, EverythingVisibleIsDense) {
  const KvShape shape{1, 9, 3, 64, {}};
  Fill(shape);
  const auto policy = *KvPolicy::Make({.format = "q8"}, shape);
  const auto placement = *policy->MakePlacement(shape, 512);
  PagedSequence dense(policy, shape, placement.get());
  std::vector<float> want(q_.size());
  ASSERT_TRUE(dense.Reserve(kTokens).ok());
  dense.Append(0, kTokens, k_.data(), v_.data(), nullptr);
  dense.Attend(0, kTokens, q_.data(), want.data(), nullptr);
  EXPECT_EQ(want, Attended(shape, "q8", kPatterns[4].options, kTokens, nullptr));
}

TEST_F(BlockSparseTest, DensityCountsVisiblePairs) {
  for (const auto& [name, options] : kPatterns) {
    int64_t seen = 0;
    for (int64_t i = 0; i < kTokens; ++i) {
      for (int64_t j = 0; j <= i; ++j) seen += Visible(options, i, j);
    }
    EXPECT_NEAR(BlockSparse(options).Density(kTokens),
                static_cast<double>(seen) / (kTokens * (kTokens + 1) / 2), 1e-12)
        << name;
  }
}

TEST_F(BlockSparseTest, IsAValueOfTheSelectionAxis) {
  Registry techniques;
  RegisterBlockSparse(techniques);
  const KvShape shape{1, 9, 3, 64, {}};
  const auto choice = ParseKvChoice("q8+block-sparse:local=64,global=0,stride=4", techniques);
  ASSERT_TRUE(choice.ok()) << choice.status();
  const auto policy = KvPolicy::Make(*choice, shape, techniques);
  ASSERT_TRUE(policy.ok()) << policy.status();
  auto selection = (*policy)->MakeSelection();
  const ReadPlan plan = selection->BeforeAttention(0, 1, nullptr, 12 * 32 + 1);
  EXPECT_EQ(plan.blocks, (std::vector<uint32_t>{0, 4, 8, 11, 12}));
  EXPECT_TRUE(plan.offsets.empty());
  for (const char* bad : {"block-sparse:local=0", "block-sparse:stride=-1",
                          "block-sparse:global=99999999999", "block-sparse:heads=1"}) {
    EXPECT_EQ(ParseKvChoice(bad, techniques).status().code(), absl::StatusCode::kInvalidArgument)
        << bad;
  }
}

}  // namespace
}  // namespace weir::generate
