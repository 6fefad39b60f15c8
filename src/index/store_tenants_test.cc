// Tenants of a store: each sees what a store of its documents alone would show, and nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "index/indexer.h"
#include "index/store_fixture.h"

namespace weir::index {
namespace {

constexpr int kDimensions = 32;

class StoreTenantsTest : public StoreFixture {
 protected:
  void TearDown() override {
    std::filesystem::remove_all(folder() + "_alone");
    StoreFixture::TearDown();
  }
  // A store of these documents alone.
  std::unique_ptr<Store> Alone(const std::vector<Prepared>& documents, bool encode = true) {
    std::filesystem::remove_all(folder() + "_alone");
    auto store = *Store::Open(folder() + "_alone", Store::Mode::kWrite, {});
    EXPECT_TRUE(store->SetLanguage(language_).ok());
    if (!documents.empty()) {
      EXPECT_TRUE(store->AddBatch(documents, {}).ok());
    }
    if (encode) Encode(*store);
    return store;
  }
  void Encode(Store& store) {
    EXPECT_TRUE(store.EncodePending(encoder_, {}).ok());
    EXPECT_TRUE(store.EncodePending(sparse_, {}).ok());
  }
  static std::vector<Seen> Where(const Store& store, const std::vector<Scored>& hits) {
    std::vector<Seen> out;
    for (const Scored& hit : hits) {
      const text::Passage p = *store.GetPassage(hit.passage);
      out.emplace_back(store.GetDocument(p.document)->path, p.span.start, hit.score);
    }
    // Equal scores stand in the order of ids, which differ.
    std::sort(out.begin(), out.end(), [](const Seen& a, const Seen& b) {
      if (std::get<2>(a) != std::get<2>(b)) return std::get<2>(a) > std::get<2>(b);
      return a < b;
    });
    return out;
  }
  void ExpectSame(const Store& shared, const Scope& scope, const Store& alone,
                  const std::string& query) {
    constexpr int64_t kAll = 100000;  // so that ties at the end do not matter
    EXPECT_EQ(Where(shared, *shared.SearchLexical(query, kAll, {}, &scope)),
              Where(alone, *alone.SearchLexical(query, kAll, {})))
        << query;
    const auto few = *shared.SearchLexical(query, 5, {}, &scope);
    const auto all = *shared.SearchLexical(query, kAll, {}, &scope);
    for (size_t i = 0; i < few.size(); ++i) {
      EXPECT_EQ(few[i].passage, all[i].passage);
      const auto terms = *shared.ExplainLexical(query, few[i].passage, &scope);
      double sum = 0;
      for (const TermScore& term : terms) sum += term.score;
      EXPECT_FLOAT_EQ(static_cast<float>(sum), few[i].score);
    }
    if (!alone.has_vectors()) return;
    const std::vector<float> vector = encoder_.One(query);
    EXPECT_EQ(Where(shared, *shared.SearchDense(vector, kAll, {}, &scope)),
              Where(alone, *alone.SearchDense(vector, kAll, {})));
    const text::SparseVector terms = sparse_.One(query);
    for (const bool exact : {true, false}) {
      const SparseSearchOptions options{.exact = exact};
      EXPECT_EQ(Where(shared, *shared.SearchSparse(terms, kAll, options, {}, &scope)),
                Where(alone, *alone.SearchSparse(terms, kAll, {}, {})));
    }
  }

