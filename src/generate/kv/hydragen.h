// Technique: hydragen
// Source: Juravsky et al., Hydragen: High-Throughput LLM Inference with Shared Prefixes, 2024,
//   arXiv 2402.05099
// Idea: Sequences that share a prefix attend over it together: one product of all their queries
//   with one copy of its keys and values, instead of one product a sequence. What each has of its
//   own follows, and the parts are merged exactly.
// Formulas: O = sum_i w_i O_i / sum_i w_i, w_i = exp(lse_i - max lse), over chunks i of 256 keys in
//   order; a chunk in which the prefix ends is one part, its tail continues from the prefix's state
//   at the last multiple of 128 keys
// Cost: prefix bytes are read once a step instead of once a sequence; multiply-adds are the same;
//   finding what is shared compares one address a block and sequence
// Differs: sharing is found by physical block, so trees, samples and forks need no declaration and
//   members need not be equal in number; the merge is in the chunks of the sequence alone, so that
//   results are bit-equal with sharing on and off (the paper's are equal up to rounding)
// Checked by: GroupedAttentionTest.EqualsEachSequenceAloneOnRandomTrees,
//   StreamsTest.SharingChangesNoToken
// Measured by: weir bench llm --rows prefix-16x4k,prefix-tree
#pragma once

#include "generate/kv/policy.h"

namespace weir::generate {

// The cost rule: two members over one span of 128 keys are enough, less is not shared; a fixed
// threshold, not one measured at start. A single sequence runs as per-sequence does.
class HydragenExecution : public KvExecution {
 public:
  void Attend(const KvFormat& format, std::span<const AttendJob> jobs, const KvShape& shape,
              Threads* threads) const override;
};

}  // namespace weir::generate
