// Technique: dedupe
// Source: Manku, Jain and Das Sarma, Detecting Near-Duplicates for Web Crawling, WWW 2007 (the
//   problem)
// Idea: Drops a passage that repeats a better one: the same words, or a span of the same document
//   that overlaps it by more than half (neighbouring passages share sentences).
// Formulas: overlap(a, b) = |a and b| / min(|a|, |b|) > 1/2 within a document; equal hash of folded
//   text across
// Cost: reads the text of at most 4 * top-k passages
// Differs: exact hash of case-folded words instead of SimHash; a personal store holds copies, not
//   mirrors
// Checked by: PipelineTest.DropsRepeats
// Measured by: weir search --explain
#pragma once

#include "base/registry.h"
#include "retrieve/stage.h"

namespace weir::retrieve {

class DedupeStage : public RetrievalStage {
 public:
  absl::Status Run(Query& query, const Resources& resources, const Context& context) const override;
};

}  // namespace weir::retrieve
