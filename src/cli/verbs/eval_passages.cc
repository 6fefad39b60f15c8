// weir eval passages: at which rank the evidence of a question set stands, with and without
// reranking.

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/search_models.h"
#include "cli/verbs.h"
#include "evaluate/passages.h"

namespace weir::cli {
namespace {

struct EvalPassagesOptions {
  retrieve::SearchOptions search{.top_k = 50};
  index::Bm25Options bm25;
  std::string encoder, model;
  bool each = false;
  template <class V>
  void Visit(V& v) {
    search.Visit(v);
    bm25.Visit(v);
    v(encoder, {.name = "encoder", .help = "Encoder of the questions; must be the store's."});
    v(model, {.name = "model", .help = "Language model of --rerank likelihood."});
    v(each, {.name = "each", .help = "Show every question's rank."});
  }
};

class EvalPassagesVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {
        .name = "eval passages",
        .summary = "Search for a set of questions with known evidence: at which rank it stands.",
        .arguments = "QUESTIONS.jsonl",
        .example = "weir eval passages --rerank cross tests/data/questions/dev.jsonl",
        .description =
            "The store must hold the documents of the set. With --rerank or --mmr, "
            "the same search without them is measured beside it.",
        .min_arguments = 1,
        .max_arguments = 1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(auto lines, evaluate::LineReader::Open(arguments[0]));
    WEIR_ASSIGN_OR_RETURN(const auto questions, evaluate::ReadQuestions(*lines));
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kRead));
    store->SetBm25(options_.bm25);
    retrieve::SearchOptions& search = options_.search;
    WEIR_ASSIGN_OR_RETURN(SearchModels models,
                          LoadEncoders(*store, options_.encoder, search, session));
    WEIR_RETURN_IF_ERROR(LoadRerankers(search.rerank, options_.model, session, models));

    std::vector<evaluate::PassagesReport> reports;
    for (const retrieve::SearchOptions& one : Variants()) {
      WEIR_ASSIGN_OR_RETURN(auto pipeline, retrieve::Pipeline::Make(*store, models.Borrow(), one,
                                                                    session.registry()));
      WEIR_ASSIGN_OR_RETURN(
          evaluate::PassagesReport report,
          evaluate::EvaluatePassages(
              NameOf(one), questions,
              [&](const std::string& q) { return pipeline->Search(q, session.context()); },
              [&](const std::string& path) -> absl::StatusOr<std::string> {
                WEIR_ASSIGN_OR_RETURN(const int64_t document, store->FindDocument(path));
                return store->GetText(document);
              },
              session.context()));
      reports.push_back(std::move(report));
    }
    if (session.json()) {
      session.Print(evaluate::PassagesToJson(reports));
      return kExitDone;
    }
    if (options_.each) PrintEach(reports, session);
    session.Print(evaluate::PassagesTable(reports));
    return kExitDone;
  }

 private:
  // The plain search first, then what was asked for.
  std::vector<retrieve::SearchOptions> Variants() const {
    retrieve::SearchOptions plain = options_.search;
    plain.rerank.rerank = "none";
    plain.rerank.mmr = 1;
    std::vector<retrieve::SearchOptions> all = {plain};
    if (NameOf(options_.search) != NameOf(plain)) all.push_back(options_.search);
    return all;
  }

  static std::string NameOf(const retrieve::SearchOptions& search) {
    std::string name = search.mode;
    if (search.rerank.rereads()) absl::StrAppend(&name, "+", search.rerank.rerank);
    if (search.rerank.spreads()) absl::StrAppend(&name, "+mmr");
    return name;
  }

  static void PrintEach(const std::vector<evaluate::PassagesReport>& reports, Session& session) {
    for (size_t i = 0; i < reports.front().results.size(); ++i) {
      std::string line = reports.front().results[i].id;
      for (const evaluate::PassagesReport& report : reports) {
        absl::StrAppend(&line, "  ", report.pipeline, " ", report.results[i].rank);
      }
      session.Print(line);
    }
  }

  EvalPassagesOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeEvalPassagesVerb() { return std::make_unique<EvalPassagesVerb>(); }

}  // namespace weir::cli
