#include "index/lexical/count.h"
#include "index/lexical/match.h"
#include "index/lexical/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "base/threads.h"
#include "index/lexical/check.h"
#include "index/lexical/merge.h"
#include "index/lexical/naive_index.h"

namespace weir::index {
namespace {

namespace fs = std::filesystem;

// Sentences of real articles, three lines a passage, from tests/data/dev-docs.
std::vector<std::string> RealPassages() {
  std::vector<std::string> files, passages;
  for (const auto& entry :
       fs::directory_iterator(std::string(WEIR_SOURCE_DIR) + "/tests/data/dev-docs")) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    std::ifstream in(file);
    std::stringstream text;
    text << in.rdbuf();
    const std::string s = text.str();
    // Passages of very different lengths, so that block bounds have something to do.
    for (size_t at = 0, n = 0; at < s.size(); ++n) {
      const size_t size = 40 + (n * 7919) % 400;
      passages.push_back(s.substr(at, size));
      at += size;
    }
  }
  return passages;
}

class Fixture : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / absl::StrCat("weir_search_test_", ::getpid());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Splits `passages` (repeated `copies` times, words rotated) over `parts` segments.
  void Build(const std::vector<std::string>& passages, int parts, Threads* threads = nullptr) {
    Context context;
    context.threads = threads;
    texts_ = passages;
    for (int p = 0; p < parts; ++p) {
      const size_t begin = passages.size() * p / parts, end = passages.size() * (p + 1) / parts;
      std::vector<PassageFields> fields;
      std::vector<int64_t> ids;
      for (size_t i = begin; i < end; ++i) {
        fields.push_back(MakeFields(i % 3 == 0 ? "Common title words" : "", "", texts_[i]));
        ids.push_back(static_cast<int64_t>(100 + 2 * i));
        naive_.Add(ids.back(), fields.back());
      }
      const std::string name = absl::StrCat("s", p, "_", parts, ".lex");
      auto info = BuildLexicalSegment(fields, ids, "english", folder_.string(), name, context);
      ASSERT_TRUE(info.ok()) << info.status();
      Open(name);
    }
  }

  void Open(const std::string& name) {
    auto segment = LexicalSegment::Open((folder_ / name).string());
    ASSERT_TRUE(segment.ok()) << segment.status();
    ASSERT_TRUE((*segment)->file().Verify().ok());
    segments_.push_back(*segment);
    deleted_.emplace_back(std::make_unique<DeletedRows>());
  }

  // All segments become one, without what is deleted.
  void Merge(const std::string& name, const MergeOptions& options, Threads* threads = nullptr) {
    Context context;
    context.threads = threads;
    const auto merged =
        MergeLexicalSegments(Views(), folder_.string(), name, context, options);
    ASSERT_TRUE(merged.ok()) << merged.status();
    segments_.clear();
    deleted_.clear();
    Open(name);
    ASSERT_TRUE(CheckLexicalSegment(*segments_[0]).ok()) << CheckLexicalSegment(*segments_[0]);
  }

  // Phrases of two to four consecutive words of a passage, sometimes with words beside them;
  // returns how many matched.
  int SweepPhrases(int rounds, uint32_t seed) {
    auto analyzer = *text::Analyzer::Make("english");
    std::mt19937 random(seed);
    int matched = 0;
    for (int r = 0; r < rounds; ++r) {
      std::stringstream words(texts_[random() % texts_.size()]);
      std::vector<std::string> all;
      for (std::string w; words >> w;) all.push_back(w);
      if (all.size() < 6) continue;
      const size_t at = random() % (all.size() - 4), n = 2 + random() % 3;
      std::string text = "\"";
      for (size_t i = at; i < at + n; ++i) absl::StrAppend(&text, all[i], " ");
      text += "\"";
      if (random() % 2 == 0) absl::StrAppend(&text, " first ", all[0]);
      const LexicalQuery query = ParseLexicalQuery(text, *analyzer);
      if (query.clauses.empty()) continue;
      ExpectSame(query, 10);
      if (HasFatalFailure()) return matched;
      matched += !naive_.Search(query, 10, {}).empty();
    }
    return matched;
  }

  void Delete(int64_t id) {
    naive_.Remove(id);
    for (size_t s = 0; s < segments_.size(); ++s) {
      const int64_t row = segments_[s]->Row(id);
      if (row < 0) continue;
      DeletedRows& d = *deleted_[s];
      d.bits.resize((segments_[s]->rows() + 63) / 64);
      d.bits[row / 64] |= uint64_t{1} << (row % 64);
      d.rows.push_back(static_cast<uint32_t>(row));
      std::sort(d.rows.begin(), d.rows.end());
      d.tokens += segments_[s]->length(static_cast<uint32_t>(row));
    }
  }

