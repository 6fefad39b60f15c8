// Clustered and flat segments against a scan of the f32 rows that a reader believes at sight.
#include "index/dense/vector_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <numeric>
#include <random>
#include <set>

#include "base/threads.h"
#include "index/dense/principal_axes.h"
#include "index/dense/train.h"
#include "index/segment_image.h"

namespace weir::index {
namespace {

constexpr size_t kRows = 6000;
constexpr int kDimensions = 50;  // no multiple of what kernels like

void Normalise(float* x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += double{x[i]} * x[i];
  for (size_t i = 0; i < n; ++i) x[i] = static_cast<float>(x[i] / std::sqrt(sum));
}

// Around 60 centres, some dimensions wider than others, as embeddings are.
std::vector<float> Draw(size_t rows, uint32_t seed, size_t d = kDimensions) {
  std::mt19937 centres(7), random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> at(60 * d), out(rows * d);
  for (float& x : at) x = normal(centres);
  for (size_t r = 0; r < rows; ++r) {
    const size_t centre = random() % 60;
    for (size_t i = 0; i < d; ++i)
      out[r * d + i] = at[centre * d + i] + 1.2f * normal(random) / std::sqrt(1.0f + 0.1f * i);
    Normalise(&out[r * d], d);
  }
  return out;
}

class VectorSearchTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/vectors_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::shared_ptr<const VectorSegment> Write(const std::string& name,
                                             std::span<const int64_t> ids,
                                             std::span<const float> vectors,
                                             const Context& context = {}) {
    const int d = static_cast<int>(vectors.size() / ids.size());
    auto info = WriteVectorSegment(ids, vectors, d, folder_, name, context);
    EXPECT_TRUE(info.ok()) << info.status();
    auto segment = VectorSegment::Open(folder_ + "/" + name);
    EXPECT_TRUE(segment.ok()) << segment.status();
    return *segment;
  }
  std::string Bytes(const std::string& name) {
    std::ifstream in(folder_ + "/" + name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string folder_;
};

std::vector<int64_t> Ids(size_t n, int64_t first = 0, int64_t step = 1) {
  std::vector<int64_t> ids(n);
  for (size_t i = 0; i < n; ++i) ids[i] = first + step * static_cast<int64_t>(i);
  return ids;
}

// In double, over rows that `live` lets through.
std::vector<int64_t> BruteForce(std::span<const int64_t> ids, std::span<const float> vectors,
                                std::span<const float> query, size_t k,
                                const std::function<bool(int64_t)>& live) {
  std::vector<std::pair<double, int64_t>> all;
  for (size_t r = 0; r < ids.size(); ++r) {
    if (!live(ids[r])) continue;
    double sum = 0;
    for (size_t i = 0; i < query.size(); ++i)
      sum += double{query[i]} * vectors[r * query.size() + i];
    all.push_back({-sum, ids[r]});
  }
  std::sort(all.begin(), all.end());
  std::vector<int64_t> best;
  for (size_t i = 0; i < std::min(k, all.size()); ++i) best.push_back(all[i].second);
  return best;
}

double Recall(const std::vector<int64_t>& want, const std::vector<Scored>& got) {
  const std::set<int64_t> there(want.begin(), want.end());
  double hits = 0;
  for (const Scored& hit : got) hits += there.count(hit.passage);
  return want.empty() ? 1 : hits / static_cast<double>(want.size());
}

// Mean recall at 10 over 50 queries.
double MeanRecall(std::span<const VectorView> views, std::span<const int64_t> ids,
                  std::span<const float> vectors, const VectorSearchOptions& options,
                  const std::function<bool(int64_t)>& live) {
  const std::vector<float> queries = Draw(50, 99);
  double sum = 0;
  for (size_t q = 0; q < 50; ++q) {
    const auto query = std::span(queries).subspan(q * kDimensions, kDimensions);
    auto got = SearchVectors(views, query, 1, 10, options, {});
    EXPECT_TRUE(got.ok()) << got.status();
    for (const Scored& hit : (*got)[0]) EXPECT_TRUE(live(hit.passage));
    EXPECT_TRUE(std::is_sorted((*got)[0].begin(), (*got)[0].end(),
                               [](const Scored& a, const Scored& b) { return a.score > b.score; }));
    sum += Recall(BruteForce(ids, vectors, query, 10, live), (*got)[0]);
  }
  return sum / 50;
}

bool All(int64_t) { return true; }

TEST_F(VectorSearchTest, FindsWhatAnExactScanFinds) {
  const std::vector<int64_t> ids = Ids(kRows, 5, 3);
  const std::vector<float> vectors = Draw(kRows, 1);
  const auto segment = Write("a", ids, vectors);
  ASSERT_TRUE(segment->clustered());
  EXPECT_TRUE(segment->Check().ok()) << segment->Check();
  const VectorView view{segment.get(), nullptr};
  EXPECT_EQ(MeanRecall({&view, 1}, ids, vectors, {.effort = Effort::kExact}, All), 1);
  EXPECT_GE(MeanRecall({&view, 1}, ids, vectors, {.effort = Effort::kThorough}, All), 0.998);
  EXPECT_GE(MeanRecall({&view, 1}, ids, vectors, {.effort = Effort::kNormal}, All), 0.99);
  EXPECT_GE(MeanRecall({&view, 1}, ids, vectors, {.effort = Effort::kQuick}, All), 0.9);
}

TEST_F(VectorSearchTest, FiltersAndDeletesLoseNoRecall) {
  const std::vector<int64_t> ids = Ids(kRows);
  const std::vector<float> vectors = Draw(kRows, 2);
  const auto segment = Write("a", ids, vectors);
  DeletedRows deleted;
  deleted.bits.resize(kRows / 64 + 1);
  std::mt19937 random(3);
  for (uint32_t r = 0; r < kRows; ++r) {
    if (random() % 10 >= 3) continue;
    deleted.bits[r / 64] |= uint64_t{1} << (r % 64);
    deleted.rows.push_back(r);
  }
  const VectorView view{segment.get(), &deleted};
  auto live = [&](int64_t id) { return !deleted.Contains(static_cast<uint32_t>(id)); };
  EXPECT_GE(MeanRecall({&view, 1}, ids, vectors, {}, live), 0.99);
  for (uint32_t percent : {0u, 1u, 10u, 50u}) {
    std::vector<int64_t> chosen;
    for (int64_t id : ids) {
      if (random() % 100 < percent) chosen.push_back(id);
    }
    chosen.push_back(int64_t{1} << 20);  // nobody's
    chosen.push_back(-4);
    const PassageSet allowed(chosen);
    for (Effort effort : {Effort::kNormal, Effort::kExact}) {
      EXPECT_GE(MeanRecall({&view, 1}, ids, vectors, {effort, &allowed},
                           [&](int64_t id) { return live(id) && allowed.Contains(id); }),
                0.99)
          << percent << "%";
    }
  }
}

TEST_F(VectorSearchTest, SeveralQueriesGetWhatEachGetsAlone) {
  Threads threads(2);
  const std::vector<int64_t> ids = Ids(kRows), few = Ids(700, kRows);
  const std::vector<float> vectors = Draw(kRows, 4), others = Draw(700, 5);
  const auto a = Write("a", ids, vectors), b = Write("b", few, others);
  ASSERT_FALSE(b->clustered());
  const VectorView views[] = {{a.get(), nullptr}, {b.get(), nullptr}};
  const std::vector<float> queries = Draw(9, 6);
  for (int64_t k : {1, 10, 300, 100000}) {
    auto together = SearchVectors(views, queries, 9, k, {}, {.threads = &threads});
    ASSERT_TRUE(together.ok());
    for (size_t q = 0; q < 9; ++q) {
      auto alone = SearchVectors(
          views, std::span(queries).subspan(q * kDimensions, kDimensions), 1, k, {}, {});
      const std::vector<Scored>&x = (*together)[q], &y = (*alone)[0];
      ASSERT_EQ(x.size(), std::min<size_t>(static_cast<size_t>(k), kRows + 700));
      ASSERT_EQ(x.size(), y.size());
      // Thresholds rise in another order, so that the last places may differ; scores are f32.
      for (size_t i = 0; i < std::min<size_t>(x.size(), 5); ++i) {
        EXPECT_EQ(x[i].passage, y[i].passage);
        EXPECT_EQ(x[i].score, y[i].score);
      }
    }
  }
}

TEST_F(VectorSearchTest, SameBytesForAnyNumberOfThreads) {
  const std::vector<int64_t> ids = Ids(kRows);
  const std::vector<float> vectors = Draw(kRows, 8);
  Threads one(1), two(2), three(3);
  Write("0", ids, vectors);
  Write("1", ids, vectors, {.threads = &one});
  Write("2", ids, vectors, {.threads = &two});
  Write("3", ids, vectors, {.threads = &three});
  for (const char* name : {"1", "2", "3"}) EXPECT_TRUE(Bytes("0") == Bytes(name)) << name;
}

TEST_F(VectorSearchTest, MergedSegmentsEqualAFreshOne) {
  const std::vector<float> vectors = Draw(kRows, 9);
  const std::vector<int64_t> ids = Ids(kRows);
  const size_t half = kRows / 2 * kDimensions;
  const auto a = Write("a", std::span(ids).first(kRows / 2), std::span(vectors).first(half));
  const auto b = Write("b", std::span(ids).last(kRows / 2), std::span(vectors).subspan(half));
  DeletedRows deleted;
  deleted.bits.resize(kRows / 128 + 1);
  deleted.bits[0] = 0xff;
  for (uint32_t r = 0; r < 8; ++r) deleted.rows.push_back(r);
  const VectorView views[] = {{a.get(), &deleted}, {b.get(), nullptr}};
  ASSERT_TRUE(MergeVectorSegments(views, folder_, "merged", {}).ok());
  Write("fresh", std::span(ids).subspan(8), std::span(vectors).subspan(8 * kDimensions));
  EXPECT_TRUE(Bytes("merged") == Bytes("fresh"));
}

TEST_F(VectorSearchTest, WideVectorsAreNotTurned) {
  const size_t d = kMostTurnedDimensions + 8;
  const std::vector<int64_t> ids = Ids(kLeastClusteredRows);
  const std::vector<float> vectors = Draw(ids.size(), 10, d);
  const auto segment = Write("a", ids, vectors);
  ASSERT_TRUE(segment->clustered());
  EXPECT_TRUE(segment->Check().ok()) << segment->Check();
  const VectorView view{segment.get(), nullptr};
  const std::vector<float> queries = Draw(5, 11, d);
  for (size_t q = 0; q < 5; ++q) {
    const auto query = std::span(queries).subspan(q * d, d);
    auto got = SearchVectors({&view, 1}, query, 1, 10, {}, {});
    ASSERT_TRUE(got.ok());
    EXPECT_GE(Recall(BruteForce(ids, vectors, query, 10, All), (*got)[0]), 0.9);
  }
}

// As files were before they had clusters.
TEST_F(VectorSearchTest, OlderFilesAreRead) {
  const std::vector<int64_t> ids = Ids(300);
  const std::vector<float> vectors = Draw(300, 12);
  const auto segment = Write("a", ids, vectors);
  auto writer = *SegmentWriter::Create(folder_, "old", SegmentKind::kVector);
  for (int s = 0; s < kFlatVectorSections; ++s) {
    ASSERT_TRUE(writer->BeginSection().ok());
    ASSERT_TRUE(writer->Append(segment->file().section(s)).ok());
  }
  writer->set_rows(300);
  writer->set_param(0, kDimensions);
  ASSERT_TRUE(writer->Commit().ok());
  auto old = VectorSegment::Open(folder_ + "/old");
  ASSERT_TRUE(old.ok()) << old.status();
  EXPECT_TRUE((*old)->Check().ok());
  const VectorView view{old->get(), nullptr};
  EXPECT_EQ(MeanRecall({&view, 1}, ids, vectors, {}, All), 1);
}

TEST_F(VectorSearchTest, DamageIsFoundAndSearchSurvivesIt) {
  const auto segment = Write("a", Ids(kLeastClusteredRows), Draw(kLeastClusteredRows, 13));
  const std::string whole = Bytes("a");
  const std::vector<float> query = Draw(1, 14);
  for (int s = 2; s < kVectorSections; ++s) {
    std::string bytes = whole;
    // Behind the begins of the clusters, whose damage is no segment at all.
    const size_t at = s == 5 ? 4 * (segment->quantiser().clusters + 2) + 3 : 3;
    bytes[segment->file().section_offset(s) + at] ^= 0x7f;
    auto file = SegmentFile::FromBytes(std::as_bytes(std::span(bytes)), "damaged",
                                       SegmentKind::kVector, kVectorSections);
    ASSERT_TRUE(file.ok());
    EXPECT_FALSE((*file)->Verify().ok()) << s;
    auto damaged = VectorSegment::FromFile(*file);
    ASSERT_TRUE(damaged.ok()) << s;
    if (s != 5) {
      EXPECT_EQ((*damaged)->Check().code(), absl::StatusCode::kDataLoss) << s;
    }
    const VectorView view{damaged->get(), nullptr};
    EXPECT_TRUE(SearchVectors({&view, 1}, query, 1, 10, {}, {}).ok()) << s;
  }
  std::string bytes = whole;
  bytes[segment->file().section_offset(5)] = 1;  // clusters begin behind the first row
  auto file = SegmentFile::FromBytes(std::as_bytes(std::span(bytes)), "damaged",
                                     SegmentKind::kVector, kVectorSections);
  EXPECT_EQ(VectorSegment::FromFile(*file).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(VectorSearchTest, BadQueriesAreRefused) {
  const auto segment = Write("a", Ids(10), Draw(10, 15));
  const VectorView view{segment.get(), nullptr};
  std::vector<float> query = Draw(1, 16);
  auto code = [&](std::span<const float> q, size_t n, int64_t k) {
    return SearchVectors({&view, 1}, q, n, k, {}, {}).status().code();
  };
  EXPECT_EQ(code(query, 1, 0), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(query, 0, 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(query, 3, 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(std::span(query).first(7), 1, 1), absl::StatusCode::kInvalidArgument);
  query[3] = std::nanf("");
  EXPECT_EQ(code(query, 1, 1), absl::StatusCode::kInvalidArgument);
}

TEST(PrincipalAxesTest, ValuesAndVectorsBelongTogether) {
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  for (size_t n : {1, 2, 3, 7, 64}) {
    std::vector<double> a(n * n);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j <= i; ++j) a[i * n + j] = a[j * n + i] = normal(random);
    }
    const PrincipalAxes axes = FindPrincipalAxes(a, n);
    EXPECT_TRUE(std::is_sorted(axes.values.rbegin(), axes.values.rend()));
    for (size_t k = 0; k < n; ++k) {
      const double* v = &axes.vectors[k * n];
      for (size_t i = 0; i < n; ++i) {
        EXPECT_NEAR(std::inner_product(v, v + n, &a[i * n], 0.0), axes.values[k] * v[i], 1e-12 * n);
      }
      for (size_t l = 0; l <= k; ++l) {
        EXPECT_NEAR(std::inner_product(v, v + n, &axes.vectors[l * n], 0.0), k == l, 1e-13 * n);
      }
    }
  }
  const PrincipalAxes none = FindPrincipalAxes(std::vector<double>(9), 3);
  EXPECT_EQ(none.values, std::vector<double>(3));
}

}  // namespace
}  // namespace weir::index
