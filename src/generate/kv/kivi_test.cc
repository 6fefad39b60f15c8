// Sequences over a format with a compact form: what is read in which form depends on a query's
// position alone, sharing and truncation change nothing, and each block is made compact once.
#include "generate/kv/kivi.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "generate/kv/feed_fixture.h"
#include "generate/kv/sequence.h"
#include "generate/sample/random.h"
#include "gtest/gtest.h"

namespace weir::generate {

void RegisterKivi(Registry& registry);

namespace {

using feed::AppendTo, feed::Feed, feed::Ids, feed::kShape, feed::kWidth;

class KiviTest : public testing::Test {
 protected:
  KiviTest() { RegisterKivi(techniques_); }
  void Use(const std::string& format, int64_t tokens, const KvShape& shape = kShape) {
    policy_ = *KvPolicy::Make({.format = format}, shape, techniques_);
    placement_ = *policy_->MakePlacement(shape, tokens);
  }
  std::unique_ptr<PagedSequence> New(const KvShape& shape = kShape) {
    return std::make_unique<PagedSequence>(policy_, shape, placement_.get());
  }
  int64_t Compact() const { return static_cast<int64_t>(policy_->format().CompactBytes(kShape)); }
  int64_t Open() const { return static_cast<int64_t>(policy_->format().BlockBytes(kShape)); }