  std::vector<SegmentView> Views() const {
    std::vector<SegmentView> views;
    for (size_t s = 0; s < segments_.size(); ++s)
      views.push_back({segments_[s].get(), deleted_[s].get()});
    return views;
  }

  void ExpectSame(const LexicalQuery& query, int64_t k, const Bm25Options& options = {}) {
    const std::vector<Scored> expected = naive_.Search(query, k, options);
    auto got = SearchSegments(Views(), query, k, options);
    ASSERT_TRUE(got.ok()) << got.status();
    ASSERT_EQ(got->size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ((*got)[i].passage, expected[i].passage) << "rank " << i << " of " << k;
      ASSERT_EQ((*got)[i].score, expected[i].score) << "rank " << i << " of " << k;
    }
    auto count = CountSegments(Views(), query);
    ASSERT_TRUE(count.ok()) << count.status();
    ASSERT_EQ(*count, static_cast<int64_t>(naive_.Search(query, 1 << 30, options).size()));
    auto matches = MatchSegments(Views(), query);
    ASSERT_TRUE(matches.ok()) << matches.status();
    std::sort(matches->begin(), matches->end());
    ASSERT_EQ(*matches, naive_.Matches(query));
  }

  LexicalQuery Words(const std::vector<std::string>& terms) {
    LexicalQuery query;
    for (const std::string& t : terms) query.clauses.push_back({{t}, {0}, 1});
    return query;
  }

  // Random queries of 1 to 8 terms, rare and frequent ones mixed, at several k and options.
  void Sweep(int rounds, uint32_t seed) {
    std::mt19937 random(seed);
    const std::vector<std::string> terms = naive_.Terms();
    const std::vector<std::string> frequent = {"common", "titl", "word", "first", "which",
                                               "from",   "his",  "us",   "1",     "were"};
    for (int r = 0; r < rounds; ++r) {
      std::set<std::string> chosen;
      const size_t n = 1 + random() % 8;
      for (size_t i = 0; i < n; ++i) {
        chosen.insert(random() % 2 == 0 ? terms[random() % terms.size()]
                                        : frequent[random() % frequent.size()]);
      }
      LexicalQuery query = Words({chosen.begin(), chosen.end()});
      for (LexicalClause& c : query.clauses) c.weight = 1 + random() % 2;
      query.all = random() % 4 == 0;
      if (random() % 3 == 0 && query.clauses.size() > 1) {
        for (LexicalClause& c : query.clauses) c.need = static_cast<Need>(random() % 3);
      }
      Bm25Options options = random() % 2 == 0 ? Bm25Options{} : Bm25Options{1.2, 0.75};
      if (random() % 4 == 0) options.lengths = "byte";
      ExpectSame(query, 1 + random() % 20, options);
      ExpectSame(query, 1000, options);
      if (HasFatalFailure()) return;
    }
  }

  fs::path folder_;
  std::vector<std::string> texts_;
  std::vector<std::shared_ptr<const LexicalSegment>> segments_;
  std::vector<std::unique_ptr<DeletedRows>> deleted_;
  NaiveIndex naive_{"english"};
};

TEST_F(Fixture, TopKEqualsExhaustiveScoring) {
  Build(RealPassages(), 1);
  Sweep(300, 1);
}

TEST_F(Fixture, TopKEqualsExhaustiveScoringOverSegmentsAndDeletes) {
  Build(RealPassages(), 5);
  std::mt19937 random(3);
  for (size_t i = 0; i < texts_.size(); ++i) {
    if (random() % 4 == 0) Delete(static_cast<int64_t>(100 + 2 * i));
  }
  Sweep(300, 2);
}

