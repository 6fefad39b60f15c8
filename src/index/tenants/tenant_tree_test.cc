#include "index/tenants/tenant_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "base/threads.h"
#include "index/tenants/cluster_tree.h"

namespace weir::index {
namespace {

using ::testing::HasSubstr;

// Unit vectors around so many random centres.
std::vector<float> Mixture(size_t n, size_t d, size_t centres, float spread, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> middle(centres * d), out(n * d);
  for (float& x : middle) x = normal(random);
  for (size_t i = 0; i < n; ++i) {
    const size_t c = random() % centres;
    float square = 0;
    for (size_t j = 0; j < d; ++j) {
      out[i * d + j] = middle[c * d + j] + spread * normal(random);
      square += out[i * d + j] * out[i * d + j];
    }
    for (size_t j = 0; j < d; ++j) out[i * d + j] /= std::sqrt(square);
  }
  return out;
}

TenantTreeOptions Small() {
  TenantTreeOptions options;
  options.tree.fanout = 6;
  options.tree.leaf_rows = 20;
  options.longest_list = 12;
  return options;
}

// What a tenant index is, at first sight.
struct Naive {
  struct Row {
    std::vector<float> vector;
    uint32_t owner;
    std::set<uint32_t> tenants;
  };
  std::map<int64_t, Row> rows;

  std::vector<int64_t> LabelsOf(uint32_t tenant) const {
    std::vector<int64_t> labels;
    for (const auto& [label, row] : rows) {
      if (row.tenants.contains(tenant)) labels.push_back(label);
    }
    return labels;
  }
};

void SearchFindsOnlyWhatIsGranted(const TenantTree& tree, const Naive& naive,
                                  std::span<const float> query, int64_t k, uint32_t tenant) {
  const std::vector<int64_t> own = naive.LabelsOf(tenant);
  const auto found = *tree.Search(query, k, tenant);
  ASSERT_LE(found.size(), std::min<size_t>(k, own.size()));
  if (own.size() <= Small().longest_list) {
    ASSERT_EQ(found.size(), std::min<size_t>(k, own.size()));
  }
  std::set<int64_t> distinct;
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_TRUE(std::binary_search(own.begin(), own.end(), found[i].passage)) << "forbidden";
    ASSERT_TRUE(distinct.insert(found[i].passage).second);
    ASSERT_TRUE(i == 0 || found[i - 1].score >= found[i].score);
  }
}

// Every list, walked in full, gives the tenant's vectors and no others.
void ListsHoldWhatIsGranted(const TenantTree& tree, const Naive& naive,
                            const std::vector<float>& pool, uint32_t tenant) {
  const auto query = std::span(pool).first(tree.dimensions());
  const auto all = *tree.Search(query, 10000, tenant, {.patience = 0});
  std::vector<int64_t> labels;
  for (const Scored& s : all) labels.push_back(s.passage);
  std::sort(labels.begin(), labels.end());
  EXPECT_EQ(labels, naive.LabelsOf(tenant));
}

TEST(TenantTreeTest, TenThousandRandomOperationsAgreeWithANaiveModel) {
  constexpr size_t kDimensions = 16;
  constexpr uint32_t kTenants = 50;
  const std::vector<float> pool = Mixture(4000, kDimensions, 20, 0.4f, 1);
  auto tree = *TenantTree::Train(std::span(pool).first(1000 * kDimensions), kDimensions, Small(),
                                 {});
  Naive naive;
  std::mt19937 random(2);
  int64_t next = 0;
  const auto some_label = [&]() -> int64_t {
    if (naive.rows.empty() || random() % 20 == 0) return 1000000;  // there is no such label
    auto at = naive.rows.lower_bound(static_cast<int64_t>(random() % (next + 1)));
    return at == naive.rows.end() ? naive.rows.begin()->first : at->first;
  };
  size_t searched = 0;
  for (int op = 0; op < 10000; ++op) {
    const uint32_t tenant = random() % kTenants;
    const int64_t label = some_label();
    const auto row = naive.rows.find(label);
    const bool there = row != naive.rows.end();
    switch (random() % 6) {
      case 0: {
        const std::span<const float> v(&pool[next % 4000 * kDimensions], kDimensions);
        ASSERT_TRUE(tree->Insert(next, v, tenant).ok());
        naive.rows[next++] = {{v.begin(), v.end()}, tenant, {tenant}};
        break;
      }
      case 1:
      case 2: {
        const auto granted = tree->Grant(label, tenant);
        ASSERT_EQ(granted.ok(), there);
        if (there) ASSERT_EQ(*granted, row->second.tenants.insert(tenant).second);
        break;
      }
      case 3: {
        const auto revoked = tree->Revoke(label, tenant);
        ASSERT_EQ(revoked.ok(), there);
        if (there) ASSERT_EQ(*revoked, row->second.tenants.erase(tenant) == 1);
        break;
      }
      case 4: {
        const uint32_t who = there && random() % 2 == 0 ? row->second.owner : tenant;
        const absl::Status deleted = tree->Delete(label, who);
        if (!there || !row->second.tenants.contains(who)) {
          ASSERT_TRUE(absl::IsNotFound(deleted)) << deleted;
        } else if (row->second.owner != who) {
          ASSERT_TRUE(absl::IsPermissionDenied(deleted)) << deleted;
        } else {
          ASSERT_TRUE(deleted.ok()) << deleted;
          naive.rows.erase(row);
        }
        break;
      }
      default: {
        const std::span<const float> q(&pool[random() % 4000 * kDimensions], kDimensions);
        SearchFindsOnlyWhatIsGranted(*tree, naive, q, 1 + random() % 15, tenant);
        ASSERT_FALSE(testing::Test::HasFatalFailure()) << "at operation " << op;
        ++searched;
      }
    }
    ASSERT_EQ(tree->size(), naive.rows.size());
    ASSERT_EQ(tree->CountOf(tenant), naive.LabelsOf(tenant).size());
    for (uint32_t t = 0; op % 500 == 0 && t < kTenants; ++t) {
      ASSERT_EQ(tree->LabelsOf(t), naive.LabelsOf(t));
    }
  }
  EXPECT_GT(searched, 1000);
  EXPECT_GT(tree->size(), 300);
  for (uint32_t t = 0; t < kTenants; ++t) ListsHoldWhatIsGranted(*tree, naive, pool, t);
}

// A tree over a mixture whose tenants have from 20 to n / 5 vectors, by Zipf's law.
struct Zipf {
  static constexpr size_t kRows = 20000, kDimensions = 32, kTenants = 60;
  std::vector<float> vectors = Mixture(kRows, kDimensions, 120, 0.35f, 3);
  std::vector<float> queries = Mixture(300, kDimensions, 120, 0.35f, 3);
  std::vector<std::vector<int64_t>> members;  // of each tenant
  std::unique_ptr<TenantTree> tree;

