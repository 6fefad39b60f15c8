#include "index/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "index/store_fixture.h"

namespace weir::index {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<int64_t> Passages(const std::vector<Scored>& hits) {
  std::vector<int64_t> ids;
  for (const Scored& h : hits) ids.push_back(h.passage);
  return ids;
}

TEST_F(StoreFixture, AddsFindsReplacesRemoves) {
  auto store = OpenWrite();
  ASSERT_TRUE(store->AddBatch(std::vector{Make("a.txt", "The weir holds the river back."),
                                          Make("b.txt", "A mill needs a river.")}, {}).ok());
  auto hits = store->SearchLexical("weir", 10, {});
  ASSERT_TRUE(hits.ok()) << hits.status();
  ASSERT_EQ(hits->size(), 1u);
  auto passage = store->GetPassage((*hits)[0].passage);
  ASSERT_TRUE(passage.ok());
  EXPECT_EQ(passage->text, "The weir holds the river back.");
  EXPECT_EQ(store->GetDocument(passage->document)->path, "a.txt");
  EXPECT_EQ(*store->GetText(passage->document), "The weir holds the river back.");
  EXPECT_EQ(*store->FindDocument("a.txt"), passage->document);
  EXPECT_TRUE(absl::IsNotFound(store->FindDocument("c.txt").status()));

  ASSERT_TRUE(store->AddBatch(std::vector{Make("a.txt", "Nothing of the kind.")}, {}).ok());
  EXPECT_THAT(*store->SearchLexical("weir", 10, {}), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(store->GetPassage((*hits)[0].passage).status()));
  EXPECT_EQ(store->Status()->documents, 2);
  ASSERT_TRUE(store->Remove("b.txt").ok());
  EXPECT_TRUE(absl::IsNotFound(store->Remove("b.txt")));
  EXPECT_THAT(*store->SearchLexical("river", 10, {}), IsEmpty());
  EXPECT_EQ(store->Status()->passages, 1);
  EXPECT_THAT(*store->Check({}), IsEmpty());
}

TEST_F(StoreFixture, TitleAndHeadingCountForAPassage) {
  auto store = OpenWrite();
  Prepared p = Make("a.txt", "First part.\nSecond part.", 12);
  p.document.title = "Hydraulics";
  p.passages[1].heading = "Sluices";
  ASSERT_TRUE(store->AddBatch({&p, 1}, {}).ok());
  EXPECT_EQ(store->SearchLexical("hydraulics", 10, {})->size(), 2u);
  EXPECT_EQ(store->SearchLexical("sluice", 10, {})->size(), 1u);
  auto rows = store->ExplainLexical("hydraulics sluices",
                                    (*store->SearchLexical("sluice", 10, {}))[0].passage);
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(rows->size(), 2u);
}

TEST_F(StoreFixture, ReaderKeepsItsGeneration) {
  auto writer = OpenWrite();
  ASSERT_TRUE(writer->AddBatch(std::vector{Make("a.txt", "old weir")}, {}).ok());
  auto reader = OpenRead();
  ASSERT_TRUE(
      writer->AddBatch(std::vector{Make("a.txt", "new lock"), Make("b.txt", "more weir")}, {})
          .ok());
  ASSERT_TRUE(writer->Compact({}).ok());
  auto hits = reader->SearchLexical("weir", 10, {});
  ASSERT_EQ(hits->size(), 1u);
  auto passage = reader->GetPassage((*hits)[0].passage);
  ASSERT_TRUE(passage.ok()) << passage.status();
  EXPECT_EQ(passage->text, "old weir");
  EXPECT_EQ(reader->Status()->documents, 1);
  ASSERT_TRUE(reader->Refresh().ok());
  EXPECT_EQ(reader->GetPassage((*reader->SearchLexical("weir", 10, {}))[0].passage)->text,
            "more weir");
  EXPECT_EQ(reader->Status()->documents, 2);
  EXPECT_TRUE(absl::IsPermissionDenied(reader->Remove("a.txt")));
}

TEST_F(StoreFixture, SecondWriterIsRefused) {
  auto store = OpenWrite();
  EXPECT_TRUE(absl::IsAborted(Store::Open(folder(), Store::Mode::kWrite, {}).status()));
  store.reset();
  EXPECT_TRUE(Store::Open(folder(), Store::Mode::kWrite, {}).ok());
}

// What a killed writer leaves holds its lock a moment longer.
TEST_F(StoreFixture, WaitsForALockThatIsGivenUpSoon) {
  ASSERT_TRUE(Store::Open(folder(), Store::Mode::kWrite, {}).ok());
  const int lock = ::open((folder() + "/lock").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(lock, LOCK_EX | LOCK_NB), 0);
  std::thread dying([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    ::close(lock);
  });
  EXPECT_TRUE(Store::Open(folder(), Store::Mode::kWrite, {}).ok());
  dying.join();
}

TEST_F(StoreFixture, MissingStoreIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(Store::Open(folder() + "/absent", Store::Mode::kRead, {}).status()));
}