  Registry techniques_;
  std::shared_ptr<const KvPolicy> policy_;
  std::unique_ptr<KvPlacement> placement_;
};

TEST_F(KiviTest, AnySplitIsBitEqual) {
  for (const char* format : {"kivi2", "kivi2:residual=32,open=f16", "kivi4:residual=64,sink=0",
                             "kivi2:keys=token,residual=32"}) {
    for (const std::vector<int64_t>& windows : {std::vector<int64_t>{}, {100, 0}}) {
      KvShape shape = kShape;
      shape.windows = windows;
      Use(format, 8192, shape);
      const std::vector<int> ids = Ids(420);
      const auto whole = New(shape);
      const auto all = Feed(*whole, ids);
      for (int step : {1, 7, 32, 100, 256}) {
        const auto split = New(shape);
        for (int at = 0; at < 420; at += step) {
          const int n = std::min(step, 420 - at);
          const auto part = Feed(*split, std::span(ids).subspan(at, n));
          for (int layer = 0; layer < kShape.layers; ++layer) {
            ASSERT_TRUE(std::equal(part[layer].begin(), part[layer].end(),
                                   all[layer].begin() + at * kWidth))
                << format << " " << step << " " << at;
          }
        }
        EXPECT_EQ(placement_->used_bytes(), 2 * policy_->CacheBytes(shape, 420));
      }
    }
  }
}

// Lengths around the residual: what is compact, and what one sequence takes.
TEST_F(KiviTest, BlocksBecomeCompactWhenTheyAreOldEnough) {
  for (const int sinks : {0, 1, 3}) {
    Use(absl::StrCat("kivi2:residual=64,sink=", 32 * sinks), 1024);
    for (const auto& [length, compact, open] :
         {std::tuple{1, 0, 1}, {32, 0, 1}, {33, 0, 2}, {63, 0, 2}, {64, 0, 2}, {65, 0, 3},
          {96, 0, 3}, {97, 1, 4}, {128, 1, 4}, {129, 2, 4}, {321, 8, 4}}) {
      const auto s = New();
      for (int id : Ids(length)) Feed(*s, std::span(&id, 1));
      const int kept = std::min(sinks, std::max(0, compact - 1));  // that would be gone
      EXPECT_EQ(placement_->used_bytes(),
                kShape.layers * (compact * Compact() + (open + kept) * Open()))
          << length << " " << sinks;
      EXPECT_EQ(policy_->CacheBytes(kShape, length), placement_->used_bytes()) << length;
    }
  }
  EXPECT_EQ(New()->Reusable(0), 0);
  EXPECT_EQ(placement_->used_bytes(), 0);
}

TEST_F(KiviTest, CacheAt4096TokensIsBelow22PercentOfF16) {
  for (const KvShape& shape : {KvShape{.layers = 30, .heads = 9, .kv_heads = 3, .head_dim = 64},
                               KvShape{.layers = 24, .heads = 14, .kv_heads = 2, .head_dim = 64}}) {
    const auto half = *KvPolicy::Make({.format = "f16"}, shape, techniques_);
    Use("kivi2", 4096, shape);
    const double share = static_cast<double>(policy_->CacheBytes(shape, 4096)) /
                         static_cast<double>(half->CacheBytes(shape, 4096));
    EXPECT_LT(share, 0.22);
    EXPECT_GT(share, 0.18);
  }
}

TEST_F(KiviTest, ForksMakeABlockCompactOnce) {
  for (const bool in_turns : {true, false}) {
    Use("kivi2:residual=32", 4096);
    const auto a = New();
    Feed(*a, Ids(200));
    const int64_t stored = placement_->used_bytes();
    const auto b = a->Fork();
    EXPECT_EQ(placement_->used_bytes(), stored);
    // Both go far enough that every block of the prefix is compact in both.
    std::vector<std::vector<float>> outs[2];
    const std::vector<int> more[2] = {Ids(100, 500), Ids(100, 900)};
    PagedSequence* const both[2] = {a.get(), b.get()};
    for (int at = 0; at < 100; at += 10) {
      if (in_turns) {  // as a batch runs: all reserve, all append, all commit
        for (PagedSequence* s : both) ASSERT_TRUE(s->Reserve(10).ok());
        std::vector<float> out;
        for (int layer = 0; layer < kShape.layers; ++layer) {
          for (int i : {0, 1}) {
            AppendTo(*both[i], layer, std::span(more[i]).subspan(at, 10), &out);
            outs[i].push_back(out);
          }
        }
        for (PagedSequence* s : both) s->Commit(10);
      }
    }
    for (int i : {0, 1}) {
      for (int at = 0; at < 100 && !in_turns; at += 10) {
        for (auto& out : Feed(*both[i], std::span(more[i]).subspan(at, 10))) outs[i].push_back(out);
      }
    }
    // Blocks 0 to 5 of the prefix are whole and shared. 300 tokens: 8 compact blocks, open the
    // first and from 7.
    EXPECT_EQ(placement_->used_bytes(),
              kShape.layers * ((6 + 2 + 2) * Compact() + (1 + 2 * 3) * Open()));
    for (int i : {0, 1}) {
      const auto alone = New();
      Feed(*alone, Ids(200));
      size_t next = 0;
      for (int at = 0; at < 100; at += 10) {
        for (const auto& out : Feed(*alone, std::span(more[i]).subspan(at, 10)))
          ASSERT_EQ(out, outs[i][next++]) << in_turns << " " << at;
      }
    }
  }
}

// Random appends, truncations and forks over one pool; each sequence is then compared with one that
// saw its tokens only.
class KiviHistoryTest : public KiviTest, public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Formats, KiviHistoryTest,
                         testing::Values("kivi2:residual=32", "kivi2",
                                         "kivi2:residual=96,sink=64"));

TEST_P(KiviHistoryTest, DoesNotShow) {
  Use(GetParam(), 1 << 14);
  struct Live {
    std::unique_ptr<PagedSequence> sequence;
    std::vector<int> ids;
  };
  std::vector<Live> live;
  live.push_back({New(), {}});
  uint64_t draw = 0;
  const auto below = [&](int n) { return static_cast<int>(UniformAt(7, draw++) * n); };
  int fresh = 1, deep = 0;
  for (int step = 0; step < 150; ++step) {
    Live& one = live[below(static_cast<int>(live.size()))];
    const int what = below(4);
    if (what == 0 && live.size() < 4) {
      Live copy{one.sequence->Fork(), one.ids};
      live.push_back(std::move(copy));
    } else if (what == 1 && !one.ids.empty()) {
      const int64_t wanted = below(static_cast<int>(one.ids.size()) + 1);
      const int64_t keep = one.sequence->Reusable(
          below(2) == 0 ? wanted : std::max<int64_t>(0, one.ids.size() - below(33)));
      deep += keep == 0;
      one.sequence->Truncate(keep);
      one.ids.resize(keep);
    } else {
      const std::vector<int> more = Ids(1 + below(90), fresh);
      fresh += 100;
      const auto got = Feed(*one.sequence, more);
      const auto alone = New();
      if (!one.ids.empty()) Feed(*alone, one.ids);
      ASSERT_EQ(got, Feed(*alone, more)) << step;
      one.ids.insert(one.ids.end(), more.begin(), more.end());
    }
  }
  EXPECT_GT(deep, 3);
  live.clear();
  EXPECT_EQ(placement_->used_bytes(), 0);
}

// Blocks after the sinks are gone, though a query at the cut would read them open.
TEST_F(KiviTest, CutsIntoTheResidualAreNotReusable) {
  Use("kivi2", 1024);
  const auto s = New();
  Feed(*s, Ids(400));  // of blocks 1 to 6 the compact form is left
  for (int length : {33, 64, 100, 160, 256, 351}) EXPECT_EQ(s->Reusable(length), 0) << length;
  for (int length : {0, 20, 32, 352, 400}) EXPECT_EQ(s->Reusable(length), length);
}

// Rejected drafts: up to 32 of the newest tokens can go at any length.
TEST_F(KiviTest, TheNewestTokensCanAlwaysGo) {
  Use("kivi2:residual=32", 1024);
  const auto s = New();
  for (int length = 1; length < 300; ++length) {
    Feed(*s, std::vector<int>{length});
    for (int back : {1, 8, 32})
      EXPECT_EQ(s->Reusable(std::max(0, length - back)), std::max(0, length - back));
  }
  EXPECT_EQ(s->Reusable(150), 0);
}

// Beyond that, a sequence goes on with what is left: close to, but not the bytes of, a fresh one.
TEST_F(KiviTest, CutCompactBlocksGoOn) {
  for (const char* format : {"kivi4:residual=32", "kivi4:residual=32,open=f16", "kivi4"}) {
    for (int length : {1, 40, 64, 95, 130}) {
      Use(format, 2048);
      const auto s = New();
      Feed(*s, Ids(300));
      const auto other = s->Fork();
      s->Truncate(length);
      const auto again = s->Fork();  // before the cut block is open again
      EXPECT_EQ(s->length(), length);
      const auto got = Feed(*s, Ids(40, 700));
      EXPECT_EQ(got, Feed(*again, Ids(40, 700)));
      const auto alone = New();
      Feed(*alone, Ids(length));
      const auto want = Feed(*alone, Ids(40, 700));
      for (int layer = 0; layer < kShape.layers; ++layer) {
        // 4 bits of values in [-1, 1]: half a step is 1 / 15.
        for (size_t i = 0; i < want[layer].size(); ++i)
          ASSERT_NEAR(got[layer][i], want[layer][i], 0.07) << format << " " << length;
      }
      // The fork still has what it had.
      const auto whole = New();
      Feed(*whole, Ids(300));
      EXPECT_EQ(Feed(*other, Ids(20, 800)), Feed(*whole, Ids(20, 800)));
    }
  }
}

TEST_F(KiviTest, RefusesWhenFullAndStaysAsItWas) {
  Use("kivi2:residual=32", 160);
  auto s = New();
  Feed(*s, Ids(100));
  const int64_t used = placement_->used_bytes();
  EXPECT_EQ(s->Reserve(1000).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(placement_->used_bytes(), used);
  const auto got = Feed(*s, Ids(40, 500));
  s.reset();
  const auto alone = New();
  Feed(*alone, Ids(100));
  EXPECT_EQ(got, Feed(*alone, Ids(40, 500)));
}

// A selection of the first, the third and the newest block.
class Three : public KvSelection {
 public:
  ReadPlan::Kind reads() const override { return ReadPlan::Kind::kBlocks; }
  ReadPlan BeforeAttention(int, int64_t, const float*, int64_t length) override {
    const auto newest = static_cast<uint32_t>((length - 1) / kBlockTokens);
    ReadPlan plan{.kind = ReadPlan::Kind::kBlocks, .blocks = {0}};
    if (newest > 2) plan.blocks.push_back(2);
    if (newest > 0) plan.blocks.push_back(newest);
    return plan;
  }
  std::unique_ptr<KvSelection> Fork() const override { return std::make_unique<Three>(); }
};

// A second cache that has only what the selection reads must agree.
TEST_F(KiviTest, SelectionsReadBlocksInEitherForm) {
  Use("kivi2:residual=32", 2048);
  PagedSequence chosen(policy_, kShape, placement_.get(), std::make_unique<Three>());
  const std::vector<int> ids = Ids(300);
  std::vector<std::vector<float>> got;
  for (int id : ids) got = Feed(chosen, std::span(&id, 1));
  // f16 over the same tokens and selection: apart by what 2 bits cost, yet far from reading all.
  const auto half = *KvPolicy::Make({.format = "f16"}, kShape);
  const auto room = *half->MakePlacement(kShape, 2048);
  PagedSequence exact(half, kShape, room.get(), std::make_unique<Three>());
  PagedSequence all(half, kShape, room.get());
  std::vector<std::vector<float>> want, dense;
  for (int id : ids) {
    want = Feed(exact, std::span(&id, 1));
    dense = Feed(all, std::span(&id, 1));
  }
  double off = 0, apart = 0;
  for (size_t i = 0; i < kWidth; ++i) {
    off += std::pow(got[0][i] - want[0][i], 2);
    apart += std::pow(dense[0][i] - want[0][i], 2);
  }
  EXPECT_LT(off, 0.3 * apart);
}

TEST_F(KiviTest, RefusesShapesAndOptions) {
  KvShape shape = kShape;
  shape.head_dim = 48;
  EXPECT_EQ(KvPolicy::Make({.format = "kivi2"}, shape, techniques_).status().code(),
            absl::StatusCode::kUnimplemented);
  shape.head_dim = 1024;
  EXPECT_EQ(KvPolicy::Make({.format = "kivi4"}, shape, techniques_).status().code(),
            absl::StatusCode::kUnimplemented);
  for (const char* word : {"kivi2:residual=33", "kivi2:residual=0", "kivi2:sink=16",
                           "kivi2:group=64", "kivi2:keys=row", "kivi2:open=q4", "kivi3"}) {
    EXPECT_EQ(KvPolicy::Make({.format = word}, kShape, techniques_).status().code(),
              absl::StatusCode::kInvalidArgument)
        << word;
  }
  EXPECT_TRUE(ParseKvChoice("kivi2:group=32,residual=128", techniques_).ok());
}

}  // namespace
}  // namespace weir::generate