  Zipf() {
    TenantTreeOptions options;
    options.tree.leaf_rows = 64;
    Threads two(2);
    Context context;
    context.threads = &two;
    tree = *TenantTree::Train(vectors, kDimensions, options, context);
    std::vector<int64_t> labels(kRows);
    std::vector<uint32_t> owners(kRows, 9999);
    for (size_t i = 0; i < kRows; ++i) labels[i] = static_cast<int64_t>(i);
    EXPECT_TRUE(tree->InsertMany(labels, vectors, owners).ok());
    std::mt19937 random(4);
    const double power = std::log(kRows / 5.0 / 20) / std::log(double{kTenants});
    for (uint32_t t = 0; t < kTenants; ++t) {
      std::shuffle(labels.begin(), labels.end(), random);
      const size_t n = static_cast<size_t>(kRows / 5.0 / std::pow(t + 1.0, power) + 0.5);
      members.emplace_back(labels.begin(), labels.begin() + static_cast<ptrdiff_t>(n));
      for (size_t i = 0; i < n; ++i) EXPECT_TRUE(*tree->Grant(labels[i], t));
    }
  }
  std::span<const float> query(size_t i) const {
    return std::span(queries).subspan(i % 300 * kDimensions, kDimensions);
  }
  double Recall(uint32_t tenant, size_t n) const {
    size_t found = 0, all = 0;
    for (size_t i = 0; i < n; ++i) {
      const auto want = tree->SearchExactly(query(i + tenant), 10, tenant);
      const auto got = *tree->Search(query(i + tenant), 10, tenant);
      for (const Scored& w : want) {
        found += std::any_of(got.begin(), got.end(),
                             [&](const Scored& g) { return g.passage == w.passage; });
      }
      all += want.size();
    }
    return static_cast<double>(found) / static_cast<double>(all);
  }
};

TEST(TenantTreeTest, RecallOfAllTenantsAndOfTheWorst) {
  const Zipf zipf;
  double sum = 0, worst = 1;
  for (uint32_t t = 0; t < Zipf::kTenants; ++t) {
    const double recall = zipf.Recall(t, 20);
    if (zipf.members[t].size() <= 128) EXPECT_EQ(recall, 1.0) << "tenant " << t;
    sum += recall;
    worst = std::min(worst, recall);
  }
  EXPECT_GE(sum / Zipf::kTenants, 0.95);
  EXPECT_GE(worst, 0.85);
  EXPECT_TRUE(zipf.tree->Search(zipf.query(0), 10, 777)->empty());  // nobody
}

TEST(TenantTreeTest, ScoresAndOrderAreThoseOfTheExactSearch) {
  const Zipf zipf;
  for (uint32_t t = 40; t < Zipf::kTenants; ++t) {  // small ones
    const auto want = zipf.tree->SearchExactly(zipf.query(t), 10, t);
    const auto got = *zipf.tree->Search(zipf.query(t), 10, t);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].passage, want[i].passage);
      EXPECT_EQ(got[i].score, want[i].score);
    }
  }
}

