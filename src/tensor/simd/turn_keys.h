// The kernel that moves int8 keys to other positions, beside the table of kernels.h: the same bytes
// on all targets.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/kernels.h"

namespace weir::tensor {

// Keys of one KV head of up to 16 neighbouring tokens of one block, written to one other block.
struct KeyRun {
  const std::byte* from = nullptr;  // the head's part of the block
  std::byte* to = nullptr;
  int from_slot = 0, to_slot = 0;
  int count = 0;  // 1 to 16; slots stay within [0, 32)
  int head_dim = 0;
  bool halves = false;             // rotary pairs (i, i + head_dim / 2); otherwise (2 i, 2 i + 1)
  const float* cos_sin = nullptr;  // [head_dim / 2][2]
  const float* shift = nullptr;    // [head_dim] added after the turn, or null
  float* scratch = nullptr;        // [head_dim][16]
};
using TurnKeysKernel = void (*)(const KeyRun& run);

extern const TurnKeysKernel kScalarTurnKeys, kAvx2TurnKeys, kAvx512TurnKeys;

// The one of a set's target.
inline TurnKeysKernel TurnKeysOf(const KernelSet& kernels) {
  if (&kernels == &kAvx512Kernels) return kAvx512TurnKeys;
  return &kernels == &kAvx2Kernels ? kAvx2TurnKeys : kScalarTurnKeys;
}

}  // namespace weir::tensor
