// weir search: ranked passages.

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "cli/search_models.h"
#include "cli/verb.h"
#include "cli/verbs.h"
#include "retrieve/pipeline.h"
#include "retrieve/sparse.h"
#include "text/records_json.h"

namespace weir::cli {
namespace {

struct SearchVerbOptions {
  retrieve::SearchOptions search;
  index::Bm25Options bm25;
  std::string encoder;
  std::string language;
  std::string model;
  std::string color = "auto";
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
    v(color,
      {.name = "color",
       .help = "Whether matched words are bold; auto: on a terminal, unless NO_COLOR is set.",
       .choices = {"auto", "always", "never"},
       .fingerprint = false});
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
            "Words in double quotes inside the query are a phrase; with ~3 right behind them, "
            "words in any order with at most three others between. In every mode + right before a "
            "word or a quote demands it, - refuses it; write such a query as one argument behind "
            "--. NAME:VALUE with the name of a field (see weir fields) demands that of the "
            "document, as in title:weir or author:\"donald knuth\" or -tags:draft; "
            "--where says more. Exit code 1 when nothing is found.",
        .min_arguments = 1,
        .max_arguments = -1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    const std::string said = absl::StrJoin(arguments, " ");
    options_.search.signs = true;
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kRead));
    WEIR_ASSIGN_OR_RETURN(const std::string query, TakeFields(said, *store));
    store->SetBm25(options_.bm25);
    if (!options_.language.empty()) {
      WEIR_RETURN_IF_ERROR(store->SetQueryLanguage(options_.language,
                                                    options_.search.tenant.empty()));
    }
    WEIR_ASSIGN_OR_RETURN(SearchModels models, LoadEncoders(*store, options_.encoder,
                                                            options_.search, session));
    WEIR_RETURN_IF_ERROR(InsteadOfUnknownWords(query, *store, session, models));
    WEIR_RETURN_IF_ERROR(
        LoadRerankers(options_.search.rerank, options_.model, session, models));
    WEIR_ASSIGN_OR_RETURN(
        auto pipeline,
        retrieve::Pipeline::Make(*store, models.Borrow(), options_.search, session.registry()));
    const int64_t start = session.context().now_ns();
    WEIR_ASSIGN_OR_RETURN(std::vector<text::Hit> hits, pipeline->Search(query, session.context()));
    const double took_us = (session.context().now_ns() - start) * 1e-3;
    WEIR_ASSIGN_OR_RETURN(const std::shared_ptr<const index::Scope> scope,
                          store->MakeScope(options_.search.scope()));
    WEIR_RETURN_IF_ERROR(store->Highlight(query, hits, scope.get()));
    constexpr size_t kSuggestions = 3;
    WEIR_ASSIGN_OR_RETURN(
        const std::vector<text::Spelling> spelling,
        store->SuggestSpelling(query, kSuggestions, session.context(), scope.get()));
    const std::string better = Respelled(said, spelling);
    if (session.json()) {
      session.Print(text::SearchToJson({said, hits, took_us, spelling, better}));
    } else {
      for (const text::Hit& hit : hits) session.Print(Describe(hit));
      if (hits.empty()) session.Note("nothing found");
      if (!better.empty()) session.Note(absl::StrCat("did you mean: ", better));
    }
    if (options_.explain && !session.json()) {
      WEIR_RETURN_IF_ERROR(Explain(query, hits, *store, scope.get(), session));
      WEIR_RETURN_IF_ERROR(ExplainSparse(query, hits, *store, models, scope.get(), session));
    }
    return hits.empty() ? kExitNothing : kExitDone;
  }

 private:
  // A sparse query by words, none of which the vocabulary knows, goes to the dense vectors if there
  // are any.
  absl::Status InsteadOfUnknownWords(const std::string& query, index::Store& store,
                                     Session& session, SearchModels& models) {
    if (models.vocabulary == nullptr) return absl::OkStatus();
    const std::vector<int32_t> words = models.vocabulary->Words(query);
    const bool known = std::any_of(words.begin(), words.end(), [](int32_t t) { return t >= 0; });
    if (words.empty() || known) return absl::OkStatus();
    const bool dense = options_.search.mode == "sparse" && store.has_vectors();
    session.Note(absl::StrCat("no word of the query is in the vocabulary of ",
                              models.vocabulary->name(),
                              dense ? "; searching by --mode dense" : ""));
    if (!dense) return absl::OkStatus();
    options_.search.mode = "dense";
    WEIR_ASSIGN_OR_RETURN(models,
                          LoadEncoders(store, options_.encoder, options_.search, session));
    return absl::OkStatus();
  }

  // Fields that the query names join --where; what is left is returned.
  absl::StatusOr<std::string> TakeFields(const std::string& said, const index::Store& store) {
    WEIR_ASSIGN_OR_RETURN(index::FieldedQuery fielded,
                          store.SplitFields(said, options_.search.tenant));
    std::string& where = options_.search.where;
    if (!fielded.where.empty()) {
      where = where.empty() ? fielded.where : absl::StrCat("(", where, ") and ", fielded.where);
    }
    return std::move(fielded.text);
  }

  // The query with the best suggestions; "" when there is none.
  static std::string Respelled(std::string_view query,
                               const std::vector<text::Spelling>& spelling) {
    std::string out;
    int64_t at = 0;
    bool any = false;
    for (const text::Spelling& word : spelling) {
      if (word.suggestions.empty()) continue;
      absl::StrAppend(&out, query.substr(at, word.span.start - at), word.suggestions[0].text);
      at = word.span.end;
      any = true;
    }
    return any ? absl::StrCat(out, query.substr(at)) : "";
  }

  bool Bold() const {
    if (options_.color != "auto") return options_.color == "always";
    const char* term = std::getenv("TERM");
    const char* none = std::getenv("NO_COLOR");
    return ::isatty(STDOUT_FILENO) != 0 && (none == nullptr || *none == 0) && term != nullptr &&
           std::string_view(term) != "dumb";
  }

  // The snippet on one line, with what matched in bold.
  std::string Excerpt(const text::Hit& hit) const {
    const text::Span shown = hit.snippet, whole = hit.passage.span;
    const bool bold = Bold();
    std::string out = shown.start > whole.start ? "... " : "";
    int64_t at = shown.start;
    const auto to = [&](int64_t end) {
      for (; at < end; ++at) {
        const char c = hit.passage.text[at - whole.start];
        out.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c);
      }
    };
    for (const text::Span& mark : hit.marks) {
      if (!bold || mark.end <= shown.start || mark.start >= shown.end) continue;
      to(mark.start);
      out += "\x1b[1m";
      to(std::min(mark.end, shown.end));
      out += "\x1b[0m";
    }
    to(shown.end);
    if (shown.end < whole.end) out += " ...";
    return out;
  }

  std::string Describe(const text::Hit& hit) const {
    std::string out = absl::StrFormat("%2d  %.4f  %s", hit.rank, hit.score, hit.document.path);
    if (hit.passage.page > 0) absl::StrAppend(&out, ", page ", hit.passage.page);
    absl::StrAppend(&out, " [", hit.passage.span.start, "-", hit.passage.span.end, "]");
    if (options_.explain) {
      for (const auto& [stage, score] : hit.scores)
        absl::StrAppendFormat(&out, "  %s=%.4f", stage, score);
    }
    absl::StrAppend(&out, "\n      ", Excerpt(hit));
    return out;
  }

  absl::Status Explain(const std::string& query, const std::vector<text::Hit>& hits,
                       const index::Store& store, const index::Scope* scope,
                       Session& session) const {
    for (const text::Hit& hit : hits) {
      WEIR_ASSIGN_OR_RETURN(auto terms, store.ExplainLexical(query, hit.passage.id, scope));
      session.Print(absl::StrFormat("%2d  terms:", hit.rank));
      for (const index::TermScore& t : terms) {
        session.Print(absl::StrFormat("      %-20s df %d  tf %d  idf %.4f  score %.4f", t.term,
                                      t.document_frequency, t.frequency, t.idf, t.score));
      }
    }
    return absl::OkStatus();
  }

  // The terms that sparse hits share with the query.
  absl::Status ExplainSparse(const std::string& text, const std::vector<text::Hit>& hits,
                             const index::Store& store, const SearchModels& models,
                             const index::Scope* scope, Session& session) const {
    const retrieve::Resources resources{.store = store,
                                        .options = options_.search,
                                        .sparse_encoder = models.sparse.get(),
                                        .vocabulary = models.vocabulary.get(),
                                        .scope = scope};
    retrieve::Query query;
    query.text = text;
    for (const text::Hit& hit : hits) {
      if (!hit.scores.contains("sparse")) continue;
      WEIR_ASSIGN_OR_RETURN(
          const std::vector<retrieve::SharedTerm> shared,
          retrieve::ExplainSparse(query, hit.passage.id, resources, session.context()));
      session.Print(absl::StrFormat("%2d  sparse terms:", hit.rank));
      for (const retrieve::SharedTerm& t : shared) {
        session.Print(absl::StrFormat("      %-20s query %.4f  passage %.4f  score %.4f", t.name,
                                      t.query, t.passage, t.score));
      }
    }
    return absl::OkStatus();
  }

  SearchVerbOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeSearchVerb() { return std::make_unique<SearchVerb>(); }

}  // namespace weir::cli