TEST(TenantTreeTest, AfterHalfOfTheVectorsAreGoneRecallIsThatOfAFreshTree) {
  Zipf zipf;
  std::mt19937 random(5);
  std::set<int64_t> gone;
  while (gone.size() < Zipf::kRows / 2) {
    const int64_t label = static_cast<int64_t>(random() % Zipf::kRows);
    if (gone.insert(label).second) ASSERT_TRUE(zipf.tree->Delete(label, 9999).ok());
  }
  TenantTreeOptions options;
  options.tree.leaf_rows = 64;
  Zipf fresh;
  std::vector<float> left;
  std::vector<int64_t> labels;
  for (size_t i = 0; i < Zipf::kRows; ++i) {
    if (gone.contains(static_cast<int64_t>(i))) continue;
    labels.push_back(static_cast<int64_t>(i));
    const auto row = std::span(fresh.vectors).subspan(i * Zipf::kDimensions, Zipf::kDimensions);
    left.insert(left.end(), row.begin(), row.end());
  }
  fresh.tree = *TenantTree::Train(left, Zipf::kDimensions, options, {});
  const std::vector<uint32_t> owners(labels.size(), 9999);
  ASSERT_TRUE(fresh.tree->InsertMany(labels, left, owners).ok());
  double after = 0, anew = 0;
  for (uint32_t t = 0; t < Zipf::kTenants; ++t) {
    for (const int64_t label : fresh.members[t]) {
      if (!gone.contains(label)) ASSERT_TRUE(*fresh.tree->Grant(label, t));
    }
    ASSERT_EQ(zipf.tree->LabelsOf(t), fresh.tree->LabelsOf(t));
    after += zipf.Recall(t, 20) / Zipf::kTenants;
    anew += fresh.Recall(t, 20) / Zipf::kTenants;
  }
  EXPECT_GE(after, anew - 0.01);
}

class TenantTreeFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/tenant_tree_" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};

TEST_F(TenantTreeFileTest, AThousandQueriesAreTheSameAfterLoading) {
  Zipf zipf;
  for (int64_t label = 0; label < 2000; label += 3)
    ASSERT_TRUE(zipf.tree->Delete(label, 9999).ok());
  ASSERT_TRUE(zipf.tree->Save(folder_, "tenants.seg").ok());
  const auto loaded = *TenantTree::Load(folder_ + "/tenants.seg");
  EXPECT_EQ(loaded->size(), zipf.tree->size());
  for (uint32_t i = 0; i < 1000; ++i) {
    const auto want = *zipf.tree->Search(zipf.query(i), 10, i % Zipf::kTenants);
    const auto got = *loaded->Search(zipf.query(i), 10, i % Zipf::kTenants);
    ASSERT_EQ(got.size(), want.size());
    for (size_t j = 0; j < got.size(); ++j) {
      ASSERT_EQ(got[j].passage, want[j].passage);
      ASSERT_EQ(got[j].score, want[j].score);
    }
  }
  // It goes on as the other one does.
  ASSERT_TRUE(*loaded->Revoke(zipf.members[0][1], 0) == *zipf.tree->Revoke(zipf.members[0][1], 0));
  EXPECT_EQ(loaded->LabelsOf(0), zipf.tree->LabelsOf(0));
  EXPECT_EQ(loaded->OwnerOf(1), 9999u);
}

