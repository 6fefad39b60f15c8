#include "cli/lexicon_bench.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <numeric>
#include <random>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "evaluate/beir.h"
#include "index/lexical/bm25.h"
#include "index/sparse/sparse_search.h"
#include "tensor/vector.h"

namespace weir::cli {
namespace {

using text::SparseVector;
using Tops = std::vector<std::vector<int64_t>>;  // of each query, best first

constexpr size_t kTop = 10;
constexpr size_t kTimedQueries = 50;  // a scan of 200,000 vectors takes a while

// A judged set with its vectors.
struct Set {
  std::vector<std::string> texts, queries;
  std::vector<std::vector<int64_t>> relevant;  // of each query, rows of `texts`
  std::vector<SparseVector> sparse, sparse_queries;
  std::vector<float> dense, dense_queries;
  size_t dimensions = 0;
};

absl::Status ReadSet(const std::string& folder, Set& set) {
  const evaluate::BeirPaths paths = evaluate::BeirPathsOf(folder, "test");
  WEIR_ASSIGN_OR_RETURN(const auto corpus, evaluate::LineReader::Open(paths.corpus));
  absl::flat_hash_map<std::string, int64_t> rows;
  WEIR_RETURN_IF_ERROR(
      evaluate::ReadBeirRecords(*corpus, [&](evaluate::BeirRecord record) -> absl::Status {
        rows[record.id] = static_cast<int64_t>(set.texts.size());
        set.texts.push_back(record.title.empty() ? record.text
                                                 : absl::StrCat(record.title, "\n", record.text));
        return absl::OkStatus();
      }));
  WEIR_ASSIGN_OR_RETURN(const auto lines, evaluate::LineReader::Open(paths.qrels));
  WEIR_ASSIGN_OR_RETURN(const evaluate::Qrels qrels, evaluate::ReadQrels(*lines));
  WEIR_ASSIGN_OR_RETURN(const auto queries, evaluate::ReadJudgedQueries(paths.queries, qrels));
  for (const evaluate::BeirRecord& query : queries) {
    std::vector<int64_t> relevant;
    for (const auto& [document, judgement] : qrels.at(query.id)) {
      const auto row = rows.find(document);
      if (judgement > 0 && row != rows.end()) relevant.push_back(row->second);
    }
    if (relevant.empty()) continue;
    set.queries.push_back(query.text);
    set.relevant.push_back(std::move(relevant));
  }
  return set.queries.empty()
             ? absl::InvalidArgumentError(absl::StrCat(folder, ": no query has an answer"))
             : absl::OkStatus();
}

absl::Status EncodeSet(const text::Encoder& dense, const text::SparseEncoder& sparse,
                       const Context& context, Set& set) {
  const std::vector<std::string_view> texts(set.texts.begin(), set.texts.end());
  const std::vector<std::string_view> queries(set.queries.begin(), set.queries.end());
  set.dimensions = static_cast<size_t>(dense.dimensions());
  set.dense.resize(texts.size() * set.dimensions);
  set.dense_queries.resize(queries.size() * set.dimensions);
  set.sparse.resize(texts.size());
  set.sparse_queries.resize(queries.size());
  WEIR_RETURN_IF_ERROR(dense.Encode(texts, text::EncodeAs::kPassage, set.dense, context));
  WEIR_RETURN_IF_ERROR(dense.Encode(queries, text::EncodeAs::kQuery, set.dense_queries, context));
  WEIR_RETURN_IF_ERROR(sparse.Encode(texts, text::EncodeAs::kPassage, set.sparse, context));
  return sparse.Encode(queries, text::EncodeAs::kQuery, set.sparse_queries, context);
}

// Each weight times a factor of its own; the whole as long as before.
SparseVector Jittered(SparseVector words, double jitter, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  double before = 0, after = 0;
  for (text::TermWeight& w : words) {
    before += double{w.weight} * w.weight;
    w.weight *= static_cast<float>(std::exp(jitter * normal(random)));
    after += double{w.weight} * w.weight;
  }
  for (text::TermWeight& w : words) w.weight *= static_cast<float>(std::sqrt(before / after));
  return words;
}

// Behind the set's own documents, copies of those that answer nothing, in turn.
absl::Status Grow(size_t items, double jitter, uint64_t seed, Set& set) {
  std::vector<bool> answers(set.texts.size());
  for (const auto& relevant : set.relevant) {
    for (const int64_t row : relevant) answers[static_cast<size_t>(row)] = true;
  }
  std::vector<size_t> copied;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i]) copied.push_back(i);
  }
  if (copied.empty() && items > answers.size()) {
    return absl::InvalidArgumentError(
        "gallery: every document of the set answers a query: none can be copied");
  }
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  const size_t d = set.dimensions;
  for (size_t i = 0; set.sparse.size() < items; ++i) {
    const size_t from = copied[i % copied.size()];
    set.sparse.push_back(Jittered(set.sparse[from], jitter, random));
    double square = 0;
    for (size_t c = 0; c < d; ++c) {
      const double x =
          set.dense[from * d + c] + jitter * normal(random) / std::sqrt(static_cast<double>(d));
      set.dense.push_back(static_cast<float>(x));
      square += x * x;
    }
    for (size_t c = set.dense.size() - d; c < set.dense.size(); ++c)
      set.dense[c] = static_cast<float>(set.dense[c] / std::sqrt(square));
  }
  return absl::OkStatus();
}

