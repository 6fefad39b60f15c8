// weir bench search and weir bench encode: retrieval and encoder speed on the store's own passages.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/bench_record.h"
#include "cli/verbs.h"
#include "retrieve/pipeline.h"
#include "tensor/vector.h"
#include "text/sentences.h"

namespace weir::cli {
namespace {

// Sentences of the stored documents, spread evenly, cut to some eighty bytes: queries that occur.
absl::StatusOr<std::vector<std::string>> SampleQueries(const index::Store& store, int64_t count) {
  WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> paths, store.Paths());
  std::vector<std::string> all;
  for (const std::string& path : paths) {
    WEIR_ASSIGN_OR_RETURN(const int64_t document, store.FindDocument(path));
    WEIR_ASSIGN_OR_RETURN(const std::string text, store.GetText(document));
    for (const text::Span& span : text::Sentences(text)) {
      if (span.size() >= 40)
        all.push_back(text.substr(span.start, std::min<int64_t>(span.size(), 80)));
    }
  }
  if (all.empty()) return absl::NotFoundError("store: no sentences; index something first");
  std::vector<std::string> queries;
  for (int64_t i = 0; i < count; ++i) {
    std::string query = all[i * all.size() / count];
    // no half word, no half character
    query.resize(std::min(query.size(), query.find_last_of(' ')));
    std::replace(query.begin(), query.end(), '"', ' ');
    queries.push_back(std::move(query));
  }
  return queries;
}

struct BenchSearchOptions {
  int64_t queries = 200;
  int64_t rounds = 5;
  std::string encoder;
  template <class V>
  void Visit(V& v) {
    v(queries, {.name = "queries",
                .help = "Queries a round, taken from the store's passages.",
                .min = 1,
                .max = 100000});
    v(rounds, {.name = "rounds", .help = "Rounds of each row.", .min = 1, .max = 100});
    v(encoder, {.name = "encoder", .help = "Encoder of the queries; must be the store's."});
  }
};

class BenchSearchVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "bench search",
            .summary =
                "Time a query takes: block-max BM25 against full scoring, int8 scan against f32.",
            .arguments = "",
            .example = "weir bench search --queries 500",
            .description =
                "Microseconds a query, top 10, mean over the queries, median over the rounds."};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kRead));
    WEIR_ASSIGN_OR_RETURN(const auto queries, SampleQueries(*store, options_.queries));
    std::vector<BenchRow> rows;
    WEIR_RETURN_IF_ERROR(Lexical(*store, queries, session, rows));
    if (store->has_vectors()) WEIR_RETURN_IF_ERROR(Dense(*store, queries, session, rows));
    session.Print(session.json() ? BenchToJson(rows) : BenchToText(rows));
    return kExitDone;
  }

 private:
  // Mean microseconds of `one` over the queries; the first error sticks in `status`.
  template <class One>
  double MicrosOver(size_t count, Session& session, absl::Status& status, One one) const {
    const int64_t start = session.context().now_ns();
    for (size_t i = 0; i < count; ++i) status.Update(one(i));
    return (session.context().now_ns() - start) * 1e-3 / count;
  }

  absl::Status Lexical(const index::Store& store, const std::vector<std::string>& queries,
                       Session& session, std::vector<BenchRow>& rows) const {
    absl::Status status;
    WEIR_ASSIGN_OR_RETURN(const index::StoreStatus all, store.Status());
    auto timed = [&](int64_t k) {
      return MicrosOver(queries.size(), session, status, [&](size_t i) {
        return store.SearchLexical(queries[i], k, session.context()).status();
      });
    };
    rows.push_back(Compare(
        "bm25-top10", "us/query", options_.rounds, true, [&] { return timed(10); }, "full ranking",
        [&] { return timed(std::max<int64_t>(all.passages, 1)); }));
    return status;
  }

  absl::Status Dense(const index::Store& store, const std::vector<std::string>& queries,
                     Session& session, std::vector<BenchRow>& rows) const {
    WEIR_ASSIGN_OR_RETURN(const index::StoreStatus status_of_store, store.Status());
    WEIR_ASSIGN_OR_RETURN(
        auto encoder,
        session.LoadEncoder(options_.encoder.empty() ? status_of_store.encoder : options_.encoder));
    const size_t d = encoder->dimensions();
    std::vector<std::string_view> texts(queries.begin(), queries.end());
    std::vector<float> vectors(queries.size() * d);
    WEIR_RETURN_IF_ERROR(
        encoder->Encode(texts, text::EncodeAs::kQuery, vectors, session.context()));
    // A scan for as many hits as there are passages names them all.
    WEIR_ASSIGN_OR_RETURN(const auto everything,
                          store.SearchDense(std::span(vectors).first(d), status_of_store.passages,
                                            session.context()));
    std::vector<float> flat;
    for (const index::Scored& passage : everything) {
      WEIR_ASSIGN_OR_RETURN(const std::vector<float> v, store.GetVector(passage.passage));
      if (v.size() == d) flat.insert(flat.end(), v.begin(), v.end());
    }
    absl::Status status;
    float best = -2;
    auto ours = [&] {
      return MicrosOver(queries.size(), session, status, [&](size_t i) {
        return store.SearchDense(std::span(vectors).subspan(i * d, d), 10, session.context())
            .status();
      });
    };
    auto theirs = [&] {
      return MicrosOver(queries.size(), session, status, [&](size_t i) {
        for (size_t row = 0; row < flat.size() / d; ++row) {
          best = std::max(best, tensor::Dot(&vectors[i * d], &flat[row * d], d));
        }
        return absl::OkStatus();
      });
    };
    rows.push_back(Compare("dense-top10", "us/query", options_.rounds, true, ours,
                           "f32 scan, maximum only", theirs));
    if (best < -1.5f) return absl::InternalError("bench: the baseline scanned nothing");
    return status;
  }

  BenchSearchOptions options_;
};

