// Technique: dense
// Source: Karpukhin et al., Dense Passage Retrieval for Open-Domain Question Answering, EMNLP 2020
// Idea: Fetches the passages whose vectors are nearest to the query's. An exhaustive int8 scan
//   proposes, f32 vectors decide, so recall does not depend on a graph.
// Formulas: score = <e(query), e(passage)>, both of unit length
// Cost: n * d bytes read per query for the scan, 4 * fetch rows of f32 for the rescoring
// Differs: one shared encoder (sentence transformer) instead of two trained towers
// Checked by: PipelineTest.DenseEqualsStore
// Measured by: weir bench search
#pragma once

#include <string>
#include <utility>

#include "base/registry.h"
#include "retrieve/stage.h"

namespace weir::retrieve {

class DenseStage : public RetrievalStage {
 public:
  // encoder: one that stands beside the store's own, "" for that.
  explicit DenseStage(std::string encoder = "") : encoder_(std::move(encoder)) {}
  absl::Status Run(Query& query, const Resources& resources, const Context& context) const override;
  absl::StatusOr<std::vector<double>> Score(std::span<const int64_t> passages, Query& query,
                                            const Resources& resources,
                                            const Context& context) const override;

 private:
  std::string encoder_;
};

}  // namespace weir::retrieve