// Random adding, replacing, removing and compacting, against a map of what should be there; scores
// must equal those of a store that got the survivors in one batch.
TEST_F(StoreFixture, RandomHistoryEqualsAFreshStore) {
  auto store = OpenWrite();
  std::mt19937 random(11);
  std::map<std::string, std::string> expected;
  const char* words[] = {"weir", "lock",  "mill",  "river", "sluice",
                         "gate", "water", "level", "stone", "wood"};
  for (int step = 0; step < 120; ++step) {
    const int what = static_cast<int>(random() % 10);
    if (what < 8) {
      std::vector<Prepared> batch;
      for (size_t i = 0, n = 1 + random() % 4; i < n; ++i) {
        std::string text;
        for (size_t w = 0, m = random() % 40; w < m; ++w)
          absl::StrAppend(&text, words[random() % 10], " ");
        const std::string path = absl::StrCat("d", random() % 40);
        batch.push_back(Make(path, text, 50));
        expected[path] = text;
      }
      ASSERT_TRUE(store->AddBatch(batch, {}).ok());
    } else if (what == 8 && !expected.empty()) {
      auto at = std::next(expected.begin(), static_cast<long>(random() % expected.size()));
      ASSERT_TRUE(store->Remove(at->first).ok());
      expected.erase(at);
    } else if (step % 3 == 0) {
      ASSERT_TRUE(store->EncodePending(HashEncoder(16), {}).ok());
      ASSERT_TRUE(store->EncodePending(HashSparseEncoder(), {}).ok());
    } else if (step % 7 == 0) {
      ASSERT_TRUE(store->Compact({}).ok());
    }
    if (step % 10 == 9) {
      ASSERT_THAT(*store->Check({}), IsEmpty()) << "step " << step;
    }
  }
  EXPECT_EQ(store->Paths()->size(), expected.size());
  EXPECT_EQ(static_cast<int64_t>(store->Passages().size()), store->Status()->passages);
  for (const int64_t id : store->Passages()) EXPECT_TRUE(store->GetPassage(id).ok()) << id;
  ASSERT_TRUE(store->EncodePending(HashEncoder(16), {}).ok());
  EXPECT_EQ(store->Status()->pending, 0);
  ASSERT_TRUE(store->EncodePending(HashSparseEncoder(), {}).ok());
  EXPECT_EQ(store->Status()->sparse_pending, 0);

  auto fresh = *Store::Open(folder() + "_fresh", Store::Mode::kWrite, {});
  std::vector<Prepared> all;
  for (const auto& [path, text] : expected) all.push_back(Make(path, text, 50));
  ASSERT_TRUE(fresh->AddBatch(all, {}).ok());
  ASSERT_TRUE(fresh->EncodePending(HashEncoder(16), {}).ok());
  ASSERT_TRUE(fresh->EncodePending(HashSparseEncoder(), {}).ok());
  for (const char* query : {"weir", "mill gate", "\"lock mill\" water", "stone wood level river"}) {
    auto one = *store->SearchLexical(query, 1000, {}),
         other = *fresh->SearchLexical(query, 1000, {});
    ASSERT_EQ(one.size(), other.size()) << query;
    for (size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i].score, other[i].score) << query;
  }
  const std::vector<float> q = HashEncoder(16).One("weir gate");
  auto one = *store->SearchDense(q, 20, {}), other = *fresh->SearchDense(q, 20, {});
  ASSERT_EQ(one.size(), other.size());
  for (size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i].score, other[i].score);
  const text::SparseVector terms = HashSparseEncoder().One("weir gate");
  one = *store->SearchSparse(terms, 1000, {}, {}),
  other = *fresh->SearchSparse(terms, 1000, {}, {});
  ASSERT_EQ(one.size(), other.size());
  ASSERT_FALSE(one.empty());
  for (size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i].score, other[i].score);
  // Merging keeps the number of files low.
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(folder() + "/segments"))
    files += entry.is_regular_file();
  EXPECT_LE(files, 36u);
  fs::remove_all(folder() + "_fresh");
}

