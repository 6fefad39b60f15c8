#include "retrieve/bm25.h"

#include "base/status.h"

namespace weir::retrieve {

absl::Status Bm25Stage::Run(Query& query, const Resources& resources,
                            const Context& context) const {
  WEIR_ASSIGN_OR_RETURN(const std::vector<index::Scored> found,
                        resources.store.SearchLexical(query.words, resources.options.fuse.fetch,
                                                      context, resources.scope));
  query.Add(found, "bm25");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> Bm25Stage::Score(std::span<const int64_t> passages,
                                                     Query& query, const Resources& resources,
                                                     const Context& context) const {
  std::vector<double> scores;
  for (const int64_t passage : passages) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    WEIR_ASSIGN_OR_RETURN(const std::vector<index::TermScore> terms,
                          resources.store.ExplainLexical(query.words, passage, resources.scope));
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
