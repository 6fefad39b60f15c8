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
  query.Add(found, "multi");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> MultiStage::Score(std::span<const int64_t> passages,
                                                      Query& query, const Resources& resources,
                                                      const Context& context) const {
  WEIR_RETURN_IF_ERROR(EnsureTokens(query, resources, context));
  if (query.tokens.empty()) return std::vector<double>(passages.size());
  WEIR_ASSIGN_OR_RETURN(const std::vector<float> scores,
                        resources.store.ScoreMulti(query.tokens, passages));
  return std::vector<double>(scores.begin(), scores.end());
}

void RegisterMulti(Registry& registry) {
  registry.Add<RetrievalStage>("multi", "Fetches passages by the vectors of their tokens.",
                               [](const OptionTable&) { return std::make_unique<MultiStage>(); });
}

}  // namespace weir::retrieve
