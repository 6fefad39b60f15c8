// weir bench search: retrieval speed on the store's own passages.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "cli/bench_record.h"
#include "cli/bench_texts.h"
#include "cli/peer.h"
#include "cli/sparse_bench.h"
#include "cli/verbs.h"
#include "tensor/vector.h"
#include "text/analysis.h"

namespace weir::cli {
namespace {

struct BenchSearchOptions {
  int64_t queries = 200;
  int64_t rounds = 5;
  std::string encoder;
  PeerOptions peer{.engine = "tantivy", .script = "tests/peers/tantivy_bench.py"};
  SparseBenchOptions sparse;
  template <class V>
  void Visit(V& v) {
    v(queries, {.name = "queries",
                .help = "Queries a round, taken from the store's passages.",
                .min = 1,
                .max = 100000});
    v(rounds, {.name = "rounds", .help = "Rounds of each row.", .min = 1, .max = 100});
    v(encoder, {.name = "encoder", .help = "Encoder of the queries; must be the store's."});
    peer.Visit(v);
    sparse.Visit(v);
  }
};

class BenchSearchVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "bench search",
            .summary =
                "Time a query takes: block-max BM25 against full scoring, int8 scan against f32, "
                "sparse search against all postings.",
            .arguments = "",
            .example = "weir bench search --queries 500",
            .description =
                "Microseconds a query, top 10, mean over the queries, median over the rounds. The "
                "peer (package tantivy) indexes the same terms of the same passages and runs in "
                "turns with Weir; its queries are parsed beforehand, Weir's are not."};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kRead));
    WEIR_ASSIGN_OR_RETURN(const auto queries, SampleQueries(*store, options_.queries));
    std::vector<BenchRow> rows;
    WEIR_RETURN_IF_ERROR(Lexical(*store, queries, session, rows));
    if (store->has_vectors()) WEIR_RETURN_IF_ERROR(Dense(*store, queries, session, rows));
    if (store->has_sparse_vectors()) {
      WEIR_RETURN_IF_ERROR(BenchSparse(*store, queries, options_.rounds, options_.sparse,
                                       options_.peer.python, session, rows));
    }
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
    WEIR_RETURN_IF_ERROR(status);
    WEIR_ASSIGN_OR_RETURN(const auto peer, StartPeer(store, queries));
    if (peer == nullptr) return absl::OkStatus();
    rows.push_back(Compare(
        "bm25-or", "us/query", options_.rounds, true, [&] { return timed(10); },
        options_.peer.name, [&] { return peer->Run(status); }));
    return status;
  }

  // Both engines get what Weir's analyser makes of the texts.
  absl::StatusOr<std::unique_ptr<WorkPeer>> StartPeer(
      const index::Store& store, const std::vector<std::string>& queries) const {
    WEIR_ASSIGN_OR_RETURN(auto peer, WorkPeer::Start(options_.peer, {}));
    if (peer == nullptr) return nullptr;
    WEIR_ASSIGN_OR_RETURN(auto analyzer, text::Analyzer::Make("english"));
    std::vector<text::Token> tokens;
    auto terms = [&](std::string_view text) {
      tokens.clear();
      analyzer->Analyze(text, tokens);
      return absl::StrJoin(tokens, " ", [](std::string* out, const text::Token& token) {
        absl::StrAppend(out, token.term);
      });
    };
    for (const int64_t id : store.Passages()) {
      WEIR_ASSIGN_OR_RETURN(const text::Passage passage, store.GetPassage(id));
      WEIR_RETURN_IF_ERROR(peer->Send("add", terms(passage.text)));
    }
    for (const std::string& query : queries) {
      WEIR_RETURN_IF_ERROR(peer->Send("query", terms(query)));
    }
    return peer;
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
    rows.push_back(Compare("dense-top10", "us/query", options_.rounds, true, ours,
                           "f32 scan, maximum only", theirs));
    if (best < -1.5f) return absl::InternalError("bench: the baseline scanned nothing");
    return status;
  }

  BenchSearchOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeBenchSearchVerb() { return std::make_unique<BenchSearchVerb>(); }

}  // namespace weir::cli
