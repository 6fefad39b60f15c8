#include "retrieve/convex.h"

#include <algorithm>

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
                            resources.store.ExplainLexical(query.text, candidate.passage));
      double sum = 0;
      for (const index::TermScore& term : terms) sum += term.score;
      candidate.scores["bm25"] = sum;
    }
  }
  return absl::OkStatus();
}

struct Range {
  double low = 0, high = 0;
  double Normalise(double s) const { return high > low ? (s - low) / (high - low) : 0; }
};

Range RangeOf(const Query& query, const std::string& stage) {
  Range range;
  bool first = true;
  for (const Candidate& candidate : query.candidates) {
    const double s = candidate.scores.at(stage);
    range.low = first ? s : std::min(range.low, s);
    range.high = first ? s : std::max(range.high, s);
    first = false;
  }
  return range;
}

}  // namespace

absl::Status ConvexStage::Run(Query& query, const Resources& resources, const Context& context) const {
  WEIR_RETURN_IF_ERROR(EnsureVector(query, resources, context));
  WEIR_RETURN_IF_ERROR(FillMissing(query, resources));
  const Range lexical = RangeOf(query, "bm25");
  const Range dense = RangeOf(query, "dense");
  const double alpha = resources.options.alpha;
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