TEST_F(TenantTreeFileTest, AnyFlippedByteIsFound) {
  const std::vector<float> vectors = Mixture(60, 8, 5, 0.4f, 6);
  auto tree = *TenantTree::Train(vectors, 8, Small(), {});
  for (uint32_t i = 0; i < 60; ++i) {
    ASSERT_TRUE(tree->Insert(i, std::span(vectors).subspan(i * 8, 8), i % 3).ok());
    ASSERT_TRUE(tree->Grant(i, (i + 1) % 3).ok());
  }
  ASSERT_TRUE(tree->Save(folder_, "t").ok());
  std::ifstream in(folder_ + "/t", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  const auto open = [&](const std::string& image) -> absl::Status {
    std::ofstream(folder_ + "/u", std::ios::binary) << image;
    return TenantTree::Load(folder_ + "/u").status();
  };
  ASSERT_TRUE(open(bytes).ok());
  size_t accepted = 0;
  for (size_t i = 0; i < bytes.size(); i += 7) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x20);
    accepted += open(flipped).ok();  // between sections there are zeros that nothing covers
  }
  EXPECT_LE(accepted, 8 * 63 / 7);
  EXPECT_TRUE(absl::IsDataLoss(open(bytes.substr(0, bytes.size() / 2))));
  EXPECT_TRUE(absl::IsNotFound(TenantTree::Load(folder_ + "/none").status()));
}

TEST(TenantTreeTest, WhatIsGrantedTwiceIsGrantedOnce) {
  const std::vector<float> v = Mixture(1, 8, 1, 0.1f, 7);
  TenantTree tree(8, Small());
  ASSERT_TRUE(tree.Insert(5, v, 1).ok());
  EXPECT_FALSE(*tree.Grant(5, 1));
  EXPECT_TRUE(*tree.Grant(5, 2));
  EXPECT_FALSE(*tree.Grant(5, 2));
  EXPECT_EQ(tree.CountOf(2), 1);
  EXPECT_EQ(tree.Search(v, 10, 2)->size(), 1);
  EXPECT_TRUE(*tree.Revoke(5, 2));
  EXPECT_FALSE(*tree.Revoke(5, 2));
  EXPECT_TRUE(tree.Search(v, 10, 2)->empty());
  EXPECT_EQ(tree.Search(v, 10, 1)->size(), 1);
}

// The published code takes `!owner == tid` for `owner != tid`, which lets tenant 0 and others
// delete what is not theirs.
TEST(TenantTreeTest, OnlyTheOwnerDeletes) {
  const std::vector<float> v = Mixture(1, 8, 1, 0.1f, 8);
  TenantTree tree(8, Small());
  ASSERT_TRUE(tree.Insert(5, v, 3).ok());
  for (const uint32_t other : {0u, 1u, 2u}) {
    EXPECT_TRUE(absl::IsNotFound(tree.Delete(5, other)));  // as if it were not there
    ASSERT_TRUE(*tree.Grant(5, other));
    EXPECT_TRUE(absl::IsPermissionDenied(tree.Delete(5, other)));
  }
  EXPECT_TRUE(tree.Has(5, 3));
  EXPECT_TRUE(tree.Delete(5, 3).ok());
  EXPECT_EQ(tree.size(), 0);
  EXPECT_TRUE(tree.Search(v, 1, 0)->empty());
  // Its slot serves again, and nobody's grants come with it.
  ASSERT_TRUE(tree.Insert(6, v, 4).ok());
  EXPECT_TRUE(tree.Search(v, 1, 0)->empty());
  EXPECT_EQ(tree.LabelsOf(4), std::vector<int64_t>{6});
}

TEST(TenantTreeTest, WithoutATreeTenantsAreScanned) {
  const std::vector<float> vectors = Mixture(500, 8, 5, 0.4f, 9);
  TenantTree tree(8, Small());
  for (uint32_t i = 0; i < 500; ++i)
    ASSERT_TRUE(tree.Insert(i, std::span(vectors).subspan(i * 8, 8), i % 2).ok());
  const auto want = tree.SearchExactly(std::span(vectors).first(8), 10, 1);
  const auto got = *tree.Search(std::span(vectors).first(8), 10, 1);
  ASSERT_EQ(got.size(), 10);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i].passage, want[i].passage);
}

