#include "retrieve/dense.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "tensor/vector.h"

namespace weir::retrieve {

absl::Status DenseStage::Run(Query& query, const Resources& resources,
                             const Context& context) const {
  WEIR_ASSIGN_OR_RETURN(const std::span<const float> vector,
                        VectorOf(encoder_, query, resources, context));
  const int64_t fetch = resources.options.fuse.fetch;
  absl::StatusOr<std::vector<index::Scored>> found =
      encoder_.empty()
          ? resources.store.SearchDense(vector, fetch, context, resources.scope)
          : resources.store.SearchBeside(encoder_, vector, fetch, context, resources.scope);
  if (!found.ok()) return found.status();
  query.Add(*found, encoder_.empty() ? "dense" : absl::StrCat(kDenseOf, encoder_));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> DenseStage::Score(std::span<const int64_t> passages,
                                                      Query& query, const Resources& resources,
                                                      const Context& context) const {
  WEIR_ASSIGN_OR_RETURN(const std::span<const float> of_query,
                        VectorOf(encoder_, query, resources, context));
  std::vector<double> scores;
  for (const int64_t passage : passages) {
    const absl::StatusOr<std::vector<float>> vector =
        encoder_.empty() ? resources.store.GetVector(passage)
                         : resources.store.GetVectorBeside(encoder_, passage);
    if (!vector.ok() && !absl::IsNotFound(vector.status())) return vector.status();
    scores.push_back(vector.ok() && vector->size() == of_query.size()
                         ? tensor::Dot(of_query.data(), vector->data(), vector->size())
                         : 0.0);
  }
  return scores;
}

void RegisterDense(Registry& registry) {
  registry.Add<RetrievalStage>("dense", "Fetches passages by vector similarity.",
                               [](const OptionTable&) { return std::make_unique<DenseStage>(); });
}

}  // namespace weir::retrieve
