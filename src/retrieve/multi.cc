#include "retrieve/multi.h"

#include "base/status.h"

namespace weir::retrieve {

absl::Status MultiStage::Run(Query& query, const Resources& resources,
                             const Context& context) const {
  WEIR_RETURN_IF_ERROR(EnsureTokens(query, resources, context));
  if (query.tokens.empty()) return absl::OkStatus();  // no word in it
  WEIR_ASSIGN_OR_RETURN(
      const std::vector<index::Scored> found,
      resources.store.SearchMulti(query.tokens, resources.options.fuse.fetch,
                                  resources.options.multi, context, resources.scope));
  for (const index::Scored& hit : found) {
    Candidate& candidate = query.At(hit.passage);
    candidate.scores["multi"] = hit.score;
    candidate.score = hit.score;
  }
  return absl::OkStatus();
}

void RegisterMulti(Registry& registry) {
  registry.Add<RetrievalStage>("multi", "Fetches passages by the vectors of their tokens.",
                               [](const OptionTable&) { return std::make_unique<MultiStage>(); });
}

}  // namespace weir::retrieve