TEST_F(StoreFixture, AnotherEncoderReplacesTheVectors) {
  auto store = OpenWrite();
  ASSERT_TRUE(
      store->AddBatch(std::vector{Make("a.txt", "old weir"), Make("b.txt", "mill")}, {}).ok());
  EXPECT_FALSE(store->has_vectors());
  EXPECT_EQ(store->Status()->pending, 2);
  EXPECT_TRUE(absl::IsNotFound(store->SearchDense(std::vector<float>(16, 0.25f), 5, {}).status()));
  ASSERT_TRUE(store->EncodePending(HashEncoder(16), {}).ok());
  EXPECT_EQ(store->Status()->encoder, "hash-16");
  EXPECT_EQ(store->GetVector(0)->size(), 16u);
  ASSERT_TRUE(store->EncodePending(HashEncoder(8), {}).ok());
  EXPECT_EQ(store->Status()->encoder, "hash-8");
  EXPECT_EQ(store->Status()->pending, 0);
  EXPECT_EQ(store->GetVector(0)->size(), 8u);
  EXPECT_TRUE(
      absl::IsInvalidArgument(store->SearchDense(std::vector<float>(16, 0.25f), 5, {}).status()));
  EXPECT_THAT(*store->Check({}), IsEmpty());
}

// An encoder that fails after some texts: an exchange that is cut short.
class FailingEncoder : public text::Encoder {
 public:
  FailingEncoder(int dimensions, size_t texts) : encoder_(dimensions), left_(texts) {}
  int dimensions() const override { return encoder_.dimensions(); }
  std::string name() const override { return encoder_.name(); }
  std::string fingerprint() const override { return encoder_.fingerprint(); }
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs as,
                      std::span<float> out, const Context& context) const override {
    if (texts.size() > left_) return absl::CancelledError("enough");
    left_ -= texts.size();
    return encoder_.Encode(texts, as, out, context);
  }

 private:
  HashEncoder encoder_;
  mutable size_t left_;
};

std::vector<int64_t> PassagesOf(const std::vector<Scored>& found) {
  std::vector<int64_t> passages;
  for (const Scored& hit : found) passages.push_back(hit.passage);
  return passages;
}

int64_t VectorFiles(const std::string& folder) {
  int64_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/segments"))
    files += entry.path().string().ends_with("-vector.seg");
  return files;
}

