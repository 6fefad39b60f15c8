#include "retrieve/dense.h"

#include "base/status.h"
#include "tensor/vector.h"

namespace weir::retrieve {

absl::Status DenseStage::Run(Query& query, const Resources& resources,
                             const Context& context) const {
  WEIR_RETURN_IF_ERROR(EnsureVector(query, resources, context));
  WEIR_ASSIGN_OR_RETURN(
      const std::vector<index::Scored> found,
      resources.store.SearchDense(query.vector, resources.options.fuse.fetch, context,
                                  resources.scope));
  query.Add(found, "dense");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> DenseStage::Score(std::span<const int64_t> passages,
                                                      Query& query, const Resources& resources,
                                                      const Context& context) const {
  WEIR_RETURN_IF_ERROR(EnsureVector(query, resources, context));
  std::vector<double> scores;
  for (const int64_t passage : passages) {
    const absl::StatusOr<std::vector<float>> vector = resources.store.GetVector(passage);
    if (!vector.ok() && !absl::IsNotFound(vector.status())) return vector.status();
    scores.push_back(vector.ok() && vector->size() == query.vector.size()
                         ? tensor::Dot(query.vector.data(), vector->data(), vector->size())
                         : 0.0);
  }
  return scores;
}

void RegisterDense(Registry& registry) {
  registry.Add<RetrievalStage>("dense", "Fetches passages by vector similarity.",
                               [](const OptionTable&) { return std::make_unique<DenseStage>(); });
}

}  // namespace weir::retrieve
