// What an attention problem is to the cost models: sizes only. One KV head is one problem of
// rows() x keys, because grouped query heads share their keys and values; a layer is kv_heads of
// them.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace weir::plan {

struct AttentionShape {
  int64_t queries = 0;  // positions; the last `queries` of the keys' positions
  int64_t keys = 0;     // N
  int64_t head_dim = 0;
  int64_t heads = 1;
  int64_t kv_heads = 1;
  bool causal = false;  // position p of a query sees keys 0 to keys - queries + p

  int64_t group() const { return heads / kv_heads; }
  // Rows of one KV head, position by position, its query heads together.
  int64_t rows() const { return queries * group(); }
  // Keys that some row before `row_end` sees.
  int64_t VisibleTo(int64_t row_end) const {
    return causal ? keys - queries + (row_end + group() - 1) / group() : keys;
  }
  // (row, key) pairs that are computed.
  int64_t Pairs() const {
    return causal ? group() * (queries * (keys - queries) + queries * (queries + 1) / 2)
                  : rows() * keys;
  }
};

// kInvalidArgument for sizes out of range, heads that are no multiple of kv_heads, more queries
// than keys, and shapes whose counts would not fit 63 bits.
absl::Status Check(const AttentionShape& shape);

}  // namespace weir::plan