TEST_F(StoreFixture, AnEncoderIsExchangedWhileTheFormerOneIsSearched) {
  auto store = OpenWrite();
  std::vector<Prepared> documents;
  for (int i = 0; i < 300; ++i)
    documents.push_back(Make(absl::StrCat("d", i), absl::StrCat("weir number ", i)));
  ASSERT_TRUE(store->AddBatch(documents, {}).ok());
  const HashEncoder former(16), next(8);
  ASSERT_TRUE(store->EncodePending(former, {}).ok());
  auto reader = OpenRead();
  const auto search = [&] {
    return PassagesOf(*reader->SearchDense(former.One("weir number 7"), 5, {}));
  };
  const std::vector<int64_t> want = search();
  EXPECT_TRUE(absl::IsCancelled(store->EncodePending(FailingEncoder(8, 200), {})));
  // Some passages have a vector of the next one; it is not searched yet, not even after a restart.
  store.reset();
  store = OpenWrite();
  EXPECT_EQ(store->Status()->encoder, "hash-16");
  ASSERT_EQ(store->Status()->encoders_beside.size(), 1u);
  EXPECT_EQ(store->Status()->encoders_beside[0].name, "hash-8");
  EXPECT_EQ(store->Status()->encoders_beside[0].pending, 300 - 128);
  ASSERT_TRUE(reader->Refresh().ok());
  EXPECT_EQ(search(), want);
  ASSERT_TRUE(store->EncodePending(next, {}).ok());
  EXPECT_EQ(store->Status()->encoder, "hash-8");
  EXPECT_TRUE(store->Status()->encoders_beside.empty());
  EXPECT_EQ(store->Status()->pending, 0);
  EXPECT_EQ(search(), want);  // its generation
  ASSERT_TRUE(reader->Refresh().ok());
  EXPECT_EQ(reader->SearchDense(next.One("weir number 7"), 1, {})->at(0).passage, 7);
  EXPECT_THAT(*store->Check({}), IsEmpty());
  EXPECT_EQ(VectorFiles(folder()), 2);  // two commits of the next one; the former one's are gone
}

TEST_F(StoreFixture, EncodersStandSideBySide) {
  auto store = OpenWrite();
  std::vector<Prepared> documents;
  for (int i = 0; i < 40; ++i)
    documents.push_back(Make(absl::StrCat("d", i), absl::StrCat("weir number ", i)));
  ASSERT_TRUE(store->AddBatch(documents, {}).ok());
  const HashEncoder own(16), other(24);
  ASSERT_TRUE(store->EncodePending(own, {}).ok());
  ASSERT_TRUE(store->EncodeBeside(other, {}).ok());
  EXPECT_EQ(store->Status()->encoder, "hash-16");
  EXPECT_EQ(store->EncodeBeside(HashEncoder(16), {}).code(), absl::StatusCode::kOk);  // the own one
  EXPECT_TRUE(absl::IsFailedPrecondition(store->SetQueryEncoder("hash-24")));  // open for writing
  auto reader = OpenRead();
  ASSERT_TRUE(reader->SetQueryEncoder("hash-24").ok());
  EXPECT_EQ(reader->Status()->encoder, "hash-24");
  EXPECT_EQ(reader->Status()->encoders_beside[0].name, "hash-16");
  EXPECT_EQ(reader->SearchDense(other.One("weir number 9"), 1, {})->at(0).passage, 9);
  EXPECT_EQ(reader->GetVector(3)->size(), 24u);
  const absl::Status none = reader->SetQueryEncoder("hash-99");
  EXPECT_TRUE(absl::IsFailedPrecondition(none));
  EXPECT_THAT(std::string(none.message()),
              AllOf(HasSubstr("hash-99"), HasSubstr("hash-16"), HasSubstr("hash-24")));
  EXPECT_EQ(reader->SearchDense(other.One("weir number 9"), 1, {})->at(0).passage, 9);
  ASSERT_TRUE(reader->SetQueryEncoder("").ok());
  EXPECT_EQ(reader->SearchDense(own.One("weir number 9"), 1, {})->at(0).passage, 9);
  // Documents come and go in both; merging keeps them apart.
  ASSERT_TRUE(store->AddBatch(std::vector{Make("d3", "another text"), Make("new", "new words")}, {})
                  .ok());
  ASSERT_TRUE(store->EncodePending(own, {}).ok());
  EXPECT_EQ(store->Status()->encoders_beside[0].pending, 2);
  ASSERT_TRUE(store->EncodeBeside(other, {}).ok());
  ASSERT_TRUE(store->Compact({}).ok());
  EXPECT_EQ(VectorFiles(folder()), 2);
  EXPECT_THAT(*store->Check({}), IsEmpty());
  ASSERT_TRUE(reader->SetQueryEncoder("hash-24").ok());
  ASSERT_TRUE(reader->Refresh().ok());
  EXPECT_EQ(reader->SearchDense(other.One("new words"), 1, {})->at(0).passage, 41);
  EXPECT_TRUE(absl::IsNotFound(store->RemoveEncoder("hash-99")));
  EXPECT_TRUE(absl::IsInvalidArgument(store->RemoveEncoder("hash-16")));
  ASSERT_TRUE(store->RemoveEncoder("hash-24").ok());
  EXPECT_EQ(VectorFiles(folder()), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(reader->Refresh()));  // whose encoder is gone
  ASSERT_TRUE(reader->SetQueryEncoder("").ok());
  EXPECT_THAT(*store->Check({}), IsEmpty());
}

