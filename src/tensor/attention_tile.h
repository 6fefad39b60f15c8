// What the schedules of paged attention share: the chunks by which every row's keys are taken, and
// the state of rows between kernels. Internal to the room.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "tensor/attention.h"
#include "tensor/kernels.h"

namespace weir::tensor {

// A row's keys are taken in chunks by absolute position, each chunk from a fresh state, and chunks
// are merged in order; within a chunk, kernels are called for whole spans (kSpanKeys). So what a
// row computes never depends on the schedule.
inline constexpr int64_t kChunkBlocks = 8;
inline constexpr int64_t kChunkTokens = kChunkBlocks * kKvBlockTokens;
inline constexpr float kLog2E = 1.44269504088896f;

// Bytes of one KV head's part of a block.
inline size_t HeadBytes(int head_dim, KvStorage storage) {
  if (storage == KvStorage::kInt8) return Int8Head(head_dim).bytes;
  return static_cast<size_t>(2) * kKvBlockTokens * head_dim * sizeof(uint16_t);
}

// The state of some rows, in memory of the caller.
struct TileState {
  float *acc, *peak, *sums;

  // The same without the first rows.
  TileState From(int row, int head_dim) const {
    return {acc + static_cast<size_t>(row) * head_dim, peak + row,
            sums + static_cast<size_t>(row) * 16};
  }
};
inline size_t StateFloats(int rows, int head_dim) {
  return static_cast<size_t>(rows) * (head_dim + 1 + 16);
}
inline TileState StateAt(float* memory, int rows, int head_dim) {
  float* sums = memory + static_cast<size_t>(rows) * head_dim;
  return {memory, sums + static_cast<size_t>(rows) * 16, sums};
}
inline void Clear(const TileState& s, int rows, int head_dim) {
  std::fill_n(s.acc, static_cast<size_t>(rows) * head_dim, 0.0f);
  std::fill_n(s.sums, static_cast<size_t>(rows) * 16, 0.0f);
  std::fill_n(s.peak, rows, -std::numeric_limits<float>::infinity());
}
inline void Merge(const KernelSet& kernels, int rows, int d, const TileState& later,
                  const TileState& into) {
  for (int r = 0; r < rows; ++r) {
    kernels.merge_row(into.acc + static_cast<size_t>(r) * d, into.peak + r, into.sums + 16 * r,
                      later.acc + static_cast<size_t>(r) * d, later.peak[r], later.sums + 16 * r,
                      d);
  }
}

// Query heads that read one KV head together: all that share it, or a divisor if they exceed a
// tile.
inline int GroupHeads(int heads, int kv_heads) {
  int group = heads / kv_heads;
  for (int parts = 1; group > kMaxTileRows; ++parts) {
    if (heads / kv_heads % parts == 0) group = heads / kv_heads / parts;
  }
  return group;
}

// Where the token-th of n queries stands.
inline int64_t PositionOf(const PagedAttention& a, int64_t token, int64_t n) {
  return a.positions == nullptr ? a.length - n + token : a.positions[token];
}

}  // namespace weir::tensor
