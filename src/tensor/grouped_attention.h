// Attention of several sequences in one pass (hydragen): where neighbours have the same blocks, the
// query rows of all of them are one tile over those blocks, which are read once instead of once a
// sequence. Each row still takes its keys in the chunks, spans and order of Attend, a shared run
// being continued by the row's own blocks from the same state; so the bytes of every output are
// those of a call of Attend for each sequence. Shared are whole spans of 128 keys (kSpanKeys), or
// all that two sequences have of their last one: a span is one step of the online softmax, which
// cannot be cut.
#pragma once

#include <cstdint>
#include <span>

#include "base/threads.h"
#include "tensor/attention.h"

namespace weir::tensor {

// The n newest tokens of one sequence ask.
struct SequenceQueries {
  PagedAttention attention;
  int64_t n = 0;
  const float* q = nullptr;  // [n, heads, head_dim]
  float* out = nullptr;      // [n, heads, head_dim]
  float* lse = nullptr;      // [n, heads] or null
};

// REQUIRES: all sequences agree in heads, kv_heads, head_dim, scale and storage. Blocks are the
// same if their addresses are, at the same index of two neighbours; `share` false looks for none.
void AttendTogether(std::span<const SequenceQueries> sequences, bool share, Threads* threads);

}  // namespace weir::tensor
