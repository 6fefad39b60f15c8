// What a decoder needs of a KV cache; generate/kv implements it (the five axes live there).
// One object is one sequence. Not thread-safe.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "base/threads.h"

namespace weir::model {

class KvSequence {
 public:
  virtual ~KvSequence() = default;
  virtual int64_t length() const = 0;  // tokens stored; the next token's position
  // Where the next n rows stand, which their keys and queries are turned by. What runs other rows
  // than one sequence's next ones (several sequences in one step, stored tokens computed again)
  // says so here; the decoder does not care.
  virtual void Positions(int64_t n, int64_t* out) const {
    for (int64_t i = 0; i < n; ++i) out[i] = length() + i;
  }
  // Makes room for n more tokens in every layer; kResourceExhausted leaves the sequence as it was.
  virtual absl::Status Reserve(int64_t n) = 0;
  // Stores the n reserved tokens' keys (after RoPE) and values of one layer.
  // k, v: [n, kv_heads, head_dim] f32.
  virtual void Append(int layer, int64_t n, const float* k, const float* v, Threads* threads) = 0;
  // Which of the n rows go on to this layer's attention and all that follows: their indices,
  // ascending, at the front of `rows`, which holds 0 to n - 1; returns how many. Asked after
  // Append. The others end here, with what they appended; rows that were left out give no logits.
  virtual int64_t Narrow(int layer, int64_t n, int32_t* rows) { return n; }
  // Attention of the n newest tokens over the stored ones that DecoderShape::Layer::window lets
  // each of them see, divided by sqrt(head_dim). q, out: [n, heads, head_dim] f32.
  virtual void Attend(int layer, int64_t n, const float* q, float* out, Threads* threads) = 0;
  // Makes the n tokens part of length(), after the last layer.
  virtual void Commit(int64_t n) = 0;
};

}  // namespace weir::model