TEST_F(StoreFixture, SparseVectorsStandBesideDenseOnes) {
  auto store = OpenWrite();
  ASSERT_TRUE(
      store->AddBatch(std::vector{Make("a.txt", "old weir"), Make("b.txt", "mill")}, {}).ok());
  const HashSparseEncoder encoder;
  EXPECT_FALSE(store->has_sparse_vectors());
  EXPECT_EQ(store->Status()->sparse_pending, 0);  // nobody asked for them
  EXPECT_TRUE(absl::IsNotFound(store->SearchSparse(encoder.One("mill"), 5, {}, {}).status()));
  ASSERT_TRUE(store->EncodePending(encoder, {}).ok());
  EXPECT_EQ(store->Status()->sparse_encoder, "sparse-hash-200");
  EXPECT_EQ(store->Status()->pending, 2);
  ASSERT_TRUE(store->EncodePending(HashEncoder(16), {}).ok());
  ASSERT_TRUE(store->AddBatch(std::vector{Make("c.txt", "gate")}, {}).ok());
  EXPECT_EQ(store->Status()->pending, 1);
  EXPECT_EQ(store->Status()->sparse_pending, 1);
  const text::SparseVector want = encoder.One("mill"), got = *store->GetSparseVector(1);
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].term, want[i].term);
    EXPECT_NEAR(got[i].weight, want[i].weight, 0.5 / 64);
  }
  EXPECT_EQ(store->SearchSparse(encoder.One("mill"), 1, {}, {})->at(0).passage, 1);
  EXPECT_TRUE(absl::IsNotFound(store->GetSparseVector(2).status()));
  // Another encoder's vectors replace the sparse ones only.
  ASSERT_TRUE(store->EncodePending(HashSparseEncoder(90), {}).ok());
  EXPECT_EQ(store->Status()->sparse_pending, 0);
  EXPECT_EQ(store->Status()->encoder, "hash-16");
  EXPECT_TRUE(store->GetVector(0).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(
      store->SearchSparse({{150, 1.0f}}, 5, {}, {}).status()));
  EXPECT_TRUE(absl::IsUnimplemented(store->EncodePending(HashSparseEncoder(1 << 17), {})));
  EXPECT_THAT(*store->Check({}), IsEmpty());
}