TEST_F(Fixture, MergedSegmentsGiveTheSameScores) {
  Build(RealPassages(), 4);
  for (size_t i = 0; i < texts_.size(); i += 3) Delete(static_cast<int64_t>(100 + 2 * i));
  // Segments 0 and 2, then the rest around it: ids of the merged segment interleave with the
  // others'.
  const std::vector<SegmentView> views = Views();
  const std::vector<SegmentView> some = {views[2], views[0]};
  ASSERT_TRUE(MergeLexicalSegments(some, folder_.string(), "m.lex", Context()).ok());
  segments_ = {segments_[1], segments_[3]};
  std::vector<std::unique_ptr<DeletedRows>> rest;
  rest.push_back(std::move(deleted_[1]));
  rest.push_back(std::move(deleted_[3]));
  deleted_ = std::move(rest);
  Open("m.lex");
  Sweep(150, 4);
  ASSERT_TRUE(MergeLexicalSegments(Views(), folder_.string(), "all.lex", Context()).ok());
  segments_.clear();
  deleted_.clear();
  Open("all.lex");
  EXPECT_EQ(segments_[0]->rows(), naive_.lengths().size());
  Sweep(150, 5);
}

// 12,000 passages of a few words, drawn with Zipf-like weights from real vocabulary. Many have
// equal scores.
std::vector<std::string> DrawnPassages() {
  std::mt19937 random(9);
  std::stringstream all;
  for (const std::string& p : RealPassages()) all << p << ' ';
  std::vector<std::string> words;
  for (std::string w; all >> w && words.size() < 20000;) words.push_back(w);
  std::vector<std::string> passages;
  for (int i = 0; i < 12000; ++i) {
    std::string p;
    for (size_t j = 0, n = 3 + random() % 30; j < n; ++j) {
      const double u = std::uniform_real_distribution<double>(0, 1)(random);
      absl::StrAppend(&p, words[static_cast<size_t>(u * u * u * words.size())], " ");
    }
    passages.push_back(std::move(p));
  }
  return passages;
}

TEST_F(Fixture, LargeCollectionCrossesWindowsAndBlocks) {
  Build(DrawnPassages(), 2);
  for (size_t i = 0; i < texts_.size(); i += 17) Delete(static_cast<int64_t>(100 + 2 * i));
  Sweep(150, 6);
}

TEST_F(Fixture, PhrasesEqualExhaustiveScoring) {
  Build(RealPassages(), 3);
  EXPECT_GT(SweepPhrases(200, 5), 100);
}

TEST_F(Fixture, ReorderedSegmentsGiveTheSameResults) {
  Build(DrawnPassages(), 3);
  for (size_t i = 0; i < texts_.size(); i += 17) Delete(static_cast<int64_t>(100 + 2 * i));
  Merge("reordered.lex", {.reorder_from = 1});
  ASSERT_FALSE(segments_[0]->ascending());
  const LexicalSegment& segment = *segments_[0];
  for (uint32_t r = 0; r < segment.rows(); ++r) ASSERT_EQ(segment.Row(segment.passage(r)), r);
  EXPECT_EQ(segment.Row(100), -1);  // deleted
  EXPECT_EQ(segment.Row(103), -1);
  Sweep(150, 7);
  EXPECT_GT(SweepPhrases(100, 8), 20);
  for (size_t i = 1; i < texts_.size(); i += 13) {
    if (i % 17 != 0) Delete(static_cast<int64_t>(100 + 2 * i));
  }
  Sweep(100, 9);
  EXPECT_GT(SweepPhrases(50, 10), 10);
}

// Half of the passages in a reordered segment, whose ids lie between those of another.
TEST_F(Fixture, ReorderedSegmentsBesideOthersKeepTiesInOrder) {
  Build(DrawnPassages(), 4);
  const std::vector<SegmentView> views = Views();
  const std::vector<SegmentView> some = {views[2], views[0]};
  ASSERT_TRUE(MergeLexicalSegments(some, folder_.string(), "m.lex", Context(),
                                   {.reorder_from = 1}).ok());
  segments_ = {segments_[1], segments_[3]};
  deleted_.resize(2);
  Open("m.lex");
  ASSERT_FALSE(segments_.back()->ascending());
  Sweep(150, 11);
}

