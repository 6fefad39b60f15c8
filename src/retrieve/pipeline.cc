#include "retrieve/pipeline.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "index/lexical/query.h"
#include "retrieve/dense.h"
#include "retrieve/stage.h"

namespace weir::retrieve {
namespace {

// The stages of each mode, in order.
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
      {"hybrid", {}}};  // what is fused, then the fusion
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

constexpr std::string_view kKinds[] = {"bm25", "dense", "sparse", "multi"};
constexpr double kLargestWeight = 1e6;

// What is fused where nobody says.
const std::vector<std::string>& KindsOf(const FusionOptions& options) {
  static const auto& words_and_vectors = *new std::vector<std::string>{"bm25", "dense"};
  return options.kinds.empty() ? words_and_vectors : options.kinds;
}

// That of dense@NAME; "" of another kind.
std::string_view EncoderOf(std::string_view kind) {
  return kind.starts_with(kDenseOf) ? kind.substr(kDenseOf.size()) : std::string_view();
}

absl::StatusOr<std::vector<FusedKind>> ParseFused(const FusionOptions& options) {
  std::vector<FusedKind> fused;
  double sum = 0;
  for (const std::string& item : KindsOf(options)) {
    const std::vector<std::string> parts = absl::StrSplit(item, absl::MaxSplits(':', 1));
    FusedKind kind{.name = parts[0], .weight = 1};
    if (std::find(std::begin(kKinds), std::end(kKinds), kind.name) == std::end(kKinds) &&
        EncoderOf(kind.name).empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("fuse: ", item, "; expected bm25, dense, sparse, multi or dense@ENCODER"));
    }
    if (parts.size() == 2 && (!absl::SimpleAtod(parts[1], &kind.weight) ||
                              !(kind.weight > 0) || kind.weight > kLargestWeight)) {
      return absl::InvalidArgumentError(
          absl::StrCat("fuse: ", item, "; expected a weight above 0, as ", kind.name, ":2"));
    }
    for (const FusedKind& other : fused) {
      if (other.name == kind.name)
        return absl::InvalidArgumentError(absl::StrCat("fuse: ", kind.name, " twice"));
    }
    sum += kind.weight;
    fused.push_back(std::move(kind));
  }
  for (FusedKind& kind : fused) kind.weight /= sum;
  return fused;
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

  void SearchesBeyondWords() { beyond_words_ = true; }

  absl::Status AddHybrid(const Registry& registry) {
    WEIR_ASSIGN_OR_RETURN(fused_, ParseFused(options_.fuse));
    for (FusedKind& kind : fused_) {
      const std::string_view encoder = EncoderOf(kind.name);
      if (encoder.empty()) {
        WEIR_RETURN_IF_ERROR(Add(kind.name, registry));
      } else {
        stages_.push_back(std::make_unique<DenseStage>(std::string(encoder)));
      }
      kind.stage = stages_.back().get();
    }
    return Add(options_.fuse.fusion, registry);
  }

  absl::StatusOr<std::vector<text::Hit>> Search(std::string_view query_text,
                                                const Context& context) const override {
    Query query;
    query.words = options_.signs ? std::string(query_text) : index::WithoutSigns(query_text);
    query.text = options_.signs ? index::WithoutRefused(query_text) : std::string(query_text);
    const bool asks_nothing = query.text.find_first_not_of(" \t\n") == std::string::npos;
    WEIR_ASSIGN_OR_RETURN(std::shared_ptr<const index::Scope> scope,
                          store_.MakeScope(options_.scope()));
    // Search by words alone keeps to the signs itself.
    if (options_.signs && (beyond_words_ || asks_nothing)) {
      WEIR_ASSIGN_OR_RETURN(scope, store_.NarrowBySigns(query.words, std::move(scope)));
    }
    if (scope != nullptr && scope->allowed().ids().empty()) return std::vector<text::Hit>();
    if (scope != nullptr && asks_nothing) return Listed(std::move(query), *scope);
    const Resources resources{.store = store_,
                              .encoder = encoders_.dense,
                              .options = options_,
                              .sparse_encoder = encoders_.sparse,
                              .vocabulary = encoders_.vocabulary != nullptr ? encoders_.vocabulary
                                                                            : encoders_.sparse,
                              .token_encoder = encoders_.tokens,
                              .scorer = encoders_.scorer,
                              .completer = encoders_.completer,
                              .scope = scope.get(),
                              .beside = encoders_.beside,
                              .fused = fused_};
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
  std::vector<FusedKind> fused_;
  bool beyond_words_ = false;
};

}  // namespace

absl::StatusOr<ModeNeeds> NeedsOf(std::string_view mode, const FusionOptions& fuse) {
  WEIR_ASSIGN_OR_RETURN(const Mode* chosen, FindMode(mode));
  std::vector<std::string> stages(chosen->stages.begin(), chosen->stages.end());
  if (stages.empty()) {
    WEIR_ASSIGN_OR_RETURN(const std::vector<FusedKind> fused, ParseFused(fuse));
    for (const FusedKind& kind : fused) stages.push_back(kind.name);
  }
  ModeNeeds needs;
  for (const std::string& stage : stages) {
    needs.dense |= stage == "dense";
    needs.sparse |= stage == "sparse";
    needs.multi |= stage == "multi";
    if (const std::string_view encoder = EncoderOf(stage); !encoder.empty())
      needs.beside.emplace_back(encoder);
  }
  return needs;
}

absl::StatusOr<std::unique_ptr<Pipeline>> Pipeline::Make(const index::Store& store,
                                                         Encoders encoders,
                                                         const SearchOptions& options,
                                                         const Registry& registry) {
  auto pipeline = std::make_unique<StagePipeline>(store, encoders, options);
  WEIR_ASSIGN_OR_RETURN(const Mode* chosen, FindMode(options.mode));
  WEIR_ASSIGN_OR_RETURN(const ModeNeeds needs, NeedsOf(options.mode, options.fuse));
  if (needs.dense || needs.sparse || needs.multi || !needs.beside.empty())
    pipeline->SearchesBeyondWords();
  for (std::string_view stage : chosen->stages)
    WEIR_RETURN_IF_ERROR(pipeline->Add(stage, registry));
  if (chosen->stages.empty()) WEIR_RETURN_IF_ERROR(pipeline->AddHybrid(registry));
  if (options.dedupe) WEIR_RETURN_IF_ERROR(pipeline->Add("dedupe", registry));
  if (options.rerank.rereads()) {
    WEIR_RETURN_IF_ERROR(pipeline->Add(options.rerank.rerank, registry));
  }
  if (options.rerank.spreads()) WEIR_RETURN_IF_ERROR(pipeline->Add("mmr", registry));
  return pipeline;
}

}  // namespace weir::retrieve