std::vector<SparseVector> Heaviest(std::vector<SparseVector> vectors, size_t most) {
  if (most == 0) return vectors;
  for (SparseVector& v : vectors) {
    if (v.size() <= most) continue;
    std::stable_sort(v.begin(), v.end(), [](auto a, auto b) { return a.weight > b.weight; });
    v.resize(most);
    std::sort(v.begin(), v.end(), [](auto a, auto b) { return a.term < b.term; });
  }
  return vectors;
}

// Rows by (score descending, row ascending).
class BestRows {
 public:
  void Add(float score, int64_t row) {
    if (best_.size() == kTop && score <= best_.back().first) return;
    const auto at = std::upper_bound(best_.begin(), best_.end(), score,
                                     [](float s, const auto& b) { return s > b.first; });
    best_.insert(at, {score, row});
    if (best_.size() > kTop) best_.pop_back();
  }
  std::vector<int64_t> Take() const {
    std::vector<int64_t> rows;
    for (const auto& [score, row] : best_) rows.push_back(row);
    return rows;
  }

 private:
  std::vector<std::pair<float, int64_t>> best_;
};

std::vector<int64_t> ScanDense(const Set& set, const float* query) {
  BestRows best;
  const size_t d = set.dimensions, n = set.dense.size() / d;
  for (size_t row = 0; row < n; ++row) {
    best.Add(tensor::Dot(query, &set.dense[row * d], d), static_cast<int64_t>(row));
  }
  return best.Take();
}

// By float weights of both sides.
std::vector<int64_t> ScanSparse(const std::vector<SparseVector>& vectors,
                                const SparseVector& query, std::vector<float>& weights) {
  for (const text::TermWeight& w : query) weights[static_cast<size_t>(w.term)] = w.weight;
  BestRows best;
  for (size_t row = 0; row < vectors.size(); ++row) {
    float sum = 0;
    for (const text::TermWeight& w : vectors[row])
      sum += weights[static_cast<size_t>(w.term)] * w.weight;
    if (sum > 0) best.Add(sum, static_cast<int64_t>(row));
  }
  for (const text::TermWeight& w : query) weights[static_cast<size_t>(w.term)] = 0;
  return best.Take();
}

double Share(const Tops& want, const Tops& got) {
  size_t found = 0, all = 0;
  for (size_t q = 0; q < want.size(); ++q) {
    all += want[q].size();
    for (const int64_t row : want[q])
      found += std::count(got[q].begin(), got[q].end(), row) > 0;
  }
  return all == 0 ? 1 : static_cast<double>(found) / static_cast<double>(all);
}

// Of each query's judged documents the share among its ten, the mean over the queries.
double Recall(const Tops& relevant, const Tops& got) {
  double sum = 0;
  for (size_t q = 0; q < relevant.size(); ++q) sum += Share({relevant[q]}, {got[q]});
  return sum / static_cast<double>(relevant.size());
}

std::string NameOf(size_t items, size_t most) {
  const std::string n = items % 1000 == 0 ? absl::StrCat(items / 1000, "k") : absl::StrCat(items);
  return absl::StrCat("sparse-lexicon-", n, most == 0 ? "" : absl::StrCat("-m", most));
}

// Searches of one gallery in turns with the dense scan.
class Gallery {
 public:
  Gallery(const Set& set, const text::Encoder& dense, const text::SparseEncoder& sparse,
          int64_t rounds, std::vector<BenchRow>& rows)
      : set_(set), dense_(dense), sparse_(sparse), rounds_(rounds), rows_(rows) {}

