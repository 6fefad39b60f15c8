#include "retrieve/sparse.h"

#include "base/status.h"

namespace weir::retrieve {

absl::Status SparseStage::Run(Query& query, const Resources& resources,
                              const Context& context) const {
  WEIR_RETURN_IF_ERROR(EnsureTerms(query, resources, context));
  const index::SparseSearchOptions options{.exact = resources.options.sparse.search == "exact"};
  WEIR_ASSIGN_OR_RETURN(
      const std::vector<index::Scored> found,
      resources.store.SearchSparse(query.terms, resources.options.fuse.fetch, options, context,
                                   resources.scope));
  for (const index::Scored& hit : found) {
    Candidate& candidate = query.At(hit.passage);
    candidate.scores["sparse"] = hit.score;
    candidate.score = hit.score;
  }
  return absl::OkStatus();
}

void RegisterSparse(Registry& registry) {
  registry.Add<RetrievalStage>("sparse", "Fetches passages by learned term weights.",
                               [](const OptionTable&) { return std::make_unique<SparseStage>(); });
}

}  // namespace weir::retrieve
