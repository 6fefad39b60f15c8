#include "retrieve/bm25.h"

#include "base/status.h"
#include "index/lexical/query.h"

namespace weir::retrieve {
namespace {

std::string TextOf(const Query& query, const Resources& resources) {
  return resources.options.signs ? query.text : index::WithoutSigns(query.text);
}

}  // namespace

absl::Status Bm25Stage::Run(Query& query, const Resources& resources,
                            const Context& context) const {
  const std::string text = TextOf(query, resources);
  WEIR_ASSIGN_OR_RETURN(
      const std::vector<index::Scored> found,
      resources.store.SearchLexical(text, resources.options.fuse.fetch, context, resources.scope));
  query.Add(found, "bm25");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> Bm25Stage::Score(std::span<const int64_t> passages,
                                                     Query& query, const Resources& resources,
                                                     const Context& context) const {
  const std::string text = TextOf(query, resources);
  std::vector<double> scores;
  for (const int64_t passage : passages) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    WEIR_ASSIGN_OR_RETURN(const std::vector<index::TermScore> terms,
                          resources.store.ExplainLexical(text, passage, resources.scope));
    double sum = 0;
    for (const index::TermScore& term : terms) sum += term.score;
    scores.push_back(sum);
  }
  return scores;
}

void RegisterBm25(Registry& registry) {
  registry.Add<RetrievalStage>("bm25", "Fetches passages by BM25.",
                               [](const OptionTable&) { return std::make_unique<Bm25Stage>(); });
}

}  // namespace weir::retrieve