  absl::Status Measure(const std::string& folder, size_t items, size_t most) {
    const std::string name = NameOf(items, most);
    std::vector<int64_t> ids(items);
    std::iota(ids.begin(), ids.end(), int64_t{0});
    WEIR_RETURN_IF_ERROR(index::WriteSparseSegment(ids, Heaviest(set_.sparse, most),
                                                   sparse_.vocabulary(), folder, name)
                             .status());
    WEIR_ASSIGN_OR_RETURN(const auto segment, index::SparseSegment::Open(folder + "/" + name));
    view_ = {segment.get(), nullptr};
    std::vector<SparseVector> by_words;
    for (const std::string& query : set_.queries) by_words.push_back(WordsOf(query));
    const auto given = [&](size_t q) { return set_.sparse_queries[q]; };
    const auto given_words = [&](size_t q) { return by_words[q]; };
    const auto words = [&](size_t q) { return WordsOf(set_.queries[q]); };
    const auto encoded = [&](size_t q) { return Encoded(set_.queries[q]); };
    Row(name, given, true, false);
    Row(name + "-approximate", given, false, false);
    Row(name + "-words", given_words, true, false);
    Row(name + "-whole", encoded, true, true);
    Row(name + "-words-whole", words, true, true);
    constexpr double kMegabyte = 1e6;
    Value(name + "-mb", "MB", true, static_cast<double>(segment->file().bytes()) / kMegabyte,
          "f32 vectors", static_cast<double>(set_.dense.size() * sizeof(float)) / kMegabyte);
    RecallRow(name + "-recall10", given, true);
    RecallRow(name + "-approximate-recall10", given, false);
    RecallRow(name + "-words-recall10", given_words, true);
    return status_;
  }

  void Value(std::string name, std::string unit, bool lower_is_better, double ours,
             std::string baseline, double theirs) {
    rows_.push_back(Compare(std::move(name), std::move(unit), 1, lower_is_better,
                            [=] { return ours; }, std::move(baseline), [=] { return theirs; }));
  }

 private:
  using VectorOfQuery = std::function<SparseVector(size_t)>;

  void Row(const std::string& name, const VectorOfQuery& vector, bool exact, bool whole) {
    const auto theirs = [&](size_t q) {
      std::vector<float> encoded(set_.dimensions);
      const std::string_view text = set_.queries[q];
      if (whole) status_.Update(dense_.Encode({&text, 1}, text::EncodeAs::kQuery, encoded, {}));
      ScanDense(set_, whole ? encoded.data() : &set_.dense_queries[q * set_.dimensions]);
    };
    rows_.push_back(Compare(
        name, "us/query", rounds_, true,
        [&] { return Micros([&](size_t q) { Search(vector(q), exact); }); },
        whole ? "dense encoder and f32 scan" : "f32 scan", [&] { return Micros(theirs); }));
  }

  void RecallRow(const std::string& name, const VectorOfQuery& vector, bool exact) {
    Tops sparse;
    for (size_t q = 0; q < set_.queries.size(); ++q) sparse.push_back(Search(vector(q), exact));
    for (size_t q = dense_tops_.size(); q < set_.queries.size(); ++q)
      dense_tops_.push_back(ScanDense(set_, &set_.dense_queries[q * set_.dimensions]));
    Value(name, "%", false, 100 * Recall(set_.relevant, sparse), "f32 scan",
          100 * Recall(set_.relevant, dense_tops_));
  }

  std::vector<int64_t> Search(const SparseVector& vector, bool exact) {
    const auto query = index::MakeSparseQuery(vector, sparse_.vocabulary());
    status_.Update(query.status());
    if (!query.ok()) return {};
    const auto hits = index::SearchSparse({&view_, 1}, *query, kTop, {.exact = exact}, {});
    status_.Update(hits.status());
    std::vector<int64_t> rows;
    for (size_t i = 0; hits.ok() && i < hits->size(); ++i) rows.push_back((*hits)[i].passage);
    return rows;
  }

  double Micros(const std::function<void(size_t)>& one) const {
    const size_t n = std::min(set_.queries.size(), kTimedQueries);
    const int64_t start = SteadyNowNs();
    for (size_t q = 0; q < n; ++q) one(q);
    return static_cast<double>(SteadyNowNs() - start) * 1e-3 / static_cast<double>(n);
  }