TEST(TenantTreeTest, ManyTenantsOutgrowTheFilters) {
  const std::vector<float> vectors = Mixture(400, 8, 40, 0.4f, 10);
  auto tree = *TenantTree::Train(vectors, 8, Small(), {});
  for (uint32_t i = 0; i < 400; ++i)
    ASSERT_TRUE(tree->Insert(i, std::span(vectors).subspan(i * 8, 8), 0).ok());
  for (uint32_t t = 1; t < 300; ++t) {
    for (uint32_t i = 0; i < 20; ++i) ASSERT_TRUE(*tree->Grant((t * 7 + i * 13) % 400, t));
  }
  for (uint32_t t = 1; t < 300; ++t) {
    EXPECT_EQ(tree->Search(std::span(vectors).first(8), 100, t, {.patience = 0})->size(), 20);
  }
}

TEST(TenantTreeTest, BadInput) {
  const std::vector<float> v = Mixture(2, 8, 1, 0.1f, 11);
  TenantTree tree(8, Small());
  const auto one = std::span(v).first(8);
  ASSERT_TRUE(tree.Insert(1, one, 0).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(tree.Insert(1, one, 0)));
  EXPECT_TRUE(absl::IsInvalidArgument(tree.Insert(2, std::span(v).first(7), 0)));
  EXPECT_TRUE(absl::IsInvalidArgument(tree.Insert(2, std::vector<float>(8, NAN), 0)));
  EXPECT_TRUE(absl::IsInvalidArgument(tree.Insert(2, std::vector<float>(8, 1.0f), 0)));
  EXPECT_TRUE(absl::IsInvalidArgument(tree.Search(one, 0, 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(tree.Search(std::span(v).first(7), 1, 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(tree.Search(std::vector<float>(8, NAN), 1, 0).status()));
  EXPECT_TRUE(absl::IsNotFound(tree.Grant(9, 0).status()));
  EXPECT_TRUE(absl::IsNotFound(tree.Revoke(9, 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(TenantTree::Train(v, 7, Small(), {}).status()));
  CancelToken cancel;
  cancel.Cancel();
  Context context;
  context.cancel = &cancel;
  EXPECT_TRUE(absl::IsCancelled(TenantTree::Train(v, 8, Small(), context).status()));
}

TEST(ClusterTreeTest, TheSameTreeWithOneThreadAndTwo) {
  const std::vector<float> vectors = Mixture(3000, 16, 30, 0.3f, 12);
  const auto row = [&](size_t i) { return &vectors[i * 16]; };
  Threads two(2);
  Context context;
  context.threads = &two;
  const ClusterTree one = *ClusterTree::Train(3000, 16, row, {.leaf_rows = 30}, {});
  const ClusterTree other = *ClusterTree::Train(3000, 16, row, {.leaf_rows = 30}, context);
  ASSERT_EQ(one.nodes().size(), other.nodes().size());
  EXPECT_GT(one.leaf_count(), 60);
  EXPECT_TRUE(std::equal(one.centres().begin(), one.centres().end(), other.centres().begin()));
}

TEST(ClusterTreeTest, RowsAsLeavesStandOnceEach) {
  std::vector<float> vectors = Mixture(500, 16, 30, 0.3f, 13);
  // Many that are all alike do not split by distance.
  for (size_t i = 100; i < 200; ++i) std::copy_n(vectors.begin(), 16, &vectors[i * 16]);
  const ClusterTree tree = *ClusterTree::Train(
      500, 16, [&](size_t i) { return &vectors[i * 16]; }, {.rows_are_leaves = true}, {});
  EXPECT_EQ(tree.leaf_count(), 500);
  std::vector<uint32_t> rows(tree.row_of_leaf().begin(), tree.row_of_leaf().end());
  std::sort(rows.begin(), rows.end());
  for (uint32_t i = 0; i < 500; ++i) EXPECT_EQ(rows[i], i);
}

TEST(BloomFilterTest, NeverNoToAMemberAndSeldomYesToOthers) {
  BloomFilter filter(1000);
  EXPECT_FALSE(filter.Contains(1));
  for (uint32_t i = 0; i < 1000; ++i) filter.Add(i * 17);
  size_t wrong = 0;
  for (uint32_t i = 0; i < 1000; ++i) {
    EXPECT_TRUE(filter.Contains(i * 17));
    for (uint32_t j = 1; j < 17; ++j) wrong += filter.Contains(i * 17 + j);
  }
  EXPECT_LT(static_cast<double>(wrong) / 16000, 0.03);
  EXPECT_FALSE(BloomFilter().Contains(3));
}

}  // namespace
}  // namespace weir::index
