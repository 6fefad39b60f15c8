// Pipelines of a store on queries made of its own passages, and what to conclude (`weir eval own`).
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "evaluate/known_items.h"
#include "evaluate/sets.h"

namespace weir::evaluate {

// One record a style, its set named like the style. Of `options`, split, inputs, language and
// index_in do not count. The store's duplicates are all kept, as the judgements name them all.
absl::StatusOr<std::vector<EvalRecord>> EvaluateKnownItems(
    const index::Store& store, const KnownItemSet& set, const KnownItemOptions& made,
    const RetrievalOptions& options, const retrieve::Encoders& encoders, const Registry& registry,
    const Context& context);

// The pipeline that is best in the mean over the styles.
std::string BestInMean(const std::vector<EvalRecord>& styles, const std::string& metric);

// Fills record.recommended and record.advice. Styles other than terms decide, if there are any: of
// the pipelines whose whole 95% interval is at most kEqualEnough below the best one's mean, the
// fastest. With it the reasons and what the set cannot tell, a sentence or two a line.
inline constexpr double kEqualEnough = 0.02;
absl::Status Advise(const SetsOptions& options, SetsRecord& record);

}  // namespace weir::evaluate
