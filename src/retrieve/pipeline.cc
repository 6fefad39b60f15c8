#include "retrieve/pipeline.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "retrieve/stage.h"

namespace weir::retrieve {
namespace {

// The stages of each mode, in order; "@fusion" stands for the option's value.
struct Mode {
  std::string_view name;
  std::vector<std::string_view> stages;
};
const std::vector<Mode>& Modes() {
  static const auto& modes = *new std::vector<Mode>{
      {"lexical", {"bm25"}},
      {"bm25", {"bm25"}},  // as the field's tables call it
      {"dense", {"dense"}},
      {"sparse", {"sparse"}},
      {"multi", {"multi"}},
      {"multivector", {"multi"}},
      {"hybrid", {"bm25", "dense", "@fusion"}}};
  return modes;
}

absl::StatusOr<const Mode*> FindMode(std::string_view name) {
  for (const Mode& mode : Modes()) {
    if (mode.name == name) return &mode;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "mode: ", name,
      "; expected lexical (or bm25), dense, sparse, multi (or multivector) or hybrid"));
}

class StagePipeline : public Pipeline {
 public:
  StagePipeline(const index::Store& store, Encoders encoders, SearchOptions options)
      : store_(store), encoders_(encoders), options_(std::move(options)) {}

  absl::Status Add(std::string_view name, const Registry& registry) {
    OptionTable none;
    WEIR_ASSIGN_OR_RETURN(auto stage, registry.Make<RetrievalStage>(name, none));
    stages_.push_back(std::move(stage));
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<text::Hit>> Search(std::string_view query_text,
                                                const Context& context) const override {
    Query query;
    query.text = std::string(query_text);
    WEIR_ASSIGN_OR_RETURN(const std::shared_ptr<const index::Scope> scope,
                          store_.MakeScope(options_.scope()));
    if (scope != nullptr && scope->allowed().ids().empty()) return std::vector<text::Hit>();
    if (scope != nullptr && query.text.find_first_not_of(" \t\n") == std::string::npos)
      return Listed(std::move(query), *scope);
    const Resources resources{.store = store_,
                              .encoder = encoders_.dense,
                              .options = options_,
                              .sparse_encoder = encoders_.sparse,
                              .token_encoder = encoders_.tokens,
                              .scorer = encoders_.scorer,
                              .completer = encoders_.completer,
                              .scope = scope.get()};
    for (const auto& stage : stages_) {
      WEIR_RETURN_IF_ERROR(context.CheckCancelled());
      WEIR_RETURN_IF_ERROR(stage->Run(query, resources, context));
    }
    query.Sort();
    if (query.candidates.size() > static_cast<size_t>(options_.top_k)) {
      query.candidates.resize(options_.top_k);
    }
    return ToHits(query, scope.get());
  }

 private:
  // A query without words that a filter narrows asks for what there is: each document once.
  absl::StatusOr<std::vector<text::Hit>> Listed(Query query, const index::Scope& scope) const {
    WEIR_ASSIGN_OR_RETURN(const std::vector<int64_t> first,
                          store_.FirstPassages(scope, options_.top_k));
    for (const int64_t passage : first) query.At(passage);
    return ToHits(query, &scope);
  }

  absl::StatusOr<std::vector<text::Hit>> ToHits(const Query& query,
                                                const index::Scope* scope) const {
    std::vector<text::Hit> hits;
    for (const Candidate& candidate : query.candidates) {
      // Whatever a stage did: grants and filter decide.
      if (scope != nullptr && !scope->allowed().Contains(candidate.passage)) {
        return absl::InternalError("a search stage left its scope");
      }
      text::Hit hit;
      hit.rank = static_cast<int>(hits.size()) + 1;
      hit.score = candidate.score;
      hit.scores = candidate.scores;
      WEIR_ASSIGN_OR_RETURN(hit.passage, store_.GetPassage(candidate.passage));
      WEIR_ASSIGN_OR_RETURN(hit.document, store_.GetDocument(hit.passage.document));
      hits.push_back(std::move(hit));
    }
    return hits;
  }

  const index::Store& store_;
  Encoders encoders_;
  SearchOptions options_;
  std::vector<std::unique_ptr<RetrievalStage>> stages_;
};

}  // namespace

absl::StatusOr<ModeNeeds> NeedsOf(std::string_view mode) {
  WEIR_ASSIGN_OR_RETURN(const Mode* chosen, FindMode(mode));
  ModeNeeds needs;
  for (std::string_view stage : chosen->stages) {
    needs.dense |= stage == "dense";
    needs.sparse |= stage == "sparse";
    needs.multi |= stage == "multi";
  }
  return needs;
}

absl::StatusOr<std::unique_ptr<Pipeline>> Pipeline::Make(const index::Store& store,
                                                         Encoders encoders,
                                                         const SearchOptions& options,
                                                         const Registry& registry) {
  auto pipeline = std::make_unique<StagePipeline>(store, encoders, options);
  WEIR_ASSIGN_OR_RETURN(const Mode* chosen, FindMode(options.mode));
  for (std::string_view stage : chosen->stages) {
    WEIR_RETURN_IF_ERROR(pipeline->Add(
        stage == "@fusion" ? std::string_view(options.fuse.fusion) : stage, registry));
  }
  if (options.dedupe) WEIR_RETURN_IF_ERROR(pipeline->Add("dedupe", registry));
  if (options.rerank.rereads()) {
    WEIR_RETURN_IF_ERROR(pipeline->Add(options.rerank.rerank, registry));
  }
  if (options.rerank.spreads()) WEIR_RETURN_IF_ERROR(pipeline->Add("mmr", registry));
  return pipeline;
}

}  // namespace weir::retrieve
