// Sparse segments against exhaustive scoring of the vectors that went in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "index/sparse/sparse_search.h"
#include "index/sparse/sparse_segment.h"

namespace weir::index {
namespace {

namespace fs = std::filesystem;
using absl::StatusCode;
using text::SparseVector;

constexpr int32_t kTerms = 300;

class SparseTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = (fs::temp_directory_path() / absl::StrCat("weir-sparse-", ::getpid())).string();
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Term t is in a row with probability about 1 / (1 + t / 8): some frequent, many rare.
  SparseVector RandomVector(double share = 1) {
    std::uniform_real_distribution<double> uniform;
    std::exponential_distribution<float> weight(2);
    SparseVector v;
    for (int32_t t = 0; t < kTerms; ++t) {
      if (uniform(random_) < share / (1 + t / 8.0)) v.push_back({t, 0.005f + weight(random_)});
    }
    return v;
  }

  // Adds rows with ids from `first` on, every third one missing.
  std::shared_ptr<const SparseSegment> Write(int64_t first, size_t rows, const std::string& name) {
    std::vector<int64_t> ids;
    std::vector<SparseVector> vectors;
    for (size_t i = 0; i < rows; ++i) {
      ids.push_back(first + static_cast<int64_t>(i + i / 2));
      vectors.push_back(i % 50 == 7 ? SparseVector() : RandomVector());
      live_[ids.back()] = vectors.back();
    }
    const auto info = WriteSparseSegment(ids, vectors, kTerms, folder_, name);
    EXPECT_TRUE(info.ok()) << info.status();
    return Open(name);
  }

  std::shared_ptr<const SparseSegment> Open(const std::string& name) {
    auto segment = SparseSegment::Open(folder_ + "/" + name);
    EXPECT_TRUE(segment.ok()) << segment.status();
    return segment.ok() ? *segment : nullptr;
  }

  DeletedRows Delete(const SparseSegment& segment, uint32_t one_in) {
    DeletedRows deleted;
    deleted.bits.resize((segment.rows() + 63) / 64);
    for (uint32_t r = 0; r < segment.rows(); ++r) {
      if (random_() % one_in != 0) continue;
      deleted.bits[r / 64] |= uint64_t{1} << (r % 64);
      deleted.rows.push_back(r);
      live_.erase(segment.passage(r));
    }
    return deleted;
  }

