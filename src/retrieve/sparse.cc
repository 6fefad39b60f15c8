#include "retrieve/sparse.h"

#include <algorithm>

#include "base/status.h"

namespace weir::retrieve {

absl::StatusOr<std::vector<SharedTerm>> ExplainSparse(Query& query, int64_t passage,
                                                      const Resources& resources,
                                                      const Context& context) {
  WEIR_RETURN_IF_ERROR(EnsureTerms(query, resources, context));
  const absl::StatusOr<text::SparseVector> vector = resources.store.GetSparseVector(passage);
  std::vector<SharedTerm> shared;
  if (absl::IsNotFound(vector.status())) return shared;  // not encoded yet
  WEIR_RETURN_IF_ERROR(vector.status());
  const text::TermVocabulary& vocabulary =
      resources.vocabulary != nullptr ? *resources.vocabulary : *resources.sparse_encoder;
  WEIR_ASSIGN_OR_RETURN(const index::SparseQuery terms,
                        index::MakeSparseQuery(query.terms, index::kMaxSparseVocabulary));
  for (const index::SparseQuery::Term& t : terms.terms) {
    const auto at = std::lower_bound(vector->begin(), vector->end(), int32_t{t.term},
                                     [](const auto& w, int32_t term) { return w.term < term; });
    if (at == vector->end() || at->term != t.term) continue;
    const float weight = static_cast<float>(t.weight) * terms.step;
    shared.push_back({vocabulary.Term(t.term), weight, at->weight, weight * at->weight});
  }
  std::stable_sort(shared.begin(), shared.end(),
                   [](const auto& a, const auto& b) { return a.score > b.score; });
  return shared;
}

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
