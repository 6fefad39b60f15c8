// Stored keys and values copied to other places of another sequence, keys turned to where they now
// stand. Int8 blocks (attention.h has the layout); values and unturned keys keep their bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace weir::tensor {

// What a change of position by `delta` does to a key: pair i turns by delta times its frequency.
struct KeyTurn {
  const float* cos_sin = nullptr;  // [head_dim / 2][2], ops.h RotaryTable(delta); null: no turn
  bool halves = false;             // rotary pairs (i, i + head_dim / 2); otherwise (2 i, 2 i + 1)
  const float* shift = nullptr;    // [kv_heads * head_dim] added after the turn, or null
};

struct KvMove {
  std::span<const std::byte* const> from;  // blocks of one layer, in order
  std::span<std::byte* const> to;
  int64_t from_first = 0, to_first = 0;  // token of a sequence, 32 to a block
  int64_t count = 0;                     // tokens
  int kv_heads = 0, head_dim = 0;        // head_dim % 32 == 0
};

// REQUIRES: both ranges lie in their blocks and do not overlap. Other slots of `to` are kept.
// A turned key is quantised again, 32 channels to a scale.
void MoveKv(const KvMove& move, const KeyTurn& turn);

}  // namespace weir::tensor
