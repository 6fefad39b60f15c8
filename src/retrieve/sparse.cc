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
  query.Add(found, "sparse");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> SparseStage::Score(std::span<const int64_t> passages,
                                                       Query& query, const Resources& resources,
                                                       const Context& context) const {
  WEIR_RETURN_IF_ERROR(EnsureTerms(query, resources, context));
  WEIR_ASSIGN_OR_RETURN(const std::vector<float> scores,
                        resources.store.ScoreSparse(query.terms, passages));
  return std::vector<double>(scores.begin(), scores.end());
}

void RegisterSparse(Registry& registry) {
  registry.Add<RetrievalStage>("sparse", "Fetches passages by learned term weights.",
                               [](const OptionTable&) { return std::make_unique<SparseStage>(); });
}

}  // namespace weir::retrieve
