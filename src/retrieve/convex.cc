#include "retrieve/convex.h"

#include <cmath>

#include "base/status.h"
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

// Mean and deviation of one score over the candidates.
struct Scale {
  double mean = 0, deviation = 0;
  double Normalise(double s) const { return deviation > 0 ? (s - mean) / deviation : 0; }
};

Scale ScaleOf(const Query& query, const std::string& stage) {
  Scale scale;
  double squares = 0;
  const double n = static_cast<double>(query.candidates.size());
  for (const Candidate& candidate : query.candidates) scale.mean += candidate.scores.at(stage) / n;
  for (const Candidate& candidate : query.candidates) {
    const double d = candidate.scores.at(stage) - scale.mean;
    squares += d * d / n;
  }
  scale.deviation = std::sqrt(squares);
  return scale;
}

}  // namespace

absl::Status ConvexStage::Run(Query& query, const Resources& resources,
                              const Context& context) const {
  WEIR_RETURN_IF_ERROR(EnsureVector(query, resources, context));
  WEIR_RETURN_IF_ERROR(FillMissing(query, resources));
  const Scale lexical = ScaleOf(query, "bm25");
  const Scale dense = ScaleOf(query, "dense");
  const double alpha = resources.options.fuse.alpha;
  for (Candidate& candidate : query.candidates) {
    candidate.score = alpha * dense.Normalise(candidate.scores["dense"]) +
                      (1 - alpha) * lexical.Normalise(candidate.scores["bm25"]);
    candidate.scores["convex"] = candidate.score;
  }
  return absl::OkStatus();
}

void RegisterConvex(Registry& registry) {
  registry.Add<RetrievalStage>("convex", "Fuses by a weighted sum of normalised scores.",
                               [](const OptionTable&) { return std::make_unique<ConvexStage>(); });
}

}  // namespace weir::retrieve
