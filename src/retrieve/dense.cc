#include "retrieve/dense.h"

#include "base/status.h"

namespace weir::retrieve {

absl::Status DenseStage::Run(Query& query, const Resources& resources,
                             const Context& context) const {
  WEIR_RETURN_IF_ERROR(EnsureVector(query, resources, context));
  WEIR_ASSIGN_OR_RETURN(
      const std::vector<index::Scored> found,
      resources.store.SearchDense(query.vector, resources.options.fuse.fetch, context,
                                  resources.scope));
  for (const index::Scored& hit : found) {
    Candidate& candidate = query.At(hit.passage);
    candidate.scores["dense"] = hit.score;
    candidate.score = hit.score;
  }
  return absl::OkStatus();
}

void RegisterDense(Registry& registry) {
  registry.Add<RetrievalStage>("dense", "Fetches passages by vector similarity.",
                               [](const OptionTable&) { return std::make_unique<DenseStage>(); });
}

}  // namespace weir::retrieve
