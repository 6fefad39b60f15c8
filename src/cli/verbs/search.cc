// weir search: ranked passages.

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "cli/search_models.h"
#include "cli/verb.h"
#include "cli/verbs.h"
#include "retrieve/pipeline.h"
#include "text/records_json.h"

namespace weir::cli {
namespace {

struct SearchVerbOptions {
  retrieve::SearchOptions search;
  index::Bm25Options bm25;
  std::string encoder;
  std::string language;
  std::string model;
  bool explain = false;
  template <class V>
  void Visit(V& v) {
    search.Visit(v);
    bm25.Visit(v);
    v(encoder, {.name = "encoder", .help = "Encoder of the query; must be the store's."});
    v(language, {.name = "language",
                 .help = "Language of the query, where the store has several; by default each is "
                         "tried."});
    v(model, {.name = "model", .help = "Language model of --rerank likelihood."});
    v(explain, {.name = "explain", .help = "Show every stage's score and every term's share."});
  }
};

class SearchVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {
        .name = "search",
        .summary = "Find the passages that best match a query.",
        .arguments = "QUERY...",
        .example = "weir search --mode hybrid \"deep venous thrombosis\"",
        .description =
            "Words in double quotes inside the query are a phrase. For search by words, + right "
            "before a word or a quote demands it, - refuses it; write such a query as one "
            "argument behind --. Exit code 1 when nothing is found.",
        .min_arguments = 1,
        .max_arguments = -1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    const std::string query = absl::StrJoin(arguments, " ");
    options_.search.signs = true;
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kRead));
    store->SetBm25(options_.bm25);
    if (!options_.language.empty()) {
      WEIR_RETURN_IF_ERROR(store->SetQueryLanguage(options_.language,
                                                    options_.search.tenant.empty()));
    }
    WEIR_ASSIGN_OR_RETURN(SearchModels models, LoadEncoders(*store, options_.encoder,
                                                            options_.search, session));
    WEIR_RETURN_IF_ERROR(
        LoadRerankers(options_.search.rerank, options_.model, session, models));
    WEIR_ASSIGN_OR_RETURN(
        auto pipeline,
        retrieve::Pipeline::Make(*store, models.Borrow(), options_.search, session.registry()));
    const int64_t start = session.context().now_ns();
    WEIR_ASSIGN_OR_RETURN(std::vector<text::Hit> hits, pipeline->Search(query, session.context()));
    const double took_us = (session.context().now_ns() - start) * 1e-3;
    if (session.json()) {
      session.Print(text::SearchToJson({query, hits, took_us}));
    } else {
      for (const text::Hit& hit : hits) session.Print(Describe(hit));
      if (hits.empty()) session.Note("nothing found");
    }
    if (options_.explain && !session.json())
      WEIR_RETURN_IF_ERROR(Explain(query, hits, *store, session));
    return hits.empty() ? kExitNothing : kExitDone;
  }

 private:
  std::string Describe(const text::Hit& hit) const {
    std::string out = absl::StrFormat("%2d  %.4f  %s", hit.rank, hit.score, hit.document.path);
    if (hit.passage.page > 0) absl::StrAppend(&out, ", page ", hit.passage.page);
    absl::StrAppend(&out, " [", hit.passage.span.start, "-", hit.passage.span.end, "]");
    if (options_.explain) {
      for (const auto& [stage, score] : hit.scores)
        absl::StrAppendFormat(&out, "  %s=%.4f", stage, score);
    }
    std::string excerpt = hit.passage.text.substr(0, 240);
    for (char& c : excerpt) {
      if (c == '\n') c = ' ';
    }
    // no half character
    while (!excerpt.empty() && (excerpt.back() & 0xC0) == 0x80) excerpt.pop_back();
    absl::StrAppend(&out, "\n      ", excerpt,
                    hit.passage.text.size() > excerpt.size() ? " ..." : "");
    return out;
  }

  absl::Status Explain(const std::string& query, const std::vector<text::Hit>& hits,
                       const index::Store& store, Session& session) const {
    std::shared_ptr<const index::Scope> scope;
    if (!options_.search.tenant.empty()) {
      WEIR_ASSIGN_OR_RETURN(scope, store.TenantScope(options_.search.tenant));
    }
    for (const text::Hit& hit : hits) {
      WEIR_ASSIGN_OR_RETURN(auto terms, store.ExplainLexical(query, hit.passage.id, scope.get()));
      session.Print(absl::StrFormat("%2d  terms:", hit.rank));
      for (const index::TermScore& t : terms) {
        session.Print(absl::StrFormat("      %-20s df %d  tf %d  idf %.4f  score %.4f", t.term,
                                      t.document_frequency, t.frequency, t.idf, t.score));
      }
    }
    return absl::OkStatus();
  }

  SearchVerbOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeSearchVerb() { return std::make_unique<SearchVerb>(); }

}  // namespace weir::cli