TEST_F(StoreFixture, TokenVectorsStandBesideTheOthers) {
  const FixedEncodingOptions kSmall{.reps = 4, .bits = 2, .dim = 8};
  auto store = OpenWrite();
  ASSERT_TRUE(
      store->AddBatch(std::vector{Make("a.txt", "old weir"), Make("b.txt", "mill wheel")}, {})
          .ok());
  const HashTokenEncoder encoder;
  EXPECT_FALSE(store->has_multi_vectors());
  EXPECT_EQ(store->Status()->multi_pending, 0);  // nobody asked for them
  EXPECT_TRUE(absl::IsNotFound(store->SearchMulti(encoder.One("mill"), 5, {}, {}).status()));
  ASSERT_TRUE(store->EncodePending(encoder, kSmall, {}).ok());
  EXPECT_TRUE(store->has_multi_vectors());
  EXPECT_EQ(store->Status()->multi_encoder, "tokens-hash-16");
  EXPECT_EQ(store->Status()->pending, 2);
  ASSERT_TRUE(store->AddBatch(std::vector{Make("c.txt", "gate of the weir")}, {}).ok());
  EXPECT_EQ(store->Status()->multi_pending, 1);
  EXPECT_EQ(store->SearchMulti(encoder.One("mill"), 1, {}, {})->at(0).passage, 1);
  // What the store has is kept, what contradicts it is refused.
  EXPECT_TRUE(
      absl::IsFailedPrecondition(store->EncodePending(encoder, {.reps = 5, .seed = 1}, {})));
  ASSERT_TRUE(store->EncodePending(encoder, {}, {}).ok());
  EXPECT_EQ(store->SearchMulti(encoder.One("gate"), 1, {}, {})->at(0).passage, 2);
  ASSERT_TRUE(store->Remove("c.txt").ok());
  EXPECT_NE(store->SearchMulti(encoder.One("gate"), 1, {}, {})->at(0).passage, 2);
  ASSERT_TRUE(store->Compact({}).ok());
  EXPECT_EQ(store->SearchMulti(encoder.One("mill"), 5, {}, {})->size(), 2u);
  // Another encoder's vectors replace these only, with parameters of their own.
  ASSERT_TRUE(
      store->EncodePending(HashTokenEncoder(24), {.reps = 2, .bits = 1, .dim = 4}, {}).ok());
  EXPECT_EQ(store->Status()->multi_pending, 0);
  EXPECT_TRUE(
      absl::IsInvalidArgument(store->SearchMulti(encoder.One("mill"), 5, {}, {}).status()));
  EXPECT_THAT(*store->Check({}), IsEmpty());
}

// Codes made of the first few tokens would miss the others' directions for good.
TEST_F(StoreFixture, FirstTokensAreCodedAgainOnceThereAreMore) {
  const FixedEncodingOptions kSmall{.reps = 2, .bits = 1, .dim = 8};
  const HashTokenEncoder encoder;
  auto store = OpenWrite();
  std::mt19937 random(7);
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) {
    std::string text;
    for (int w = 0; w < 25; ++w) absl::StrAppend(&text, "w", random() % 400, " ");
    texts.push_back(text);
    ASSERT_TRUE(store->AddBatch(std::vector{Make(absl::StrCat(i, ".txt"), text)}, {}).ok());
    ASSERT_TRUE(store->EncodePending(encoder, kSmall, {}).ok());
  }
  EXPECT_EQ(store->Status()->multi_pending, 0);
  double off = 0;
  for (const std::string& text : texts) {
    // A passage is most like itself; each of its tokens adds 1.
    const auto hits = store->SearchMulti(encoder.One(text), 1, {.candidates = 0}, {});
    ASSERT_TRUE(hits.ok()) << hits.status();
    off += std::abs(25 - double{hits->at(0).score}) / 25;
  }
  EXPECT_LT(off / 40, 0.12);
  EXPECT_THAT(*store->Check({}), IsEmpty());
}

TEST_F(StoreFixture, ContradictoryDocumentsAreRefused) {
  auto store = OpenWrite();
  Prepared p = Make("a.txt", "short");
  p.passages[0].span.end = 99;
  EXPECT_TRUE(absl::IsInvalidArgument(store->AddBatch({&p, 1}, {})));
  p = Make("a.txt", "short");
  p.passages[0].text = "other";
  EXPECT_TRUE(absl::IsInvalidArgument(store->AddBatch({&p, 1}, {})));
  p = Make("", "short");
  EXPECT_TRUE(absl::IsInvalidArgument(store->AddBatch({&p, 1}, {})));
  EXPECT_EQ(store->Status()->documents, 0);
  EXPECT_THAT(*store->Check({}), IsEmpty());
}