struct BenchEncodeOptions {
  int64_t passages = 256;
  int64_t rounds = 3;
  std::string encoder;
  template <class V>
  void Visit(V& v) {
    v(passages, {.name = "passages",
                 .help = "Passages of the store to encode in a round.",
                 .min = 1,
                 .max = 100000});
    v(rounds, {.name = "rounds", .help = "Rounds of each row.", .min = 1, .max = 100});
    v(encoder, {.name = "encoder", .help = "Encoder; a name (see weir model list)."});
  }
};

class BenchEncodeVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "bench encode",
            .summary = "Encoder speed on the store's passages, batched against one at a time.",
            .arguments = "",
            .example = "weir bench encode --encoder minilm-l6"};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kRead));
    WEIR_ASSIGN_OR_RETURN(const auto texts, SampleQueries(*store, options_.passages));
    WEIR_ASSIGN_OR_RETURN(auto encoder, session.LoadEncoder(options_.encoder));
    const size_t d = encoder->dimensions();
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    std::vector<float> out(views.size() * d);
    absl::Status status;
    auto rate = [&](size_t batch) {
      const int64_t start = session.context().now_ns();
      for (size_t i = 0; i < views.size(); i += batch) {
        const size_t n = std::min(batch, views.size() - i);
        status.Update(encoder->Encode(std::span(views).subspan(i, n), text::EncodeAs::kPassage,
                                      std::span(out).subspan(i * d, n * d), session.context()));
      }
      return views.size() / ((session.context().now_ns() - start) * 1e-9);
    };
    const std::vector<BenchRow> rows = {Compare("encode", "texts/s", options_.rounds, false,
                                                [&] { return rate(views.size()); }, "one at a time",
                                                [&] { return rate(1); })};
    WEIR_RETURN_IF_ERROR(status);
    session.Print(session.json() ? BenchToJson(rows) : BenchToText(rows));
    return kExitDone;
  }

 private:
  BenchEncodeOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeBenchSearchVerb() { return std::make_unique<BenchSearchVerb>(); }
std::unique_ptr<Verb> MakeBenchEncodeVerb() { return std::make_unique<BenchEncodeVerb>(); }

}  // namespace weir::cli
