#include "retrieve/convex.h"

#include <vector>

#include "base/status.h"
#include "retrieve/normalise.h"

namespace weir::retrieve {
namespace {

// Every candidate's score of the kind; what its search did not return is computed.
absl::StatusOr<std::vector<double>> ScoresOf(const FusedKind& kind, Query& query,
                                             const Resources& resources, const Context& context) {
  std::vector<int64_t> missing;
  for (const Candidate& candidate : query.candidates) {
    if (!candidate.scores.contains(kind.name)) missing.push_back(candidate.passage);
  }
  if (!missing.empty()) {
    WEIR_ASSIGN_OR_RETURN(const std::vector<double> filled,
                          kind.stage->Score(missing, query, resources, context));
    for (size_t i = 0; i < missing.size(); ++i)
      query.At(missing[i]).scores[kind.name] = filled[i];
  }
  std::vector<double> scores;
  for (const Candidate& candidate : query.candidates)
    scores.push_back(candidate.scores.at(kind.name));
  return scores;
}

}  // namespace

absl::Status ConvexStage::Run(Query& query, const Resources& resources,
                              const Context& context) const {
  std::vector<double> sums(query.candidates.size());
  for (const FusedKind& kind : resources.fused) {
    WEIR_ASSIGN_OR_RETURN(std::vector<double> scores,
                          ScoresOf(kind, query, resources, context));
    Normalise(scores);
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += kind.weight * scores[i];
  }
  for (size_t i = 0; i < sums.size(); ++i) {
    query.candidates[i].score = query.candidates[i].scores["convex"] = sums[i];
  }
  return absl::OkStatus();
}

void RegisterConvex(Registry& registry) {
  registry.Add<RetrievalStage>("convex", "Fuses by a weighted sum of normalised scores.",
                               [](const OptionTable&) { return std::make_unique<ConvexStage>(); });
}

}  // namespace weir::retrieve
