#include "retrieve/bm25.h"

#include "base/status.h"
#include "index/lexical/query.h"

namespace weir::retrieve {

absl::Status Bm25Stage::Run(Query& query, const Resources& resources,
                            const Context& context) const {
  const std::string text =
      resources.options.signs ? query.text : index::WithoutSigns(query.text);
  WEIR_ASSIGN_OR_RETURN(
      const std::vector<index::Scored> found,
      resources.store.SearchLexical(text, resources.options.fuse.fetch, context, resources.scope));
  for (const index::Scored& hit : found) {
    Candidate& candidate = query.At(hit.passage);
    candidate.scores["bm25"] = hit.score;
    candidate.score = hit.score;
  }
  return absl::OkStatus();
}

void RegisterBm25(Registry& registry) {
  registry.Add<RetrievalStage>("bm25", "Fetches passages by BM25.",
                               [](const OptionTable&) { return std::make_unique<Bm25Stage>(); });
}

}  // namespace weir::retrieve