  std::string language_ = "english";
  const HashEncoder encoder_{kDimensions};
  const HashSparseEncoder sparse_;
};

TEST_F(StoreTenantsTest, EveryModeEqualsAStoreOfTheTenantsDocuments) {
  std::mt19937 random(1);
  const auto store = OpenWrite();
  const std::vector<std::string> tenants = {"", "anna", "bob", "carol"};
  std::map<std::string, Prepared> documents;                // by path, as they are now
  std::map<std::string, std::set<std::string>> granted;     // by tenant
  for (int batch = 0; batch < 24; ++batch) {
    std::vector<Prepared> prepared;
    const std::string& tenant = tenants[random() % tenants.size()];
    for (int i = 0; i < 20; ++i) {
      // Every fourth replaces one that is there, perhaps another's: grants stay.
      const int number = i % 4 == 0 && batch > 0 ? static_cast<int>(random() % (batch * 20))
                                                 : batch * 20 + i;
      Prepared p = Make(absl::StrCat("doc", number), RandomText(random, 5 + random() % 60), 90);
      p.tenant = tenant;
      documents[p.document.path] = p;
      if (!tenant.empty()) granted[tenant].insert(p.document.path);
      prepared.push_back(std::move(p));
    }
    ASSERT_TRUE(store->AddBatch(prepared, {}).ok());
    if (batch % 5 == 0) Encode(*store);
    // Something is granted, revoked and removed.
    for (int i = 0; i < 3; ++i) {
      const std::string path = std::next(documents.begin(), random() % documents.size())->first;
      const std::string& other = tenants[1 + random() % 3];
      if (random() % 3 > 0) {
        EXPECT_EQ(*store->Grant(other, {&path, 1}), granted[other].insert(path).second);
      } else {
        EXPECT_EQ(*store->Revoke(other, {&path, 1}), granted[other].erase(path));
      }
    }
    const std::string gone = std::next(documents.begin(), random() % documents.size())->first;
    ASSERT_TRUE(store->Remove(gone).ok());
    documents.erase(gone);
    for (auto& [name, paths] : granted) paths.erase(gone);
  }
  Encode(*store);
  for (const bool compacted : {false, true}) {
    if (compacted) {
      ASSERT_TRUE(store->Compact({}).ok());
    }
    EXPECT_EQ(*store->Check({}), std::vector<std::string>());
    for (const auto& [tenant, paths] : granted) {
      EXPECT_EQ(*store->Paths(tenant), std::vector<std::string>(paths.begin(), paths.end()));
      std::vector<Prepared> own;
      for (const std::string& path : paths) own.push_back(documents.at(path));
      for (Prepared& p : own) p.tenant.clear();
      const auto alone = Alone(own);
      const auto scope = *store->TenantScope(tenant);
      EXPECT_EQ(scope->allowed().ids().size(), alone->Passages().size());
      for (int q = 0; q < 12; ++q) {
        ExpectSame(*store, *scope, *alone, RandomText(random, 1 + q % 5));
      }
      ExpectSame(*store, *scope, *alone, "\"w1 w1\" w3");
      ExpectSame(*store, *scope, *alone, "\"w1 w2\"");
      ExpectSame(*store, *scope, *alone, "+w1 +w2 w5");
      ExpectSame(*store, *scope, *alone, "+w1 +w3");
      ExpectSame(*store, *scope, *alone, "w2 -w1");
    }
  }
}

// A tenant with few of many documents takes the paths that look rows up one by one.
TEST_F(StoreTenantsTest, AFewOfManyDocuments) {
  std::mt19937 random(2);
  const auto store = OpenWrite();
  std::vector<Prepared> many, few;
  for (int i = 0; i < 3000; ++i) {
    many.push_back(Make(absl::StrCat("doc", i), RandomText(random, 30)));
    if (i % 300 == 7) few.push_back(many.back());
  }
  ASSERT_TRUE(store->AddBatch(many, {}).ok());
  Encode(*store);
  for (const Prepared& p : few) ASSERT_EQ(*store->Grant("anna", {&p.document.path, 1}), 1);
  const auto alone = Alone(few);
  const auto scope = *store->TenantScope("anna");
  for (int q = 0; q < 30; ++q) ExpectSame(*store, *scope, *alone, RandomText(random, 1 + q % 6));
  for (const char* query : {"\"w1 w2\"", "+w1 +w2", "+w1 w7", "w2 -w1", "+w250"})
    ExpectSame(*store, *scope, *alone, query);
}

TEST_F(StoreTenantsTest, ScoresDoNotTellOfOthersDocuments) {
  const auto store = OpenWrite();
  Prepared own = Make("own", "river weir");
  own.tenant = "anna";
  Prepared longer = Make("longer", "river mill pond");
  longer.tenant = "anna";
  ASSERT_TRUE(store->AddBatch({{own, longer}}, {}).ok());
  const auto earlier = *store->TenantScope("anna");
  const auto before = *store->SearchLexical("river weir", 10, {}, earlier.get());
  for (int i = 0; i < 50; ++i) {
    Prepared other = Make(absl::StrCat("other", i), "weir weir weir and a great many other words");
    other.tenant = "bob";
    ASSERT_TRUE(store->AddBatch({&other, 1}, {}).ok());
  }
  const auto scope = *store->TenantScope("anna");
  const auto after = *store->SearchLexical("river weir", 10, {}, scope.get());
  ASSERT_EQ(after.size(), 2);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(after[i].passage, before[i].passage);
    EXPECT_EQ(after[i].score, before[i].score);
  }
  EXPECT_NE((*store->SearchLexical("river weir", 60, {}))[0].score, after[0].score);
  const auto terms = *store->ExplainLexical("weir", after[0].passage, scope.get());
  ASSERT_EQ(terms.size(), 1);
  EXPECT_EQ(terms[0].document_frequency, 1);
  const auto bobs = *store->SearchLexical("weir", 1, {}, (*store->TenantScope("bob")).get());
  EXPECT_TRUE(absl::IsNotFound(
      store->ExplainLexical("weir", bobs[0].passage, scope.get()).status()));
}

TEST_F(StoreTenantsTest, LanguagesAreTheTenantsOwn) {
  language_ = "auto";
  const auto store = OpenWrite();
  ASSERT_TRUE(store->SetLanguage("auto").ok());
  const char* german =
      "Der alte Müller baute ein Wehr quer durch den Fluss, und die Häuser am Ufer "
                       "hatten seitdem immer genug Wasser für die Gärten und die Felder.";
  const char* english = "The old miller built a weir across the river, and the houses on the bank "
                        "have had enough water for their gardens ever since that day.";
  std::vector<Prepared> of_bob, of_anna;
  for (int i = 0; i < 5; ++i) of_bob.push_back(Make(absl::StrCat("de", i), german));
  of_anna.push_back(Make("en", english));
  of_anna.push_back(Make("short", "Haus 12"));  // of no language that shows
  auto with = [](std::vector<Prepared> documents, const char* tenant) {
    for (Prepared& p : documents) p.tenant = tenant;
    return documents;
  };
  ASSERT_TRUE(store->AddBatch(with(of_bob, "bob"), {}).ok());
  ASSERT_TRUE(store->AddBatch(with(of_anna, "anna"), {}).ok());
  const auto scope = *store->TenantScope("anna");
  const auto alone = Alone(of_anna, false);
  for (const char* query : {"house", "houses gardens", "Häuser", "Haus", "haus river", "Gärten"})
    ExpectSame(*store, *scope, *alone, query);
  EXPECT_FALSE(store->SetQueryLanguage("french").ok());
  EXPECT_TRUE(store->SetQueryLanguage("french", false).ok());
}

TEST_F(StoreTenantsTest, WhoMayDoWhat) {
  auto store = OpenWrite();
  Prepared a = Make("a", "alpha");
  a.tenant = "anna";
  const Prepared free = Make("free", "alpha of nobody");
  ASSERT_TRUE(store->AddBatch({&a, 1}, {}).ok());
  ASSERT_TRUE(store->AddBatch({&free, 1}, {}).ok());
  const std::vector<std::string> paths = {"a"};
  EXPECT_EQ(*store->Grant("anna", paths), 0);  // again
  EXPECT_EQ(*store->Grant("bob", paths), 1);
  EXPECT_EQ(*store->Grant("bob", paths), 0);
  EXPECT_EQ(*store->Revoke("carol", paths), 0);  // never granted
  EXPECT_TRUE(absl::IsNotFound(store->Grant("bob", std::vector<std::string>{"a", "b"}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store->Grant("", paths).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store->Grant("x\ny", paths).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(store->Grant(std::string(300, 'x'), paths).status()));
  Prepared b = Make("b", "beta");
  b.tenant = "bob";
  EXPECT_TRUE(absl::IsInvalidArgument(store->AddBatch({{a, b}}, {})));

  const auto tenants = *store->Tenants();
  ASSERT_EQ(tenants.size(), 2);
  EXPECT_EQ(tenants[0].name, "anna");
  EXPECT_EQ(tenants[0].documents, 1);
  EXPECT_EQ(tenants[0].owned, 1);
  EXPECT_EQ(tenants[1].owned, 0);

  EXPECT_TRUE(absl::IsNotFound(store->Remove("a", "carol")));
  EXPECT_TRUE(absl::IsNotFound(store->Remove("free", "anna")));
  EXPECT_TRUE(absl::IsPermissionDenied(store->Remove("a", "bob")));
  EXPECT_EQ((*store->TenantScope("bob"))->allowed().ids().size(), 1);

  // A reader sees a revoked grant until it refreshes.
  const auto reader = OpenRead();
  EXPECT_EQ(*store->Revoke("bob", paths), 1);
  EXPECT_EQ(*store->Revoke("bob", paths), 0);
  EXPECT_EQ(reader->SearchLexical("alpha", 9, {}, (*reader->TenantScope("bob")).get())->size(), 1);
  ASSERT_TRUE(reader->Refresh().ok());
  EXPECT_TRUE(
      reader->SearchLexical("alpha", 9, {}, (*reader->TenantScope("bob")).get())->empty());
  EXPECT_TRUE(absl::IsPermissionDenied(reader->Grant("bob", paths).status()));

  // Replaced without a tenant: still anna's.
  a.tenant.clear();
  a.document.text = "alpha, second edition";
  a.passages = Make("a", a.document.text).passages;
  ASSERT_TRUE(store->AddBatch({&a, 1}, {}).ok());
  store.reset();
  store = OpenWrite();
  EXPECT_EQ(store->SearchLexical("edition", 9, {}, (*store->TenantScope("anna")).get())->size(), 1);
  EXPECT_TRUE(store->Remove("a", "anna").ok());
  EXPECT_TRUE((*store->TenantScope("anna"))->allowed().ids().empty());
  EXPECT_EQ(store->SearchLexical("alpha", 9, {})->size(), 1);  // nobody's, without a tenant
  EXPECT_EQ(*store->Check({}), std::vector<std::string>());
}

TEST_F(StoreTenantsTest, AnUnknownTenantFindsNothingInAnyStore) {
  const auto store = OpenWrite();
  const Prepared p = Make("a", "alpha");
  ASSERT_TRUE(store->AddBatch({&p, 1}, {}).ok());  // no tables of tenants yet
  Encode(*store);
  const auto scope = *store->TenantScope("nobody");
  EXPECT_TRUE(store->SearchLexical("alpha", 9, {}, scope.get())->empty());
  EXPECT_TRUE(store->SearchDense(encoder_.One("alpha"), 9, {}, scope.get())->empty());
  EXPECT_TRUE(store->SearchSparse(sparse_.One("alpha"), 9, {}, {}, scope.get())->empty());
  EXPECT_TRUE(store->Paths("nobody")->empty());
  EXPECT_TRUE(store->Tenants()->empty());
  EXPECT_EQ(*store->Revoke("nobody", std::vector<std::string>{"a"}), 0);
}

// A filter on documents takes the store's statistics: scores are those without it.
TEST_F(StoreTenantsTest, AScopeWithTheStoresCountsOnlyLeavesOut) {
  std::mt19937 random(3);
  const auto store = OpenWrite();
  std::vector<Prepared> documents;
  for (int i = 0; i < 200; ++i)
    documents.push_back(Make(absl::StrCat("doc", i), RandomText(random, 30), 60));
  ASSERT_TRUE(store->AddBatch(documents, {}).ok());
  std::vector<int64_t> allowed;
  for (const int64_t id : store->Passages()) {
    if (id % 3 == 0) allowed.push_back(id);
  }
  const Scope scope(PassageSet(allowed), Scope::Counts::kStore);
  for (int q = 0; q < 20; ++q) {
    const std::string query = RandomText(random, 3);
    std::vector<std::pair<int64_t, float>> want, got;
    const auto plain = *store->SearchLexical(query, 10000, {});
    const auto scoped = *store->SearchLexical(query, 10000, {}, &scope);
    for (const Scored& s : plain) {
      if (s.passage % 3 == 0) want.emplace_back(s.passage, s.score);
    }
    for (const Scored& s : scoped)
      got.emplace_back(s.passage, s.score);
    EXPECT_EQ(got, want);
  }
}

// Vectors enough for clusters, so that tenants of every size take their own way: few rows, lists
// in a tree, and a scan with a filter.
TEST_F(StoreTenantsTest, DenseSearchOfLargeSegments) {
  constexpr int kDocuments = 9000;
  const auto store = OpenWrite();
  std::vector<Prepared> documents;
  for (int i = 0; i < kDocuments; ++i)
    documents.push_back(Make(absl::StrCat("doc", i), absl::StrCat("text ", i)));
  ASSERT_TRUE(store->AddBatch(documents, {}).ok());
  ASSERT_TRUE(store->EncodePending(encoder_, {}).ok());
  const std::vector<std::pair<std::string, int>> tenants = {
      {"few", 100}, {"some", 12}, {"many", 5}, {"most", 2}};
  for (const auto& [tenant, every] : tenants) {
    std::vector<std::string> paths;
    for (int i = 0; i < kDocuments; i += every) paths.push_back(absl::StrCat("doc", i));
    EXPECT_EQ(*store->Grant(tenant, paths), static_cast<int64_t>(paths.size()));
  }
  for (const auto& [tenant, every] : tenants) {
    const auto scope = *store->TenantScope(tenant);
    double found = 0, all = 0;
    for (int q = 0; q < 40; ++q) {
      const std::vector<float> query = encoder_.One(absl::StrCat("query ", q));
      VectorSearchOptions options{.effort = Effort::kExact};
      const auto exact = (*store->SearchDenseMany(query, 1, 10, options, {}, scope.get()))[0];
      options.effort = Effort::kThorough;
      const auto got = (*store->SearchDenseMany(query, 1, 10, options, {}, scope.get()))[0];
      ASSERT_EQ(got.size(), 10);
      for (const Scored& s : got) {
        EXPECT_EQ(s.passage % every, 0) << tenant;  // ids are given in order
        found += std::any_of(exact.begin(), exact.end(),
                             [&](const Scored& e) { return e.passage == s.passage; });
      }
      all += 10;
    }
    // Random vectors have no clusters worth the name: the worst case of any index.
    EXPECT_GE(found / all, tenant == "few" ? 1.0 : 0.6) << tenant;
  }
}

TEST_F(StoreTenantsTest, IndexingAsATenant) {
  const std::filesystem::path files = folder() + "_files";
  std::filesystem::create_directories(files);
  const auto write = [&](const std::string& name, const std::string& text) {
    FILE* f = std::fopen((files / name).c_str(), "w");
    std::fputs(text.c_str(), f);
    std::fclose(f);
    return (files / name).string();
  };
  const std::string one = write("one", "alpha"), two = write("two", "alpha beta");
  IndexerPorts ports;
  ports.read = [](const std::string& path, const Context&) -> absl::StatusOr<text::Document> {
    text::Document d;
    d.path = path;
    char buffer[100] = {};
    FILE* f = std::fopen(path.c_str(), "r");
    (void)std::fread(buffer, 1, 99, f);
    std::fclose(f);
    d.text = buffer;
    d.sha256 = *Sha256File(path);
    return d;
  };
  ports.chunk = [](const text::Document& d) { return Make(d.path, d.text).passages; };
  const auto store = OpenWrite();
  IndexerOptions options;
  options.roots = {files.string()};
  options.tenant = "anna";
  EXPECT_EQ(IndexFiles(*store, {one}, ports, options, {})->added, 1);
  options.tenant = "bob";
  const IndexReport second = *IndexFiles(*store, {one, two}, ports, options, {});
  EXPECT_EQ(second.added, 1);
  EXPECT_EQ(second.unchanged, 1);
  EXPECT_EQ(second.granted, 1);
  EXPECT_EQ(IndexFiles(*store, {one, two}, ports, options, {})->granted, 0);
  EXPECT_EQ(*store->Paths("bob"), (std::vector<std::string>{one, two}));
  EXPECT_EQ(*store->Paths("anna"), std::vector<std::string>{one});
  // Both files go: bob's own document is removed, of anna's he loses the grant.
  std::filesystem::remove_all(files);
  EXPECT_EQ(IndexFiles(*store, {}, ports, options, {})->removed, 2);
  EXPECT_TRUE(store->Paths("bob")->empty());
  EXPECT_EQ(*store->Paths("anna"), std::vector<std::string>{one});
  EXPECT_EQ(*store->Paths(), std::vector<std::string>{one});
}

}  // namespace
}  // namespace weir::index
