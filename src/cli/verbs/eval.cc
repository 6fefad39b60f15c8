// weir eval: retrieval quality on a BEIR folder.

#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/search_models.h"
#include "cli/verbs.h"
#include "evaluate/retrieval.h"

namespace weir::cli {
namespace {

struct EvalOptions {
  evaluate::RetrievalOptions retrieval;
  std::string encoder, sparse_encoder, model;
  template <class V>
  void Visit(V& v) {
    retrieval.Visit(v);
    v(encoder, {.name = "encoder",
                .help = "Encoder of passages and queries; a name (see weir model list)."});
    v(model, {.name = "model", .help = "Language model of --rerank likelihood."});
    v(sparse_encoder, {.name = "sparse-encoder", .help = "The same for the sparse pipeline."});
  }
};

class EvalVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {
        .name = "eval",
        .summary = "Measure retrieval on a BEIR folder: nDCG@10, recall@100, MAP, MRR@10, P@10.",
        .arguments = "DIR",
        .example = "weir eval --pipelines lexical,hybrid data/scifact",
        .description =
            "DIR holds corpus.jsonl, queries.jsonl (plain or .zst) and qrels/SPLIT.tsv. The "
            "metrics are trec_eval's.",
        .min_arguments = 1,
        .max_arguments = 1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    SearchModels models;  // of all pipelines, for a store that is still to be made
    for (const std::string& pipeline : options_.retrieval.pipelines) {
      WEIR_ASSIGN_OR_RETURN(const retrieve::ModeNeeds needs, 
                            retrieve::NeedsOf(pipeline, options_.retrieval.fuse));
      if (needs.dense && models.encoder == nullptr) {
        WEIR_ASSIGN_OR_RETURN(models.encoder, session.LoadEncoder(options_.encoder));
      }
      if (needs.sparse && models.sparse == nullptr) {
        WEIR_ASSIGN_OR_RETURN(models.sparse, session.LoadSparseEncoder(options_.sparse_encoder));
      }
      if (needs.multi && models.tokens == nullptr) {
        WEIR_ASSIGN_OR_RETURN(models.tokens, session.LoadTokenEncoder(options_.encoder));
      }
    }
    WEIR_RETURN_IF_ERROR(
        LoadRerankers(options_.retrieval.rerank, options_.model, session, models));
    WEIR_ASSIGN_OR_RETURN(
        const evaluate::EvalRecord record,
        evaluate::EvaluateRetrieval(arguments[0], options_.retrieval, models.Borrow(),
                                    session.registry(), session.context()));
    session.Print(session.json() ? evaluate::EvalToJson(record) : AsText(record));
    return kExitDone;
  }

 private:
  static std::string AsText(const evaluate::EvalRecord& record) {
    std::string out = absl::StrFormat("%s, %s: %d documents, indexed in %.1f s\n", record.set,
                                      record.split, record.documents, record.index_s);
    for (const evaluate::EvalRun& run : record.runs) {
      absl::StrAppendFormat(&out, "%-8s", run.pipeline);
      for (const auto& [name, value] : run.metrics)
        absl::StrAppendFormat(&out, "  %s %.4f", name, value);
      absl::StrAppendFormat(&out, "  (%d queries, %.2f s)\n", run.queries, run.took_s);
    }
    return out;
  }

  EvalOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeEvalVerb() { return std::make_unique<EvalVerb>(); }

}  // namespace weir::cli
