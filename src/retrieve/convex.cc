#include "retrieve/convex.h"

#include <vector>

#include "base/status.h"
#include "retrieve/normalise.h"
#include "tensor/vector.h"

namespace weir::retrieve {
namespace {

absl::Status FillMissing(Query& query, const Resources& resources) {
  for (Candidate& candidate : query.candidates) {
    if (!candidate.scores.contains("dense")) {
      WEIR_ASSIGN_OR_RETURN(const std::vector<float> vector,
                            resources.store.GetVector(candidate.passage));
      // A passage whose vector is still pending ranks by its words alone.
      candidate.scores["dense"] =
          vector.size() == query.vector.size()
              ? tensor::Dot(query.vector.data(), vector.data(), vector.size())
              : 0.0;
    }
    if (!candidate.scores.contains("bm25")) {
      WEIR_ASSIGN_OR_RETURN(const std::vector<index::TermScore> terms,
                            resources.store.ExplainLexical(query.text, candidate.passage,
                                                           resources.scope));
      double sum = 0;
      for (const index::TermScore& term : terms) sum += term.score;
      candidate.scores["bm25"] = sum;
    }
  }
  return absl::OkStatus();
}

// One stage's score of each candidate, on the scale of all of them.
std::vector<double> Normalised(const Query& query, const std::string& stage) {
  std::vector<double> scores;
  for (const Candidate& candidate : query.candidates) scores.push_back(candidate.scores.at(stage));
  Normalise(scores);
  return scores;
}

}  // namespace

absl::Status ConvexStage::Run(Query& query, const Resources& resources,
                              const Context& context) const {
  WEIR_RETURN_IF_ERROR(EnsureVector(query, resources, context));
  WEIR_RETURN_IF_ERROR(FillMissing(query, resources));
  const std::vector<double> lexical = Normalised(query, "bm25");
  const std::vector<double> dense = Normalised(query, "dense");
  const double alpha = resources.options.fuse.alpha;
  for (size_t i = 0; i < query.candidates.size(); ++i) {
    Candidate& candidate = query.candidates[i];
    candidate.score = alpha * dense[i] + (1 - alpha) * lexical[i];
    candidate.scores["convex"] = candidate.score;
  }
  return absl::OkStatus();
}

void RegisterConvex(Registry& registry) {
  registry.Add<RetrievalStage>("convex", "Fuses by a weighted sum of normalised scores.",
                               [](const OptionTable&) { return std::make_unique<ConvexStage>(); });
}

}  // namespace weir::retrieve
