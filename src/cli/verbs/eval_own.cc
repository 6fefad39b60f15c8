// weir eval own: a labelled set of the store's own passages, the pipelines ranked on it, advice.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/eval_setup.h"
#include "cli/verbs.h"
#include "evaluate/own.h"
#include "evaluate/report.h"

namespace weir::cli {
namespace {

struct EvalOwnOptions {
  evaluate::KnownItemOptions items;
  std::vector<std::string> pipelines;  // empty: what the store has
  index::Bm25Options bm25;
  retrieve::FusionOptions fuse;
  retrieve::SparseOptions sparse;
  index::MultiSearchOptions multi;
  retrieve::RerankOptions rerank;
  evaluate::SetsOptions sets{.metric = "mrr@10"};
  std::string model, out, report;
  template <class V>
  void Visit(V& v) {
    items.Visit(v);
    v(pipelines, {.name = "pipelines",
                  .help = "Pipelines to measure, as weir eval takes them; else all that the store "
                          "has vectors for."});
    bm25.Visit(v);
    fuse.Visit(v);
    sparse.Visit(v);
    multi.Visit(v);
    rerank.Visit(v);
    sets.Visit(v);
    v(model, {.name = "model",
              .help = "Language model that writes queries (style written) or reranks by "
                      "likelihood."});
    v(out, {.name = "out",
            .help = "New folder for the set in BEIR's form, to be edited and measured again.",
            .fingerprint = false});
    v(report, {.name = "report",
               .help = "File for a page about it, FILE.html or FILE.md.",
               .fingerprint = false});
  }
};

// Takes what it has and `models` has not.
void Merge(SearchModels other, SearchModels& models) {
  if (models.encoder == nullptr) models.encoder = std::move(other.encoder);
  if (models.sparse == nullptr) models.sparse = std::move(other.sparse);
  if (models.tokens == nullptr) models.tokens = std::move(other.tokens);
  if (models.beside.empty()) models.beside = std::move(other.beside);
}

class EvalOwnVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "eval own",
            .summary = "Measure the store's pipelines on queries made of its own passages.",
            .arguments = "",
            .example = "weir eval own --out own-set --report own.html",
            .description =
                "Makes queries of passages (three rare words, the heading, a sentence as a "
                "question), each answered by every passage with the same text, runs all pipelines "
                "that the store has vectors for, and says which to use. With --rerank the best "
                "fetch is measured with it too. Queries of a passage's own words favour search by "
                "words, so each style has its own figures.",
            .min_arguments = 0,
            .max_arguments = 0};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    if (!options_.report.empty()) {
      WEIR_RETURN_IF_ERROR(evaluate::CheckReportPath(options_.report));
    }
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kRead));
    store->SetBm25(options_.bm25);
    WEIR_ASSIGN_OR_RETURN(evaluate::RetrievalOptions retrieval, Retrieval(*store, session));
    WEIR_ASSIGN_OR_RETURN(SearchModels models, Load(*store, retrieval, session));
    WEIR_ASSIGN_OR_RETURN(const evaluate::KnownItemSet set,
                          evaluate::MakeKnownItems(*store, options_.items, models.engine.get(),
                                                   session.context()));
    if (!options_.out.empty()) {
      WEIR_RETURN_IF_ERROR(evaluate::WriteKnownItems(set, options_.out));
    }
    EvalOwnOptions defaults;
    const evaluate::EvalOrigin origin = OriginOf(
        CommandOf("eval own", BindOptions(defaults), BindOptions(options_), arguments, session));
    const int64_t start = session.context().now_ns();
    evaluate::SetsRecord record;
    WEIR_ASSIGN_OR_RETURN(
        record.sets, evaluate::EvaluateKnownItems(*store, set, options_.items, retrieval,
                                                  models.Borrow(), session.registry(),
                                                  session.context()));
    for (evaluate::EvalRecord& style : record.sets) style.folder = options_.out;
    evaluate::SetsOptions sets = options_.sets;
    sets.significance.seed = session.context().seed;
    WEIR_RETURN_IF_ERROR(evaluate::CompareSets(sets, record));
    WEIR_RETURN_IF_ERROR(evaluate::Advise(sets, record));
    record.took_s = static_cast<double>(session.context().now_ns() - start) * 1e-9;
    if (!options_.report.empty()) {
      WEIR_RETURN_IF_ERROR(evaluate::WriteReport(options_.report, record, origin));
    }
    Print(record, sets, origin, session);
    return kExitDone;
  }

 private:
  absl::StatusOr<evaluate::RetrievalOptions> Retrieval(const index::Store& store,
                                                       Session& session) const {
    evaluate::RetrievalOptions out;
    out.bm25 = options_.bm25;
    out.fuse = options_.fuse;
    if (out.fuse.kinds.empty()) {
      WEIR_ASSIGN_OR_RETURN(out.fuse.kinds, HybridKinds(store, session));
    }
    out.sparse = options_.sparse;
    out.multi = options_.multi;
    out.rerank = options_.rerank;
    out.rerank.rerank = "none";  // names of pipelines say which are reread
    out.pipelines = options_.pipelines;
    if (!out.pipelines.empty()) return out;
    out.pipelines = {"bm25"};
    if (store.has_vectors()) out.pipelines.push_back("dense");
    if (store.has_sparse_vectors()) out.pipelines.push_back("sparse");
    if (store.has_multi_vectors()) out.pipelines.push_back("multi");
    const bool hybrid = out.fuse.kinds.size() > 1;
    if (hybrid) out.pipelines.push_back("hybrid");
    if (options_.rerank.rereads()) {
      out.pipelines.push_back(
          absl::StrCat(hybrid ? "hybrid+" : "bm25+", options_.rerank.rerank));
    }
    return out;
  }

  absl::StatusOr<SearchModels> Load(index::Store& store,
                                    const evaluate::RetrievalOptions& retrieval,
                                    Session& session) {
    SearchModels models;
    for (const std::string& pipeline : retrieval.pipelines) {
      WEIR_ASSIGN_OR_RETURN(const evaluate::PipelineName name, evaluate::ParsePipeline(pipeline));
      WEIR_ASSIGN_OR_RETURN(const retrieve::ModeNeeds needs, 
                            retrieve::NeedsOf(name.mode, retrieval.fuse));
      if (needs.dense && !store.has_vectors()) {
        return absl::FailedPreconditionError(absl::StrCat(
            "pipeline ", pipeline, ": the store has no vectors; index without --no-encode"));
      }
      const bool there = (!needs.dense || models.encoder != nullptr) &&
                         (needs.beside.empty() || !models.beside.empty()) &&
                         (!needs.sparse || models.sparse != nullptr) &&
                         (!needs.multi || models.tokens != nullptr);
      if (!there) {
        retrieve::SearchOptions search{.mode = name.mode, .fuse = retrieval.fuse};
        WEIR_ASSIGN_OR_RETURN(SearchModels more, LoadEncoders(store, "", search, session));
        Merge(std::move(more), models);
      }
      if (name.rerank.empty()) continue;
      retrieve::RerankOptions rerank{.rerank = name.rerank};
      WEIR_RETURN_IF_ERROR(LoadRerankers(rerank, options_.model, session, models));
    }
    const std::vector<std::string>& styles = options_.items.styles;
    if (models.engine == nullptr &&
        std::find(styles.begin(), styles.end(), "written") != styles.end()) {
      WEIR_ASSIGN_OR_RETURN(models.engine, session.LoadEngine(options_.model, {}));
    }
    return models;
  }

  static void Print(const evaluate::SetsRecord& record, const evaluate::SetsOptions& options,
                    const evaluate::EvalOrigin& origin, Session& session) {
    if (session.json()) {
      session.Print(evaluate::SetsToJson(record, options, origin));
      return;
    }
    session.Print(SetsAsText(record));
    for (const std::string& line : record.advice) session.Print(line);
  }

  EvalOwnOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeEvalOwnVerb() { return std::make_unique<EvalOwnVerb>(); }

}  // namespace weir::cli
