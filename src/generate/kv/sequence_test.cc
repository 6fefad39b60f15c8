#include "generate/kv/sequence.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <tuple>
#include <vector>

#include "generate/kv/block_pool.h"
#include "generate/kv/plain_format.h"
#include "generate/sample/random.h"
#include "gtest/gtest.h"

namespace weir::generate {
namespace {

constexpr KvShape kShape = {.layers = 2, .heads = 6, .kv_heads = 2, .head_dim = 32};

std::vector<float> RandomRows(int64_t n, int64_t width, uint64_t seed) {
  std::vector<float> rows(n * width);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(2 * UniformAt(seed, i) - 1);
  return rows;
}

// Key, value and query of a token are functions of its id and layer, as in a model without context.
struct Feeder {
  std::vector<float> k, v, q;
  void Make(std::span<const int> ids, int layer) {
    k.clear(), v.clear(), q.clear();
    for (int id : ids) {
      for (auto [rows, heads, salt] :
           {std::tuple{&k, kShape.kv_heads, 1}, {&v, kShape.kv_heads, 2}, {&q, kShape.heads, 3}}) {
        const auto row = RandomRows(1, heads * kShape.head_dim, id * 100 + layer * 10 + salt);
        rows->insert(rows->end(), row.begin(), row.end());
      }
    }
  }
};

// Feeds ids, returns the attention output of all new tokens and layers.
std::vector<float> Feed(PagedSequence& s, std::span<const int> ids) {
  std::vector<float> all;
  EXPECT_TRUE(s.Reserve(ids.size()).ok());
  for (int layer = 0; layer < kShape.layers; ++layer) {
    Feeder f;
    f.Make(ids, layer);
    s.Append(layer, ids.size(), f.k.data(), f.v.data(), nullptr);
    std::vector<float> out(f.q.size());
    s.Attend(layer, ids.size(), f.q.data(), out.data(), nullptr);
    all.insert(all.end(), out.begin(), out.end());
  }
  s.Commit(ids.size());
  return all;
}

// Softmax attention of the last token over all tokens (or those that `keep` admits), in double.
std::vector<double> Naive(std::span<const int> ids, int layer,
                          const std::function<bool(size_t)>& keep) {
  Feeder f;
  f.Make(ids, layer);
  const int d = kShape.head_dim, group = kShape.heads / kShape.kv_heads;
  std::vector<double> out(kShape.heads * d);
  const float* q = &f.q[(ids.size() - 1) * kShape.heads * d];
  for (int h = 0; h < kShape.heads; ++h) {
    std::vector<double> w(ids.size());
    double sum = 0;
    for (size_t t = 0; t < ids.size(); ++t) {
      if (!keep(t)) continue;
      double dot = 0;
      for (int c = 0; c < d; ++c)
        dot += double(q[h * d + c]) * f.k[(t * kShape.kv_heads + h / group) * d + c];
      sum += w[t] = std::exp(dot / std::sqrt(double(d)));
    }
    for (size_t t = 0; t < ids.size(); ++t) {
      for (int c = 0; c < d; ++c)
        out[h * d + c] += w[t] / sum * f.v[(t * kShape.kv_heads + h / group) * d + c];
    }
  }
  return out;
}

std::vector<int> Ids(int n, int first = 1) {
  std::vector<int> ids(n);
  for (int i = 0; i < n; ++i) ids[i] = first + i;
  return ids;
}

class SequenceTest : public testing::Test {
 protected:
  void Pool(int64_t tokens) { placement_ = *policy_->MakePlacement(kShape, tokens); }
  std::shared_ptr<const KvPolicy> policy_ = *KvPolicy::Make({.format = "f16"}, kShape);
  std::unique_ptr<KvPlacement> placement_;
};

// What is read back is what was stored: put into a second sequence it gives the same bytes, hence
// the same attention, and a second reading gives the same numbers.
TEST(SequenceReadTest, ReadIsTheInverseOfAppend) {
  for (const char* format : {"f16", "q8"}) {
    const auto policy = *KvPolicy::Make({.format = format}, kShape);
    const auto placement = *policy->MakePlacement(kShape, 256);
    PagedSequence s(policy, kShape, placement.get()), copy(policy, kShape, placement.get());
    const std::vector<int> ids = Ids(70);
    const auto out = Feed(s, ids);
    const size_t width = kShape.kv_heads * kShape.head_dim;
    ASSERT_TRUE(copy.Reserve(69).ok());
    for (int layer = 0; layer < kShape.layers; ++layer) {
      std::vector<float> k(69 * width), v(k.size()), k2(30 * width), v2(k2.size());
      ASSERT_TRUE(s.Read(layer, 0, 69, k.data(), v.data()).ok());
      Feeder f;
      f.Make(std::span(ids).first(69), layer);
      for (size_t i = 0; i < k.size(); ++i) {  // int8: half of 1 / 127; f16: 2^-12
        ASSERT_NEAR(k[i], f.k[i], 0.005) << format;
        ASSERT_NEAR(v[i], f.v[i], 0.005) << format;
      }
      copy.Append(layer, 69, k.data(), v.data(), nullptr);
      ASSERT_TRUE(copy.Read(layer, 35, 30, k2.data(), v2.data()).ok());  // over a block's edge
      EXPECT_TRUE(std::equal(k2.begin(), k2.end(), k.begin() + 35 * width)) << format;
      EXPECT_TRUE(std::equal(v2.begin(), v2.end(), v.begin() + 35 * width)) << format;
    }
    copy.Commit(69);
    const auto last = Feed(copy, std::span(ids).last(1));
    const size_t row = kShape.heads * kShape.head_dim;
    for (int layer = 0; layer < kShape.layers; ++layer) {
      EXPECT_TRUE(std::equal(last.begin() + layer * row, last.begin() + (layer + 1) * row,
                             out.begin() + (layer * 70 + 69) * row))
          << format;
    }
  }
}

TEST_F(SequenceTest, AttentionEqualsTheNaiveOne) {
  Pool(256);
  PagedSequence s(policy_, kShape, placement_.get());
  const std::vector<int> ids = Ids(101);
  const auto out = Feed(s, ids);
  EXPECT_EQ(s.length(), 101);
  EXPECT_EQ(s.blocks_per_layer(), 4);
  const size_t width = kShape.heads * kShape.head_dim;
  for (int layer = 0; layer < kShape.layers; ++layer) {
    const auto expected = Naive(ids, layer, [](size_t) { return true; });
    for (size_t i = 0; i < width; ++i) {
      // Keys and values are rounded to half precision: 2^-11 of values up to 1.
      EXPECT_NEAR(out[(layer * 101 + 100) * width + i], expected[i], 2e-3);
    }
  }
}

TEST_F(SequenceTest, AnySplitIsBitEqual) {
  Pool(512);
  const std::vector<int> ids = Ids(150);
  PagedSequence whole(policy_, kShape, placement_.get());
  const auto all = Feed(whole, ids);
  const size_t width = kShape.heads * kShape.head_dim;
  for (int step : {1, 7, 32, 100}) {
    PagedSequence split(policy_, kShape, placement_.get());
    for (int at = 0; at < 150; at += step) {
      const int n = std::min(step, 150 - at);
      const auto part = Feed(split, std::span(ids).subspan(at, n));
      for (int layer = 0; layer < kShape.layers; ++layer) {
        for (size_t i = 0; i < n * width; ++i) {
          ASSERT_EQ(part[layer * n * width + i], all[(layer * 150 + at) * width + i])
              << step << " " << at;
        }
      }
    }
  }
}

TEST_F(SequenceTest, ForksShareThePrefixAndGiveTheTokensOfSeparateRuns) {
  for (int prefix : {1, 31, 32, 33, 64, 90}) {
    Pool(1024);
    PagedSequence a(policy_, kShape, placement_.get());
    Feed(a, Ids(prefix));
    const int64_t stored = placement_->used_blocks();
    std::unique_ptr<PagedSequence> b = a.Fork();
    EXPECT_EQ(placement_->used_blocks(), stored);  // bytes stored once
    const auto a_out = Feed(a, Ids(40, 500)), b_out = Feed(*b, Ids(40, 900));
    // Only the tail beyond whole shared blocks is held twice.
    const int64_t shared = prefix / kBlockTokens;
    EXPECT_EQ(placement_->used_blocks(),
              kShape.layers * (a.blocks_per_layer() + b->blocks_per_layer() - shared));

    for (auto [first, out] : {std::pair{500, &a_out}, {900, &b_out}}) {
      PagedSequence alone(policy_, kShape, placement_.get());
      Feed(alone, Ids(prefix));
      EXPECT_EQ(Feed(alone, Ids(40, first)), *out) << prefix;
    }
    b.reset();
    EXPECT_EQ(placement_->used_blocks(), kShape.layers * a.blocks_per_layer());
  }
}

TEST_F(SequenceTest, TruncateForgetsAndFrees) {
  Pool(256);
  PagedSequence s(policy_, kShape, placement_.get());
  Feed(s, Ids(100));
  std::unique_ptr<PagedSequence> other = s.Fork();
  for (int length : {70, 64, 33, 5, 0}) {
    s.Truncate(length);
    EXPECT_EQ(s.length(), length);
    const auto again = Feed(s, Ids(20, 700));
    PagedSequence alone(policy_, kShape, placement_.get());
    if (length > 0) Feed(alone, Ids(length));
    EXPECT_EQ(again, Feed(alone, Ids(20, 700)));
    s.Truncate(length);
  }
  // The fork still holds what it had.
  const auto out = Feed(*other, Ids(1, 101));
  PagedSequence alone(policy_, kShape, placement_.get());
  Feed(alone, Ids(100));
  EXPECT_EQ(out, Feed(alone, Ids(1, 101)));
}

TEST_F(SequenceTest, RefusesWhenFullAndStaysAsItWas) {
  Pool(64);
  PagedSequence s(policy_, kShape, placement_.get());
  Feed(s, Ids(40));
  EXPECT_EQ(s.Reserve(25).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(s.length(), 40);
  EXPECT_EQ(s.blocks_per_layer(), 2);
  EXPECT_TRUE(s.Reserve(24).ok());
  std::unique_ptr<PagedSequence> fork = s.Fork();
  // Writing into the shared tail needs a block of its own, and there is none.
  EXPECT_EQ(fork->Reserve(1).code(), absl::StatusCode::kResourceExhausted);
  s.Truncate(0);
  EXPECT_TRUE(fork->Reserve(24).ok());
}

// A selection that reads the first and the newest block only.
class SinkAndNewest : public KvSelection {
 public:
  ReadPlan::Kind reads() const override { return ReadPlan::Kind::kBlocks; }
  bool needs_lse() const override { return true; }
  ReadPlan BeforeAttention(int, int64_t, const float*, int64_t length) override {
    ++asked;
    const uint32_t newest = static_cast<uint32_t>((length - 1) / kBlockTokens);
    return {.kind = ReadPlan::Kind::kBlocks,
            .blocks = newest == 0 ? std::vector<uint32_t>{0} : std::vector<uint32_t>{0, newest}};
  }
  void OnAttention(const AttentionView& view) override {
    seen += view.lse != nullptr && std::isfinite(view.lse[0]);
  }
  std::unique_ptr<KvSelection> Fork() const override { return std::make_unique<SinkAndNewest>(); }
  int seen = 0, asked = 0;
};

TEST_F(SequenceTest, ReadsTheBlocksThatASelectionPlans) {
  Pool(256);
  ASSERT_TRUE(CheckKvPair(policy_->format(), SinkAndNewest()).ok());
  auto selection = std::make_unique<SinkAndNewest>();
  SinkAndNewest* watch = selection.get();
  PagedSequence s(policy_, kShape, placement_.get(), std::move(selection));
  const std::vector<int> ids = Ids(101);
  std::vector<float> out;
  for (int id : ids) out = Feed(s, std::span(&id, 1));
  const size_t width = kShape.heads * kShape.head_dim;
  for (int layer = 0; layer < kShape.layers; ++layer) {
    const auto expected = Naive(ids, layer, [](size_t t) { return t < 32 || t >= 96; });
    for (size_t i = 0; i < width; ++i) EXPECT_NEAR(out[layer * width + i], expected[i], 2e-3);
  }
  EXPECT_EQ(watch->seen, 101 * kShape.layers);
}

// Layer 0 has a window; a selection is asked for the other layers alone.
TEST_F(SequenceTest, AWindowIsAllThatALayerReads) {
  constexpr int kWindow = 70;
  KvShape shape = kShape;
  shape.windows = {kWindow, 0};
  Pool(1024);
  auto selection = std::make_unique<SinkAndNewest>();
  SinkAndNewest* watch = selection.get();
  PagedSequence s(policy_, shape, placement_.get(), std::move(selection));
  const std::vector<int> ids = Ids(700);
  std::vector<float> out;
  for (int id : ids) out = Feed(s, std::span(&id, 1));
  EXPECT_EQ(watch->asked, 700);  // once a token: for layer 1
  const size_t width = kShape.heads * kShape.head_dim;
  const auto windowed = Naive(ids, 0, [](size_t t) { return t + kWindow >= 700; });
  for (size_t i = 0; i < width; ++i) EXPECT_NEAR(out[i], windowed[i], 2e-3);
  const auto chosen = Naive(ids, 1, [](size_t t) { return t < 32 || t >= 672; });
  for (size_t i = 0; i < width; ++i) EXPECT_NEAR(out[width + i], chosen[i], 2e-3);

  // Blocks before the window of the next token are not read: poison there does not show.
  std::unique_ptr<PagedSequence> fork = s.Fork();
  const auto clean = Feed(*fork, Ids(3, 900));
  std::vector<float> poison(kShape.kv_heads * kShape.head_dim, NAN);
  for (int64_t t = 0; t < (700 - kWindow) / kBlockTokens * kBlockTokens; ++t) {
    // Tokens came one by one, so the layers took blocks in turns.
    const auto id = static_cast<BlockId>(t / kBlockTokens * kShape.layers);
    policy_->format().Write(placement_->Address(id), t % kBlockTokens, poison.data(), poison.data(),
                            shape);
  }
  s.Truncate(700);
  EXPECT_EQ(Feed(s, Ids(3, 900)), clean);
}

TEST_F(SequenceTest, AnySplitWithAWindowIsBitEqual) {
  Pool(4096);
  KvShape shape = kShape;
  shape.windows = {100, 300};
  const std::vector<int> ids = Ids(700);
  PagedSequence whole(policy_, shape, placement_.get());
  const auto all = Feed(whole, ids);
  const size_t width = kShape.heads * kShape.head_dim;
  for (int step : {1, 7, 32, 300}) {
    PagedSequence split(policy_, shape, placement_.get());
    for (int at = 0; at < 700; at += step) {
      const int n = std::min(step, 700 - at);
      const auto part = Feed(split, std::span(ids).subspan(at, n));
      for (int layer = 0; layer < kShape.layers; ++layer) {
        ASSERT_TRUE(std::equal(part.begin() + layer * n * width,
                               part.begin() + (layer + 1) * n * width,
                               all.begin() + (layer * 700 + at) * width))
            << step << " " << at;
      }
    }
  }
}

class OneToken : public SinkAndNewest {
 public:
  ReadPlan::Kind reads() const override { return ReadPlan::Kind::kTokens; }
};

TEST(KvPolicyTest, RefusesUnknownValuesAndPairs) {
  EXPECT_EQ(KvPolicy::Make({.format = "q3"}, kShape).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(KvPolicy::Make({.retention = "window"}, kShape).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(KvPolicy::Make({.selection = ""}, kShape).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(KvPolicy::Make({.execution = "x"}, kShape).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(KvPolicy::Make({.placement = "wire"}, kShape).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckKvPair(PlainFormat(tensor::KvStorage::kHalf), OneToken()).code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(KvValues("format")->front(), "auto");
  EXPECT_EQ(KvValues("colour").status().code(), absl::StatusCode::kNotFound);
}

struct SinkOptions {
  int64_t sinks = 1;
  template <class V>
  void Visit(V& v) {
    v(sinks, {.name = "sinks", .help = "First blocks to read.", .min = 1, .max = 8});
  }
};

TEST(KvPolicyTest, TechniquesAreValuesWithOptions) {
  Registry techniques;
  int64_t made = 0;
  techniques.Add<KvSelection>(
      "sink", "Reads the first blocks and the newest.",
      [&](const OptionTable& table) -> absl::StatusOr<std::unique_ptr<KvSelection>> {
        made = ReadOptions<SinkOptions>(table)->sinks;
        return std::make_unique<SinkAndNewest>();
      },
      OwnedOptions<SinkOptions>);
  techniques.Add<KvSelection>("token", "Reads one token.", [](const OptionTable&) {
    return std::make_unique<OneToken>();
  });
  EXPECT_EQ(*KvValues("selection", techniques),
            (std::vector<std::string_view>{"dense", "sink", "token"}));

  const auto choice = ParseKvChoice("f16+sink:sinks=3", techniques);
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->format, "f16");
  EXPECT_EQ(choice->selection, "sink:sinks=3");
  const auto policy = KvPolicy::Make(*choice, kShape, techniques);
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(made, 3);
  EXPECT_EQ((*policy)->MakeSelection()->reads(), ReadPlan::Kind::kBlocks);
  EXPECT_TRUE(KvPolicy::Make({.selection = "sink"}, kShape, techniques).ok());
  EXPECT_EQ(made, 1);

  for (const char* bad : {"sink:sinks=9", "sink:sinks", "sink:", "sink:colour=1", "sink+dense",
                          "f16:bits=2", "sinks", ":sinks=1", ""}) {
    EXPECT_EQ(ParseKvChoice(bad, techniques).status().code(), absl::StatusCode::kInvalidArgument)
        << bad;
    EXPECT_EQ(KvPolicy::Make({.selection = bad}, kShape, techniques).status().code(),
              absl::StatusCode::kInvalidArgument)
        << bad;
  }
  EXPECT_EQ(ParseKvChoice("sink").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(KvPolicy::Make({.selection = "token"}, kShape, techniques).status().code(),
            absl::StatusCode::kUnimplemented);
}

TEST(BlockPoolTest, CountsUsersAndRefuses) {
  EXPECT_EQ(BlockPool::Make(0, 4).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(BlockPool::Make(100, 0).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(BlockPool::Make(size_t{1} << 33, 100).status().code(),
            absl::StatusCode::kResourceExhausted);
  auto pool = *BlockPool::Make(100, 4);
  std::vector<BlockId> ids(3), two(2);
  ASSERT_TRUE(pool->Allocate(std::span<BlockId>(ids)).ok());
  EXPECT_EQ(pool->Allocate(std::span<BlockId>(two)).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(pool->free_blocks(), 1);
  pool->Share(ids[1]);
  pool->Release(ids[1]);
  EXPECT_EQ(pool->Users(ids[1]), 1);
  pool->Release(ids[1]);
  EXPECT_EQ(pool->free_blocks(), 2);
  for (BlockId id : ids) EXPECT_EQ(reinterpret_cast<uintptr_t>(pool->Address(id)) % 64, 0u);
}

}  // namespace
}  // namespace weir::generate
