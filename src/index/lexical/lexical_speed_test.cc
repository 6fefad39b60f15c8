// Search against exhaustive scoring of the same postings, on SciFact and on a larger corpus made of
// its words. Needs WEIR_DATA; prints microseconds a query, fails only when results differ.
#include <gtest/gtest.h>
#include <unistd.h>
#include <zstd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/threads.h"
#include "index/indexer.h"
#include "index/lexical/cursor.h"
#include "index/lexical/search.h"
#include "index/store_fixture.h"
#include "index/top_k.h"
#include "text/analysis.h"

namespace weir::index {
namespace {

namespace fs = std::filesystem;

double Now() { return static_cast<double>(SteadyNowNs()) * 1e-9; }

// The string value of a key in one line of JSON. Good for the corpora of the tests, no parser.
std::string Field(const std::string& line, const std::string& key) {
  size_t at = line.find(absl::StrCat("\"", key, "\":"));
  if (at == std::string::npos) return "";
  at = line.find('"', at + key.size() + 3) + 1;
  std::string out;
  for (; at < line.size() && line[at] != '"'; ++at) {
    if (line[at] != '\\') {
      out += line[at];
    } else if (++at < line.size() && line[at] == 'u') {
      out += ' ';
      at += 4;
    } else {
      out += line[at] == 'n' || line[at] == 't' ? ' ' : line[at];
    }
  }
  return out;
}

std::vector<std::string> Lines(const std::string& path) {
  std::string bytes = *ReadFile(path);
  if (path.ends_with(".zst")) {
    std::string out(ZSTD_getFrameContentSize(bytes.data(), bytes.size()) > (1u << 30)
                        ? size_t{64} << 20
                        : ZSTD_getFrameContentSize(bytes.data(), bytes.size()),
                    '\0');
    const size_t n = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
    out.resize(ZSTD_isError(n) ? 0 : n);
    bytes = std::move(out);
  }
  std::vector<std::string> lines;
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', at), bytes.size());
    if (end > at) lines.push_back(bytes.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

// Every posting of every term scored into an array of all passages.
std::vector<Scored> Exhaustive(const std::vector<SegmentView>& views, const LexicalQuery& query,
                               int64_t k, std::vector<double>& sums) {
  const CollectionStatistics statistics = Statistics(views);
  const Bm25Saturation saturation(Bm25Options{}, statistics);
  TopK top(k);
  for (const SegmentView& view : views) {
    sums.assign(view.segment->rows(), 0);
    for (const LexicalClause& clause : query.clauses) {
      auto info = *view.segment->Find(clause.terms[0]);
      if (!info.has_value()) continue;
      const float factor = static_cast<float>(
          clause.weight * Bm25Idf(statistics.documents, *LiveFrequency(views, clause.terms[0])));
      PostingsCursor cursor(*view.segment, *info);
      for (uint32_t b = 0; b < cursor.block_count(); ++b) {
        cursor.Load(b);
        const uint32_t* f = cursor.Frequencies();
        for (uint32_t i = 0; i < cursor.count(); ++i) {
          const uint32_t doc = cursor.docs()[i];
          sums[doc] += double{factor * saturation(static_cast<float>(f[i]),
                                                  static_cast<float>(view.segment->length(doc)))};
        }
      }
    }
    for (uint32_t doc = 0; doc < sums.size(); ++doc) {
      if (sums[doc] > 0) top.Add({view.segment->passage(doc), static_cast<float>(sums[doc])});
    }
  }
  return top.Take();
}

class SpeedTest : public StoreFixture {
 protected:
  // Opens the segments of the store behind its back.
  std::vector<SegmentView> Views() {
    segments_.clear();
    for (const auto& entry : fs::directory_iterator(folder() + "/segments")) {
      if (entry.path().string().find("lexical") != std::string::npos)
        segments_.push_back(*LexicalSegment::Open(entry.path()));
    }
    std::vector<SegmentView> views;
    for (const auto& s : segments_) views.push_back({s.get(), nullptr});
    return views;
  }

  void Compare(const char* what, const std::vector<LexicalQuery>& queries) {
    const std::vector<SegmentView> views = Views();
    std::vector<double> sums;
    double fast = 1e9, slow = 1e9;
    for (int round = 0; round < 5; ++round) {
      double begin = Now();
      for (const LexicalQuery& q : queries) ASSERT_TRUE(SearchSegments(views, q, 10, {}).ok());
      fast = std::min(fast, Now() - begin);
      begin = Now();
      for (const LexicalQuery& q : queries) Exhaustive(views, q, 10, sums);
      slow = std::min(slow, Now() - begin);
    }
    for (const LexicalQuery& q : queries) {
      auto got = *SearchSegments(views, q, 10, {});
      auto expected = Exhaustive(views, q, 10, sums);
      ASSERT_EQ(got.size(), expected.size());
      for (size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(got[i].passage, expected[i].passage);
        ASSERT_EQ(got[i].score, expected[i].score);
      }
    }
    const double n = static_cast<double>(queries.size());
    std::printf("%s: %zu queries, %.1f us a query; exhaustive %.1f us (%.2fx)\n", what,
                queries.size(), fast / n * 1e6, slow / n * 1e6, slow / fast);
  }

  std::vector<std::shared_ptr<const LexicalSegment>> segments_;
};

TEST_F(SpeedTest, SciFact) {
  const char* data = std::getenv("WEIR_DATA");
  if (data == nullptr) GTEST_SKIP() << "WEIR_DATA is not set";
  const std::vector<std::string> lines = Lines(absl::StrCat(data, "/scifact/corpus.jsonl.zst"));
  auto store = OpenWrite();
  Threads threads(2);
  Context context;
  context.threads = &threads;
  size_t at = 0;
  auto report = IndexRecords(*store, [&]() -> absl::StatusOr<std::optional<Record>> {
    if (at == lines.size()) return std::nullopt;
    const std::string& line = lines[at++];
    return Record{Field(line, "_id"), Field(line, "title"), Field(line, "text")};
  }, {}, {}, context);
  ASSERT_TRUE(report.ok()) << report.status();
  int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder() + "/segments")) {
    std::printf("%s: %lld bytes\n", entry.path().filename().c_str(),
                static_cast<long long>(entry.file_size()));
    bytes += static_cast<int64_t>(entry.file_size());
  }
  std::printf("scifact: %lld documents indexed in %.2f s, store %lld bytes\n",
              static_cast<long long>(report->added), report->seconds,
              static_cast<long long>(store->Status()->bytes));
  auto analyzer = *text::Analyzer::Make("english");
  std::vector<LexicalQuery> queries;
  for (const std::string& line : Lines(absl::StrCat(data, "/scifact/queries.jsonl"))) {
    queries.push_back(ParseLexicalQuery(Field(line, "text"), *analyzer));
  }
  Compare("scifact", queries);
  const double begin = Now();
  for (const std::string& line : Lines(absl::StrCat(data, "/scifact/queries.jsonl"))) {
    const std::vector<Scored> hits = *store->SearchLexical(Field(line, "text"), 10, {});
    for (const Scored& hit : hits) ASSERT_TRUE(store->GetPassage(hit.passage).ok());
  }
  std::printf("with analysis and ten passages fetched: %.1f us a query\n",
              (Now() - begin) / static_cast<double>(queries.size()) * 1e6);
}

// 200,000 passages of 50 words, each a piece of a SciFact abstract with some words exchanged.
std::vector<std::string> Pieces(const std::string& corpus, std::mt19937& random) {
  std::vector<std::vector<std::string>> abstracts;
  std::vector<std::string> words;
  for (const std::string& line : Lines(corpus)) {
    std::stringstream in(Field(line, "text"));
    std::vector<std::string> a;
    for (std::string w; in >> w;) a.push_back(w);
    if (a.size() > 60) {
      words.insert(words.end(), a.begin(), a.end());
      abstracts.push_back(std::move(a));
    }
  }
  std::vector<std::string> texts(200000);
  for (std::string& t : texts) {
    const auto& a = abstracts[random() % abstracts.size()];
    const size_t begin = random() % (a.size() - 50);
    for (size_t i = 0; i < 50; ++i)
      absl::StrAppend(&t, random() % 3 == 0 ? words[random() % words.size()] : a[begin + i], " ");
  }
  return texts;
}

TEST_F(SpeedTest, LargerCorpus) {
  const char* data = std::getenv("WEIR_DATA");
  if (data == nullptr) GTEST_SKIP() << "WEIR_DATA is not set";
  std::mt19937 random(1);
  const std::vector<std::string> texts =
      Pieces(absl::StrCat(data, "/scifact/corpus.jsonl.zst"), random);
  auto store = OpenWrite();
  Threads threads(2);
  Context context;
  context.threads = &threads;
  size_t at = 0;
  auto report = IndexRecords(*store, [&]() -> absl::StatusOr<std::optional<Record>> {
    if (at == texts.size()) return std::nullopt;
    ++at;
    return Record{absl::StrCat(at), "", texts[at - 1]};
  }, {}, {}, context);
  ASSERT_TRUE(report.ok()) << report.status();
  const double begin = Now();
  ASSERT_TRUE(store->Compact(context).ok());
  std::printf("200,000 passages indexed in %.2f s, compacted in %.2f s, store %lld bytes\n",
              report->seconds, Now() - begin, static_cast<long long>(store->Status()->bytes));
  auto analyzer = *text::Analyzer::Make("english");
  std::vector<LexicalQuery> any, all, one, phrases;
  for (int q = 0; q < 200; ++q) {
    std::stringstream in(texts[random() % texts.size()]);
    std::vector<std::string> w;
    for (std::string s; in >> s;) w.push_back(s);
    std::string text;
    for (size_t i = 0, n = 2 + random() % 5; i < n; ++i)
      absl::StrAppend(&text, w[random() % w.size()], " ");
    any.push_back(ParseLexicalQuery(text, *analyzer));
    one.push_back(any.back());
    one.back().clauses.resize(std::min<size_t>(1, one.back().clauses.size()));
    all.push_back(any.back());
    all.back().clauses.resize(std::min<size_t>(2, all.back().clauses.size()));
    all.back().all = true;
    const size_t p = random() % 47;
    phrases.push_back(
        ParseLexicalQuery(absl::StrCat("\"", w[p], " ", w[p + 1], " ", w[p + 2], "\""), *analyzer));
  }
  Compare("200,000, any of 2 to 6 terms", any);
  Compare("200,000, one term", one);
  const std::vector<SegmentView> views = Views();
  double all_s = 1e9, phrase_s = 1e9;
  for (int round = 0; round < 5; ++round) {
    double start = Now();
    for (const LexicalQuery& q : all) ASSERT_TRUE(SearchSegments(views, q, 10, {}).ok());
    all_s = std::min(all_s, Now() - start);
    start = Now();
    for (const LexicalQuery& q : phrases) ASSERT_TRUE(SearchSegments(views, q, 10, {}).ok());
    phrase_s = std::min(phrase_s, Now() - start);
  }
  std::printf("200,000: both of two terms %.1f us, phrases %.1f us\n", all_s / 200 * 1e6,
              phrase_s / 200 * 1e6);
}

}  // namespace
}  // namespace weir::index