TEST_F(StoreFixture, OrphansAreRemovedAtTheNextOpen) {
  OpenWrite().reset();
  for (const char* name : {"00000007-lexical.seg", "00000008-text.seg.tmp"}) {
    std::ofstream(folder() + "/segments/" + name) << "half written";
  }
  auto store = OpenWrite();
  EXPECT_TRUE(fs::is_empty(folder() + "/segments"));
  ASSERT_TRUE(store->AddBatch(std::vector{Make("a.txt", "weir")}, {}).ok());
  EXPECT_THAT(*store->Check({}), IsEmpty());
}

// Every byte of every segment file matters: flipping any one is found, by Open or by Check, by
// name.
TEST_F(StoreFixture, FlippedBytesAreFound) {
  {
    auto store = OpenWrite();
    std::vector<Prepared> batch;
    for (int i = 0; i < 150; ++i)
      batch.push_back(Make(absl::StrCat("d", i), absl::StrCat("weir water ", i, " gate"), 10));
    ASSERT_TRUE(store->AddBatch(batch, {}).ok());
    ASSERT_TRUE(store->EncodePending(HashEncoder(4), {}).ok());
    ASSERT_TRUE(store->EncodePending(HashSparseEncoder(), {}).ok());
    ASSERT_TRUE(
        store->EncodePending(HashTokenEncoder(8), {.reps = 2, .bits = 2, .dim = 4}, {}).ok());
  }
  std::mt19937 random(2);
  for (const auto& entry : fs::directory_iterator(folder() + "/segments")) {
    const std::string path = entry.path(), good = *ReadFile(path);
    for (int i = 0; i < 60; ++i) {
      std::string bad = good;
      const size_t at = i < 20 ? static_cast<size_t>(i) * 24 : random() % bad.size();
      bad[at] = static_cast<char>(bad[at] ^ (1 << (random() % 8)));
      // Padding between sections carries nothing and may differ.
      std::ofstream(path, std::ios::binary) << bad;
      auto store = Store::Open(folder(), Store::Mode::kRead, {});
      std::vector<std::string> lines;
      if (store.ok()) {
        lines = *(*store)->Check({});
        (void)(*store)->SearchLexical("weir \"water gate\" 17", 10, {});
        (void)(*store)->SearchSparse(HashSparseEncoder().One("weir"), 10, {}, {});
        (void)(*store)->SearchMulti(HashTokenEncoder(8).One("weir"), 10, {}, {});
      } else {
        EXPECT_TRUE(absl::IsDataLoss(store.status()) || absl::IsUnimplemented(store.status()))
            << store.status();
        lines.emplace_back(store.status().message());
      }
      if (lines.empty()) {
        EXPECT_EQ(good[at], '\0') << path << " byte " << at;  // padding
      } else {
        EXPECT_THAT(lines[0], HasSubstr(entry.path().filename().string()));
      }
    }
    std::ofstream(path, std::ios::binary) << good;
  }
  EXPECT_THAT(*OpenRead()->Check({}), IsEmpty());
}

