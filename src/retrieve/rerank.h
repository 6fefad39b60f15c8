// What the reranking stages share: they read the first candidates, ordered so far, and give each a
// new score, which joins the old one.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "retrieve/stage.h"

namespace weir::retrieve {

// texts: of the candidates, title and heading before each as encoders are given them; scores: one
// each, higher is better.
using PassageScorer = absl::FunctionRef<absl::Status(std::span<const std::string_view> texts,
                                                     std::span<double> scores)>;

// Of the best `rerank.depth` candidates (all, when they are fewer):
//   score = w * normalised(new) + (1 - w) * normalised(old),  w = rerank.weight,
// normalised to mean 0 and deviation 1 over these. Those below keep their order and their distance
// behind them. The new score is kept as `stage`.
absl::Status Rerank(Query& query, const Resources& resources, const std::string& stage,
                    PassageScorer scorer);

}  // namespace weir::retrieve
