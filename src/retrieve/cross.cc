#include "retrieve/cross.h"

#include <algorithm>
#include <vector>

#include "base/status.h"
#include "retrieve/rerank.h"

namespace weir::retrieve {

absl::Status CrossStage::Run(Query& query, const Resources& resources,
                             const Context& context) const {
  if (resources.scorer == nullptr) {
    return absl::FailedPreconditionError("rerank: cross needs a cross-encoder; none is loaded");
  }
  return Rerank(query, resources, "cross",
                [&](std::span<const std::string_view> texts, std::span<double> scores) {
                  std::vector<float> out(texts.size());
                  WEIR_RETURN_IF_ERROR(resources.scorer->Score(query.text, texts, out, context));
                  std::copy(out.begin(), out.end(), scores.begin());
                  return absl::OkStatus();
                });
}

void RegisterCross(Registry& registry) {
  registry.Add<RetrievalStage>("cross", "Reranks by a model that reads question and passage.",
                               [](const OptionTable&) { return std::make_unique<CrossStage>(); });
}

}  // namespace weir::retrieve