TEST_F(Fixture, ReorderingAllowedRowsFilterAsBefore) {
  Build(DrawnPassages(), 2);
  Merge("ascending.lex", {});
  const auto ascending = segments_[0];
  Merge("reordered.lex", {.reorder_from = 1});
  const auto allow = [](const LexicalSegment& segment, int64_t share) {
    RowSet rows;
    for (uint32_t r = 0; r < segment.rows(); ++r) {
      if (segment.passage(r) / 2 % share == 0) rows.Add(r, segment.rows(), segment.length(r));
    }
    return rows;
  };
  std::mt19937 random(12);
  const std::vector<std::string> terms = naive_.Terms();
  for (const int64_t share : {2, 300}) {  // of a few rows each is looked up
    const RowSet before = allow(*ascending, share), after = allow(*segments_[0], share);
    for (const bool counted : {false, true}) {
      const SegmentView expected{ascending.get(), nullptr, &before, counted ? &before : nullptr};
      const SegmentView view{segments_[0].get(), nullptr, &after, counted ? &after : nullptr};
      for (int i = 0; i < 60; ++i) {
        LexicalQuery query = Words({"common", terms[random() % terms.size()], "first"});
        query.all = i % 5 == 0;
        const auto want = *SearchSegments({&expected, 1}, query, 10, {});
        const auto got = *SearchSegments({&view, 1}, query, 10, {});
        ASSERT_EQ(got.size(), want.size());
        for (size_t h = 0; h < got.size(); ++h) {
          ASSERT_EQ(got[h].passage, want[h].passage);
          ASSERT_EQ(got[h].score, want[h].score);
        }
      }
    }
  }
}

TEST_F(Fixture, MergesGiveEqualBytesWithAnyThreadsFromAnyOrder) {
  Build(DrawnPassages(), 3);
  const std::vector<std::shared_ptr<const LexicalSegment>> built = segments_;
  Merge("ascending.lex", {});
  const uint64_t ascending = segments_[0]->file().checksum();
  Merge("one.lex", {.reorder_from = 1});
  const uint64_t reordered = segments_[0]->file().checksum();
  EXPECT_NE(reordered, ascending);
  Threads two(2);
  Merge("again.lex", {.reorder_from = 1}, &two);  // what is reordered already
  EXPECT_EQ(segments_[0]->file().checksum(), reordered);
  Merge("back.lex", {.reorder_from = 100000});
  EXPECT_EQ(segments_[0]->file().checksum(), ascending);
  Merge("many.lex", {.reorder_from = 1, .most_reordered_postings = 1000});
  EXPECT_EQ(segments_[0]->file().checksum(), ascending);
}

TEST_F(Fixture, WordsNearOneAnotherEqualExhaustiveScoring) {
  Build(RealPassages(), 3);
  auto analyzer = *text::Analyzer::Make("english");
  std::mt19937 random(6);
  int matched = 0, more = 0;
  for (int r = 0; r < 200; ++r) {
    // Words of a passage in any order, sometimes one twice, with others between them.
    std::stringstream words(texts_[random() % texts_.size()]);
    std::vector<std::string> all;
    for (std::string w; words >> w;) all.push_back(w);
    if (all.size() < 12) continue;
    const size_t at = random() % (all.size() - 10), others = random() % 12;
    std::string quoted;
    for (size_t n = 2 + random() % 3; n > 0; --n)
      absl::StrAppend(&quoted, all[at + random() % 10], " ");
    std::string text = absl::StrCat("\"", quoted, "\"~", others);
    if (random() % 2 == 0) absl::StrAppend(&text, random() % 2 == 0 ? " +first " : " ", all[0]);
    const LexicalQuery query = ParseLexicalQuery(text, *analyzer);
    if (query.clauses.empty()) continue;
    ExpectSame(query, 10);
    if (HasFatalFailure()) return;
    const size_t hits = naive_.Search(query, 1000, {}).size();
    matched += hits > 0;
    const auto phrase = ParseLexicalQuery(absl::StrCat("\"", quoted, "\""), *analyzer);
    more += hits > naive_.Search(phrase, 1000, {}).size();
  }
  EXPECT_GT(matched, 80);
  EXPECT_GT(more, 40);
}

TEST_F(Fixture, PhrasesDoNotCrossFields) {
  texts_ = {"weir across the river"};
  const PassageFields fields = MakeFields("small dam", "", texts_[0]);
  const int64_t id = 0;
  ASSERT_TRUE(
      BuildLexicalSegment({&fields, 1}, {&id, 1}, "plain", folder_.string(), "f.lex", Context())
          .ok());
  Open("f.lex");
  auto analyzer = *text::Analyzer::Make("plain");
  EXPECT_TRUE(
      SearchSegments(Views(), ParseLexicalQuery("\"dam weir\"", *analyzer), 5, {})->empty());
  EXPECT_EQ(SearchSegments(Views(), ParseLexicalQuery("\"small dam\"", *analyzer), 5, {})->size(),
            1u);
  EXPECT_TRUE(
      SearchSegments(Views(), ParseLexicalQuery("\"dam weir\"~1000", *analyzer), 5, {})->empty());
  EXPECT_EQ(
      SearchSegments(Views(), ParseLexicalQuery("\"river weir\"~2", *analyzer), 5, {})->size(), 1u);
  EXPECT_TRUE(
      SearchSegments(Views(), ParseLexicalQuery("\"river weir\"~1", *analyzer), 5, {})->empty());
  EXPECT_EQ(
      SearchSegments(Views(), ParseLexicalQuery("\"across the river", *analyzer), 5, {})->size(),
      1u);
}