TEST_F(StoreFixture, AnotherVersionIsRefusedWithAdvice) {
  {
    auto store = OpenWrite();
    ASSERT_TRUE(store->AddBatch(std::vector{Make("a.txt", "weir")}, {}).ok());
  }
  for (const auto& entry : fs::directory_iterator(folder() + "/segments")) {
    std::string bytes = *ReadFile(entry.path());
    bytes[8] = 9;  // version
    std::ofstream(entry.path(), std::ios::binary) << bytes;
    break;
  }
  const absl::Status status = Store::Open(folder(), Store::Mode::kRead, {}).status();
  EXPECT_TRUE(absl::IsUnimplemented(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("index again"));
}

TEST_F(StoreFixture, TruncatedFilesAndForeignCataloguesAreDataLoss) {
  {
    auto store = OpenWrite();
    ASSERT_TRUE(store->AddBatch(std::vector{Make("a.txt", "weir")}, {}).ok());
  }
  fs::path file;
  for (const auto& entry : fs::directory_iterator(folder() + "/segments")) file = entry.path();
  const std::string good = *ReadFile(file);
  fs::resize_file(file, 100);
  EXPECT_TRUE(absl::IsDataLoss(Store::Open(folder(), Store::Mode::kRead, {}).status()));
  fs::remove(file);
  EXPECT_TRUE(absl::IsDataLoss(Store::Open(folder(), Store::Mode::kRead, {}).status()));
  std::ofstream(file, std::ios::binary) << good;
  EXPECT_TRUE(Store::Open(folder(), Store::Mode::kRead, {}).ok());
  std::ofstream(folder() + "/catalogue.sqlite", std::ios::binary) << std::string(4096, 'x');
  EXPECT_TRUE(absl::IsDataLoss(Store::Open(folder(), Store::Mode::kRead, {}).status()));
}

TEST_F(StoreFixture, FailuresAreNotedAndForgotten) {
  auto store = OpenWrite();
  ASSERT_TRUE(store->RecordFailure("a.pdf", "encrypted").ok());
  ASSERT_EQ(store->Status()->failed.size(), 1u);
  EXPECT_EQ(store->Status()->failed[0].second, "encrypted");
  ASSERT_TRUE(store->AddBatch(std::vector{Make("a.pdf", "weir")}, {}).ok());
  EXPECT_THAT(store->Status()->failed, IsEmpty());
}

TEST_F(StoreFixture, IsCurrentComparesHashes) {
  auto store = OpenWrite();
  Prepared p = Make("a.txt", "weir");
  p.document.sha256 = "abc";
  p.file_size = 4;
  p.file_mtime_ns = 77;
  ASSERT_TRUE(store->AddBatch({&p, 1}, {}).ok());
  EXPECT_TRUE(store->IsCurrent("a.txt", "abc"));
  EXPECT_FALSE(store->IsCurrent("a.txt", "abd"));
  EXPECT_FALSE(store->IsCurrent("b.txt", "abc"));
  EXPECT_TRUE(store->IsUnchanged("a.txt", 4, 77));
  EXPECT_FALSE(store->IsUnchanged("a.txt", 4, 78));
  ASSERT_TRUE(store->NoteFile("a.txt", 4, 78).ok());
  EXPECT_TRUE(store->IsUnchanged("a.txt", 4, 78));
  EXPECT_FALSE(store->IsUnchanged("a.txt", 4, -1));
}

TEST_F(StoreFixture, Int8SearchFindsWhatExactSearchFinds) {
  auto store = OpenWrite();
  std::vector<Prepared> batch;
  for (int i = 0; i < 3000; ++i)
    batch.push_back(Make(absl::StrCat("d", i), absl::StrCat("text ", i)));
  ASSERT_TRUE(store->AddBatch(batch, {}).ok());
  const HashEncoder encoder(96);
  ASSERT_TRUE(store->EncodePending(encoder, {}).ok());
  for (int i = 0; i < 3000; i += 7) ASSERT_TRUE(store->Remove(absl::StrCat("d", i)).ok());
  int64_t found = 0, wanted = 0;
  for (int q = 0; q < 20; ++q) {
    const std::vector<float> query = encoder.One(absl::StrCat("query ", q));
    std::vector<Scored> exact;
    for (int64_t p = 0; p < 3000; ++p) {
      auto v = store->GetVector(p);
      EXPECT_EQ(v.ok(), p % 7 != 0);
      if (!v.ok()) continue;
      double sum = 0;
      for (size_t j = 0; j < 96; ++j) sum += double{query[j]} * double{(*v)[j]};
      exact.push_back({p, static_cast<float>(sum)});
    }
    std::sort(exact.begin(), exact.end(),
              [](const Scored& a, const Scored& b) { return a.score > b.score; });
    exact.resize(10);
    const auto got = Passages(*store->SearchDense(query, 10, {}));
    for (const Scored& e : exact) found += std::count(got.begin(), got.end(), e.passage);
    wanted += 10;
  }
  EXPECT_GE(found, wanted - 1) << "recall@10 of the int8 scan with f32 rescoring";
}

}  // namespace
}  // namespace weir::index