  // The definition, over everything that is live.
  std::vector<Scored> Exhaustive(const SparseVector& query, size_t k) const {
    float most = 0;
    for (const auto& w : query) most = std::max(most, w.weight);
    const float step = most / 127;
    std::vector<Scored> all;
    std::vector<std::pair<uint32_t, int64_t>> sums;
    for (const auto& [id, vector] : live_) {
      std::map<int32_t, uint32_t> impacts;
      for (const auto& w : vector) {
        impacts[w.term] = static_cast<uint32_t>(std::min(255.0f, std::round(w.weight * 64)));
      }
      uint32_t sum = 0;
      for (const auto& w : query) {
        sum += static_cast<uint32_t>(std::round(w.weight / step)) * impacts[w.term];
      }
      if (sum > 0) sums.emplace_back(sum, id);
    }
    std::sort(sums.begin(), sums.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    for (const auto& [sum, id] : sums) {
      if (all.size() < k) all.push_back({id, static_cast<float>(sum) * (step / 64)});
    }
    return all;
  }

  void ExpectExact(std::span<const SparseView> views, int queries) {
    for (int i = 0; i < queries; ++i) {
      const SparseVector query = RandomVector(i % 2 == 0 ? 0.3 : 1);
      for (const int64_t k : {1, 10, 100000}) {
        const auto made = MakeSparseQuery(query, kTerms);
        ASSERT_TRUE(made.ok()) << made.status();
        const auto got = SearchSparse(views, *made, k, {}, Context());
        ASSERT_TRUE(got.ok()) << got.status();
        const std::vector<Scored> want = Exhaustive(query, static_cast<size_t>(k));
        ASSERT_EQ(got->size(), want.size()) << k;
        for (size_t r = 0; r < want.size(); ++r) {
          ASSERT_EQ((*got)[r].passage, want[r].passage) << "rank " << r;
          ASSERT_EQ((*got)[r].score, want[r].score) << "rank " << r;
        }
      }
    }
  }

  std::string folder_;
  std::mt19937_64 random_{5};
  std::map<int64_t, SparseVector> live_;
};

TEST_F(SparseTest, ExactEqualsExhaustive) {
  for (const size_t rows : {1, 63, 64, 65, 1000, 5000}) {
    live_.clear();
    const auto segment = Write(10, rows, absl::StrCat(rows, ".seg"));
    EXPECT_TRUE(segment->Check().ok()) << segment->Check();
    const SparseView view{segment.get(), nullptr};
    ExpectExact({&view, 1}, 10);
  }
}

// More rows than a chunk holds.
TEST_F(SparseTest, ExactOverChunks) {
  std::vector<int64_t> ids;
  std::vector<SparseVector> vectors;
  for (int64_t i = 0; i < 70000; ++i) {
    ids.push_back(i);
    SparseVector v;
    for (int32_t t = static_cast<int32_t>(random_() % 4); t < kTerms;
         t += static_cast<int32_t>(1 + random_() % 120)) {
      v.push_back({t, 0.02f * static_cast<float>(1 + random_() % 100)});
    }
    vectors.push_back(v);
    live_[i] = std::move(v);
  }
  ASSERT_TRUE(WriteSparseSegment(ids, vectors, kTerms, folder_, "big.seg").ok());
  const auto segment = Open("big.seg");
  ASSERT_EQ(segment->chunks(), 2u);
  EXPECT_TRUE(segment->Check().ok()) << segment->Check();
  const DeletedRows deleted = Delete(*segment, 9);
  const SparseView view{segment.get(), &deleted};
  ExpectExact({&view, 1}, 3);
}

TEST_F(SparseTest, SegmentsDeletesAndMerges) {
  const auto a = Write(1000, 1500, "a.seg"), b = Write(0, 400, "b.seg"),
             c = Write(9000, 77, "c.seg");
  const DeletedRows gone_a = Delete(*a, 3), gone_c = Delete(*c, 2);
  const std::vector<SparseView> views = {
      {a.get(), &gone_a}, {b.get(), nullptr}, {c.get(), &gone_c}};
  ExpectExact(views, 10);
  const auto merged = MergeSparseSegments(views, folder_, "m.seg", Context());
  ASSERT_TRUE(merged.ok()) << merged.status();
  const auto m = Open("m.seg");
  EXPECT_EQ(m->rows(), live_.size());
  EXPECT_TRUE(m->Check().ok()) << m->Check();
  const SparseView view{m.get(), nullptr};
  ExpectExact({&view, 1}, 10);
  // The same rows written at once are the same bytes.
  std::vector<int64_t> ids;
  std::vector<SparseVector> vectors;
  for (const auto& [id, vector] : live_) ids.push_back(id), vectors.push_back(vector);
  ASSERT_TRUE(WriteSparseSegment(ids, vectors, kTerms, folder_, "fresh.seg").ok());
  EXPECT_EQ(*ReadFile(folder_ + "/m.seg"), *ReadFile(folder_ + "/fresh.seg"));
}

TEST_F(SparseTest, MergeOfNothingIsNotFound) {
  const auto a = Write(0, 5, "a.seg");
  DeletedRows all{.bits = {31}, .rows = {0, 1, 2, 3, 4}};
  const SparseView view{a.get(), &all};
  EXPECT_EQ(MergeSparseSegments({&view, 1}, folder_, "m.seg", Context()).status().code(),
            StatusCode::kNotFound);
  const auto query = MakeSparseQuery(RandomVector(), kTerms);
  EXPECT_TRUE(SearchSparse({&view, 1}, *query, 5, {}, Context())->empty());
}

// The approximate search scores what it returns exactly, in order, and finds most of the best.
TEST_F(SparseTest, ApproximateFindsNearlyAll) {
  const auto a = Write(0, 6000, "a.seg"), b = Write(50000, 3000, "b.seg");
  const DeletedRows deleted = Delete(*a, 5);
  const std::vector<SparseView> views = {{a.get(), &deleted}, {b.get(), nullptr}};
  size_t found = 0, wanted = 0;
  for (int i = 0; i < 40; ++i) {
    const SparseVector query = RandomVector(0.5);
    if (query.empty()) continue;
    const auto made = MakeSparseQuery(query, kTerms);
    const auto got = SearchSparse(views, *made, 10, {.exact = false, .least_rows = 0}, Context());
    ASSERT_TRUE(got.ok()) << got.status();
    std::map<int64_t, float> exact;
    for (const Scored& s : Exhaustive(query, 1 << 20)) exact[s.passage] = s.score;
    for (size_t r = 0; r < got->size(); ++r) {
      ASSERT_TRUE(exact.contains((*got)[r].passage));
      EXPECT_EQ((*got)[r].score, exact[(*got)[r].passage]);
      if (r > 0) EXPECT_GE((*got)[r - 1].score, (*got)[r].score);
    }
    for (const Scored& s : Exhaustive(query, 10)) {
      ++wanted;
      found += std::any_of(got->begin(), got->end(),
                           [&](const Scored& g) { return g.passage == s.passage; });
    }
  }
  EXPECT_GE(static_cast<double>(found), 0.95 * static_cast<double>(wanted));
}

TEST_F(SparseTest, ScoresOfRows) {
  const auto a = Write(0, 200, "a.seg");
  const SparseVector query = RandomVector();
  const auto made = MakeSparseQuery(query, kTerms);
  std::map<int64_t, float> exact;
  for (const Scored& s : Exhaustive(query, 1000)) exact[s.passage] = s.score;
  for (size_t r = 0; r < a->rows(); ++r) {
    EXPECT_EQ(ScoreSparseRow(*a, r, *made), exact[a->passage(r)]);
    EXPECT_EQ(a->Row(a->passage(r)), static_cast<int64_t>(r));
  }
  EXPECT_EQ(a->Row(2), -1);
}

TEST_F(SparseTest, RefusesWhatIsNoVector) {
  const std::vector<int64_t> ids = {1};
  const auto write = [&](SparseVector v, int32_t vocabulary = kTerms) {
    return WriteSparseSegment(ids, {&v, 1}, vocabulary, folder_, "x.seg").status().code();
  };
  EXPECT_EQ(write({{3, 1.0f}, {3, 1.0f}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(write({{kTerms, 1.0f}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(write({{-1, 1.0f}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(write({{1, 0.0f}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(write({{1, NAN}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(write({{1, 1.0f}}, kMaxSparseVocabulary + 1), StatusCode::kInvalidArgument);
  EXPECT_EQ(write({{1, 1.0f}}), StatusCode::kOk);
  EXPECT_EQ(MakeSparseQuery({{3, 1.0f}, {2, 1.0f}}, kTerms).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(MakeSparseQuery({{3, INFINITY}}, kTerms).status().code(), StatusCode::kInvalidArgument);
  const auto a = Write(0, 5, "a.seg");
  const SparseView view{a.get(), nullptr};
  EXPECT_EQ(SearchSparse({&view, 1}, *MakeSparseQuery({{1, 1.0f}}, kTerms), 0, {}, Context())
                .status()
                .code(),
            StatusCode::kInvalidArgument);
  EXPECT_TRUE(SearchSparse({&view, 1}, *MakeSparseQuery({}, kTerms), 3, {}, Context())->empty());
}

// Damage behind a good checksum: the check finds it, and no search leaves the file.
TEST_F(SparseTest, DamageIsFound) {
  const auto a = Write(0, 1200, "a.seg");
  const std::string good = *ReadFile(folder_ + "/a.seg");
  const auto made = MakeSparseQuery(RandomVector(), kTerms);
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    std::string bad = good;
    const int section = i % kSparseSections;
    const auto bytes = a->file().section(section);
    const size_t at = a->file().section_offset(section) + random_() % bytes.size();
    bad[at] = static_cast<char>(bad[at] ^ (1 << random_() % 8));
    const std::string aligned = bad;
    auto file = SegmentFile::FromBytes(std::as_bytes(std::span(aligned)), "bad",
                                       SegmentKind::kSparse, kSparseSections);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_FALSE((*file)->Verify().ok());
    const auto segment = SparseSegment::FromFile(*file);
    if (!segment.ok()) {
      ++refused;
      continue;
    }
    const SparseView view{segment->get(), nullptr};
    // Entries are looked at by the first search, which refuses those that lead out of the file.
    const absl::Status exact = SearchSparse({&view, 1}, *made, 5, {}, Context()).status();
    EXPECT_TRUE(exact.ok() || absl::IsDataLoss(exact)) << exact;
    EXPECT_EQ(
        SearchSparse({&view, 1}, *made, 5, {.exact = false, .least_rows = 0}, Context()).status(),
        exact);
    refused += !exact.ok();
    // A passage id that still ascends is another passage's, which only the catalogue can know.
    if (section != kSparsePassages) EXPECT_FALSE((*segment)->Check().ok()) << section << " " << at;
  }
  EXPECT_GT(refused, 0);
  const SparseView view{a.get(), nullptr};
  ExpectExact({&view, 1}, 3);  // nothing is left over in the thread's memory
}

// As a lexicon of pictures has them: 50,000 items of a few words of a large vocabulary, frequent
// and rare ones. Every integer sum of 1,000 queries, with windows skipped and without.
TEST_F(SparseTest, SumsEqualBruteForce) {
  constexpr int32_t kWords = 30522;
  constexpr size_t kItems = 50000;
  std::uniform_real_distribution<double> uniform;
  const auto random_vector = [&](size_t terms) {
    std::map<int32_t, float> words;
    while (words.size() < terms) {
      const double u = uniform(random_);
      words[static_cast<int32_t>((kWords - 1) * u * u * u * u)] =
          static_cast<float>(1 + random_() % 255) / kImpactSteps;
    }
    SparseVector v;
    for (const auto& [term, weight] : words) v.push_back({term, weight});
    return v;
  };
  std::vector<int64_t> ids;
  std::vector<SparseVector> vectors;
  for (size_t i = 0; i < kItems; ++i) {
    ids.push_back(static_cast<int64_t>(2 * i));
    vectors.push_back(random_vector(4 + random_() % 13));
  }
  ASSERT_TRUE(WriteSparseSegment(ids, vectors, kWords, folder_, "items").ok());
  const auto segment = Open("items");
  const SparseView view{segment.get(), nullptr};
  std::vector<uint32_t> weights(kWords);
  size_t all_hits = 0;
  for (int q = 0; q < 1000; ++q) {
    const auto query = MakeSparseQuery(random_vector(1 + random_() % 8), kWords);
    ASSERT_TRUE(query.ok());
    for (const auto& t : query->terms) weights[t.term] = t.weight;
    std::vector<std::pair<uint32_t, int64_t>> want;  // negative id: the order of the hits
    for (size_t i = 0; i < kItems; ++i) {
      uint32_t sum = 0;
      for (const auto& w : vectors[i]) {
        sum += weights[w.term] * static_cast<uint32_t>(w.weight * kImpactSteps);
      }
      if (sum > 0) want.emplace_back(sum, -ids[i]);
    }
    for (const auto& t : query->terms) weights[t.term] = 0;
    std::sort(want.begin(), want.end(), std::greater<>());
    for (const size_t k : {size_t{10}, kItems}) {  // as many as there are: nothing is skipped
      const auto found = SearchSparse({&view, 1}, *query, static_cast<int64_t>(k), {}, Context());
      ASSERT_TRUE(found.ok());
      ASSERT_EQ(found->size(), std::min(k, want.size())) << q;
      for (size_t i = 0; i < found->size(); ++i) {
        ASSERT_EQ((*found)[i].passage, -want[i].second) << q << " rank " << i;
        ASSERT_EQ((*found)[i].score,
                  static_cast<float>(want[i].first) * (query->step / kImpactSteps));
      }
    }
    all_hits += want.size();
  }
  EXPECT_GT(all_hits / 1000, kItems / 10);  // the queries are not about nothing
}

}  // namespace
}  // namespace weir::index
