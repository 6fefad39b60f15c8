// Documents whose sparse vectors are given: whatever happens to the store, they have the vector of
// their words, beside others that are encoded.
#include <gmock/gmock.h>

#include <map>

#include "index/catalogue/catalogue.h"
#include "index/store_fixture.h"

namespace weir::index {
namespace {

using testing::IsEmpty;

class StoreGivenTest : public StoreFixture {
 protected:
  static Prepared Given(const std::string& path, GivenTerms terms) {
    Prepared p = Make(path, absl::StrCat("picture ", path));
    std::sort(terms.begin(), terms.end(),
              [](const GivenTerm& a, const GivenTerm& b) { return a.word < b.word; });
    p.terms = std::move(terms);
    return p;
  }
  static std::string PathOf(const Store& store, int64_t passage) {
    return store.GetDocument(store.GetPassage(passage)->document)->path;
  }
  // Path -> score.
  static std::map<std::string, float> Found(const Store& store, int32_t term,
                                            const Scope* scope = nullptr) {
    std::map<std::string, float> out;
    const auto hits = store.SearchSparse({{term, 1.0f}}, 1000, {}, {}, scope);
    EXPECT_TRUE(hits.ok()) << hits.status();
    for (const Scored& hit : *hits) out[PathOf(store, hit.passage)] = hit.score;
    return out;
  }
  static void ExpectClean(const Store& store) {
    const auto lines = store.Check({});
    ASSERT_TRUE(lines.ok()) << lines.status();
    EXPECT_THAT(*lines, IsEmpty());
  }
  // Naive: over all vectors that can be seen.
  static SparseFrequencies Count(const Store& store, const std::vector<int32_t>& terms,
                                 const std::vector<int64_t>& passages) {
    SparseFrequencies out{.of_terms = std::vector<int64_t>(terms.size())};
    for (const int64_t passage : passages) {
      const auto vector = store.GetSparseVector(passage);
      if (!vector.ok()) continue;
      ++out.passages;
      for (size_t i = 0; i < terms.size(); ++i) {
        for (const text::TermWeight& w : *vector) out.of_terms[i] += w.term == terms[i];
      }
    }
    return out;
  }
};

TEST_F(StoreGivenTest, SurvivesMergesOthersAndAnotherEncoder) {
  auto store = OpenWrite();
  const HashSparseEncoder encoder(200), other(150);
  std::mt19937 random(3);
  // A batch and a segment each: more than are kept apart.
  for (int i = 0; i < 12; ++i) {
    const Prepared batch[] = {
        Given(absl::StrCat("p", i), {{"t7", static_cast<uint8_t>(64 + i)}, {"t180", 100}}),
        Make(absl::StrCat("d", i), RandomText(random, 30))};
    ASSERT_TRUE(store->AddBatch(batch, {}).ok());
    ASSERT_TRUE(store->EncodePending(encoder, {}).ok());
  }
  ExpectClean(*store);
  EXPECT_EQ(store->Status()->given_terms, 12);
  EXPECT_EQ(store->Status()->sparse_pending, 0);
  const auto expect_given = [&](bool has_180) {
    const auto found = Found(*store, 7);
    for (int i = 0; i < 12; ++i) {
      ASSERT_TRUE(found.contains(absl::StrCat("p", i))) << i;
      EXPECT_NEAR(found.at(absl::StrCat("p", i)), (64 + i) / 64.0, 1e-4);
    }
    const int64_t passage = store->Passages()[0];
    EXPECT_EQ(store->GetSparseVector(passage)->size(), has_180 ? 2u : 1u);
  };
  expect_given(true);
  ASSERT_TRUE(store->Compact({}).ok());
  expect_given(true);
  // In a smaller vocabulary t180 has no term.
  ASSERT_TRUE(store->EncodePending(other, {}).ok());
  expect_given(false);
  for (const int64_t passage : store->Passages()) {
    if (PathOf(*store, passage)[0] != 'd') continue;
    const auto have = store->GetSparseVector(passage);
    ASSERT_TRUE(have.ok());
    EXPECT_FALSE(have->empty());
  }
  ASSERT_TRUE(store->EncodePending(encoder, {}).ok());
  expect_given(true);
  ExpectClean(*store);
}

TEST_F(StoreGivenTest, GoesWithItsDocument) {
  auto store = OpenWrite();
  const HashSparseEncoder encoder(200);
  const Prepared batch[] = {Given("a", {{"t1", 64}}), Given("b", {{"t1", 128}}), Given("c", {})};
  ASSERT_TRUE(store->AddBatch(batch, {}).ok());
  // Killed before the encoder ran: the next run goes on.
  store.reset();
  store = OpenWrite();
  EXPECT_EQ(store->Status()->given_terms, 3);
  ASSERT_TRUE(store->EncodePending(encoder, {}).ok());
  EXPECT_EQ(Found(*store, 1).size(), 2u);
  ASSERT_TRUE(store->Remove("a").ok());
  EXPECT_EQ(store->Status()->given_terms, 2);
  // Replaced by other words, and by a document without any.
  const Prepared again[] = {Given("b", {{"t2", 64}}), Make("c", "a text")};
  ASSERT_TRUE(store->AddBatch(again, {}).ok());
  ASSERT_TRUE(store->EncodePending(encoder, {}).ok());
  EXPECT_EQ(store->Status()->given_terms, 1);
  EXPECT_FALSE(Found(*store, 1).contains("b"));
  EXPECT_TRUE(Found(*store, 2).contains("b"));
  for (const int64_t passage : store->Passages()) {
    if (PathOf(*store, passage) == "c") EXPECT_FALSE(store->GetSparseVector(passage)->empty());
  }
  ExpectClean(*store);
}

TEST_F(StoreGivenTest, CheckTellsOfTermsOfNoDocument) {
  {
    auto store = OpenWrite();
    const Prepared p = Given("a", {{"t1", 64}});
    ASSERT_TRUE(store->AddBatch({&p, 1}, {}).ok());
  }
  {
    auto catalogue = Catalogue::Open(folder() + "/catalogue.sqlite", true);
    ASSERT_TRUE(catalogue.ok()) << catalogue.status();
    auto transaction = (*catalogue)->BeginWrite();
    ASSERT_TRUE((*catalogue)->given_terms().Note(77, {{"t1", 64}}).ok());
    // What no store writes: an empty word.
    ASSERT_TRUE((*catalogue)->given_terms().Note(0, {{"", 64}}).ok());
    ASSERT_TRUE(transaction->Commit().ok());
  }
  auto store = OpenWrite();
  EXPECT_THAT(*store->Check({}),
              testing::UnorderedElementsAre(
                  "catalogue: given terms of 1 documents that are not there",
                  "catalogue: given terms of 1 documents cannot be read"));
  EXPECT_TRUE(absl::IsDataLoss(store->EncodePending(HashSparseEncoder(), {})));
}

TEST_F(StoreGivenTest, RefusesTermsOutOfLimits) {
  auto store = OpenWrite();
  const Prepared wrong = Given("a", {{"b", 1}, {"b", 2}});
  EXPECT_TRUE(absl::IsInvalidArgument(store->AddBatch({&wrong, 1}, {})));
}

TEST_F(StoreGivenTest, CountsWhatTheScopeMaySee) {
  auto store = OpenWrite();
  const HashSparseEncoder encoder(200);
  std::mt19937 random(4);
  const std::vector<int32_t> terms = {0, 1, 2, 7, 40, 199};
  for (int b = 0; b < 3; ++b) {
    std::vector<Prepared> batch;
    for (int i = 0; i < 700; ++i) {
      const std::string path = absl::StrCat("d", b, "-", i);
      batch.push_back(i % 5 == 0 ? Given(path, {{"t7", 64}, {"t1", 9}})
                                 : Make(path, RandomText(random, 8)));
      batch.back().tenant = b == 1 ? "anna" : "";
    }
    ASSERT_TRUE(store->AddBatch(batch, {}).ok());
    ASSERT_TRUE(store->EncodePending(encoder, {}).ok());
  }
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(store->Remove(absl::StrCat("d1-", i)).ok());
  const auto expect_naive = [&] {
    const auto scope = *store->TenantScope("anna");
    const auto all = store->CountSparse(terms), annas = store->CountSparse(terms, scope.get());
    ASSERT_TRUE(all.ok() && annas.ok());
    const auto want = Count(*store, terms, store->Passages());
    EXPECT_EQ(all->passages, 2000);
    EXPECT_EQ(all->of_terms, want.of_terms);
    std::vector<int64_t> seen;
    for (const int64_t p : store->Passages()) {
      if (scope->allowed().Contains(p)) seen.push_back(p);
    }
    EXPECT_EQ(annas->passages, 600);
    EXPECT_EQ(annas->of_terms, Count(*store, terms, seen).of_terms);
    // Of what a filter selects in her documents the same count.
    const auto narrowed = store->MakeScope({.tenant = "anna", .where = "path = \"d1-200\""});
    ASSERT_TRUE(narrowed.ok()) << narrowed.status();
    EXPECT_EQ(store->CountSparse(terms, narrowed->get())->of_terms, annas->of_terms);
    EXPECT_EQ(Found(*store, 7, narrowed->get()).size(), 1u);
  };
  expect_naive();
  ASSERT_TRUE(store->Compact({}).ok());
  expect_naive();
  for (const int32_t wrong : {-1, 200}) {
    EXPECT_TRUE(absl::IsInvalidArgument(store->CountSparse({{wrong}}).status())) << wrong;
  }
}

}  // namespace
}  // namespace weir::index