TEST_F(Fixture, ExplainAddsUpToTheScore) {
  Build(RealPassages(), 3);
  for (size_t i = 0; i < texts_.size(); i += 5) Delete(static_cast<int64_t>(100 + 2 * i));
  auto analyzer = *text::Analyzer::Make("english");
  const LexicalQuery query =
      ParseLexicalQuery("common \"title words\" first which war war", *analyzer);
  auto hits = SearchSegments(Views(), query, 10, {});
  ASSERT_TRUE(hits.ok());
  ASSERT_FALSE(hits->empty());
  for (const Scored& hit : *hits) {
    auto rows = ExplainSegments(Views(), query, hit.passage, {});
    ASSERT_TRUE(rows.ok());
    double sum = 0;
    for (const TermScore& row : *rows) sum += row.score;
    EXPECT_EQ(static_cast<float>(sum), hit.score);
  }
  EXPECT_TRUE(absl::IsNotFound(ExplainSegments(Views(), query, 99, {}).status()));
}

TEST_F(Fixture, ThreadsDoNotChangeTheBytes) {
  Threads two(2);
  Build(RealPassages(), 1);
  const uint64_t one_thread = segments_[0]->file().checksum();
  segments_.clear();
  deleted_.clear();
  fs::remove(folder_ / "s0_1.lex");
  Build(RealPassages(), 1, &two);
  EXPECT_EQ(segments_[0]->file().checksum(), one_thread);
}

TEST_F(Fixture, BadKIsRefused) {
  Build({"one passage"}, 1);
  EXPECT_TRUE(absl::IsInvalidArgument(SearchSegments(Views(), Words({"one"}), 0, {}).status()));
  EXPECT_TRUE(SearchSegments(Views(), Words({"absent"}), 3, {})->empty());
  EXPECT_TRUE(SearchSegments(Views(), LexicalQuery{}, 3, {})->empty());
}

TEST(ParseLexicalQuery, SignsFilter) {
  auto analyzer = *text::Analyzer::Make("plain");
  auto needs = [&](std::string_view text) {
    std::string out;
    for (const LexicalClause& c : ParseLexicalQuery(text, *analyzer).clauses)
      absl::StrAppend(&out, c.need == Need::kMust ? "+" : c.need == Need::kMustNot ? "-" : "",
                      c.Text(), " ");
    return out;
  };
  EXPECT_EQ(needs("one +two -three"), "one +two -three ");
  EXPECT_EQ(needs("+\"one two\" three -\"four five\""), "+\"one two\" three -\"four five\" ");
  EXPECT_EQ(needs("state-of-the-art a - b + c -5 --x"), "state of the art a b c 5 x ");
  EXPECT_EQ(needs("-well-known"), "-\"well known\" ");
  EXPECT_EQ(needs("+\"open one"), "+open one ");
  EXPECT_EQ(needs("x +"), "x ");
  EXPECT_EQ(needs("stabilizing +1 nucleosomes"), "stabilizing 1 nucleosomes ");
  EXPECT_EQ(needs(WithoutSigns("one +two -\"three four\"")), "one two \"three four\" ");
  EXPECT_EQ(WithoutRefused("one +two -\"three four\" -five x-six -7"),
            absl::StrCat("one  two", std::string(21, ' '), "x-six -7"));
  EXPECT_EQ(WithoutRefused("-one +\"two three\""), "      \"two three\"");
  EXPECT_EQ(WithoutRefused("-one -\u201ctwo\u201d"), std::string(15, ' '));
}

TEST(ParseLexicalQuery, CountsRepeatedTermsAndReadsCurlyQuotes) {
  auto analyzer = *text::Analyzer::Make("plain");
  const LexicalQuery query = ParseLexicalQuery("a b a \u201cc d\u201d", *analyzer);
  ASSERT_EQ(query.clauses.size(), 3u);
  EXPECT_EQ(query.clauses[0].weight, 2);
  EXPECT_EQ(query.clauses[2].Text(), "\"c d\"");
}

}  // namespace
}  // namespace weir::index