  // On this thread, as a query alone.
  SparseVector Encoded(std::string_view text) {
    SparseVector vector;
    status_.Update(sparse_.Encode({&text, 1}, text::EncodeAs::kQuery, {&vector, 1}, {}));
    return vector;
  }

  // As retrieve/stage.cc weighs a query's words.
  SparseVector WordsOf(std::string_view text) {
    std::vector<int32_t> terms = sparse_.Words(text);
    std::sort(terms.begin(), terms.end());
    terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
    SparseVector vector;
    for (const int32_t term : terms) {
      if (term < 0) continue;
      const auto rows = index::CountRowsWith(view_, term);
      status_.Update(rows.status());
      if (!rows.ok() || *rows == 0) continue;
      vector.push_back(
          {term, static_cast<float>(index::Bm25Idf(index::CountRows(view_), *rows))});
    }
    return vector;
  }

  const Set& set_;
  const text::Encoder& dense_;
  const text::SparseEncoder& sparse_;
  int64_t rounds_;
  std::vector<BenchRow>& rows_;
  index::SparseView view_;
  Tops dense_tops_;  // the same for every number of terms
  absl::Status status_;
};

// Over the set's own documents.
absl::StatusOr<double> Overlap(const Set& set, int32_t vocabulary, const std::string& folder) {
  std::vector<int64_t> ids(set.sparse.size());
  std::iota(ids.begin(), ids.end(), int64_t{0});
  WEIR_RETURN_IF_ERROR(
      index::WriteSparseSegment(ids, set.sparse, vocabulary, folder, "own").status());
  WEIR_ASSIGN_OR_RETURN(const auto segment, index::SparseSegment::Open(folder + "/own"));
  const index::SparseView view{segment.get(), nullptr};
  Tops floats, bytes;
  std::vector<float> weights(static_cast<size_t>(vocabulary));
  for (const SparseVector& vector : set.sparse_queries) {
    floats.push_back(ScanSparse(set.sparse, vector, weights));
    WEIR_ASSIGN_OR_RETURN(const auto query, index::MakeSparseQuery(vector, vocabulary));
    WEIR_ASSIGN_OR_RETURN(const auto hits, index::SearchSparse({&view, 1}, query, kTop, {}, {}));
    bytes.emplace_back();
    for (const index::Scored& hit : hits) bytes.back().push_back(hit.passage);
  }
  return Share(floats, bytes);
}

absl::StatusOr<std::vector<size_t>> MostTerms(const std::vector<std::string>& items) {
  std::vector<size_t> numbers;
  for (const std::string& item : items) {
    uint32_t number = 0;
    if (!absl::SimpleAtoi(item, &number) || number > index::kMaxSparseVocabulary) {
      return absl::InvalidArgumentError(
          absl::StrCat("gallery-terms: ", item, "; expected numbers of terms"));
    }
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace

absl::Status BenchLexicon(const LexiconBenchOptions& options, int64_t rounds, Session& session,
                          std::vector<BenchRow>& rows) {
  WEIR_ASSIGN_OR_RETURN(const std::vector<size_t> most_terms, MostTerms(options.most_terms));
  Set set;
  WEIR_RETURN_IF_ERROR(ReadSet(options.set, set));
  WEIR_ASSIGN_OR_RETURN(const auto dense, session.LoadEncoder(""));
  WEIR_ASSIGN_OR_RETURN(const auto sparse, session.LoadSparseEncoder(""));
  WEIR_RETURN_IF_ERROR(EncodeSet(*dense, *sparse, session.context(), set));
  const std::string folder = absl::StrCat(std::filesystem::temp_directory_path().string(),
                                          "/weir-gallery-", SteadyNowNs());
  std::error_code error;
  if (!std::filesystem::create_directory(folder, error))
    return absl::UnavailableError(absl::StrCat(folder, ": ", error.message()));
  const auto remove = absl::MakeCleanup([&] { std::filesystem::remove_all(folder, error); });
  Gallery gallery(set, *dense, *sparse, rounds, rows);
  WEIR_ASSIGN_OR_RETURN(const double overlap, Overlap(set, sparse->vocabulary(), folder));
  gallery.Value("sparse-8bit-overlap10", "%", false, 100 * overlap, "float weights", 100);
  WEIR_RETURN_IF_ERROR(Grow(static_cast<size_t>(options.items), options.jitter,
                            session.context().seed, set));
  for (const size_t most : most_terms)
    WEIR_RETURN_IF_ERROR(gallery.Measure(folder, set.sparse.size(), most));
  return absl::OkStatus();
}

}  // namespace weir::cli
