// The layout that all kernels read: 16 rows interleaved, 4 columns of a row to a dword, so that one
// 64-byte line meets one broadcast dword of int8 activations in vpdpbusd (AVX2 reads it as two
// halves).
//
// A matrix is groups of 16 rows, each contiguous; a group is superblocks of 256 columns (the last
// one of a 32-column format may be shorter); a superblock of s blocks of 32 columns is, in this
// order,
//   Q4_0 Q4_1 Q5_0 Q5_1 Q8_0: s x [16] f16 scale, [s x [16] f16 minimum], padding to 64,
//                             s x [lines][64] quants, [s x [64] fifth bits]
//   Q4_K Q5_K: [16] f16 d, [16] f16 dmin, [12][16] packed scales (the 12 bytes of a row,
//   transposed),
//              quants [4 pairs][8][64], [[8][64] fifth bits]
//   Q6_K:      [16] f16 d, padding to 64, [16][16] int8 scales, per half: [16][64] nibbles, [8][64]
//   pairs
// A quant line t of row r is dword t of the bytes the file stores for that row, so packing is a
// transposition of dwords: nibble order and meaning stay those of ggml. Q8_0 is stored plus 128
// (u8). Fifth bits of Q5_0 and Q5_1 are spread: byte 4r + c, bit t is the bit of column 4t + c of
// row r. F32, F16, BF16: [columns][16] elements. Rows past the end are zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/threads.h"
#include "tensor/dtype.h"
#include "tensor/matmul.h"

namespace weir::tensor {

inline constexpr size_t kGroupRows = 16;
inline constexpr size_t kBlockColumns = 32;
inline constexpr size_t kSuperBlocks = 8;  // blocks in a whole superblock
inline constexpr size_t kSuperColumns = kBlockColumns * kSuperBlocks;

inline constexpr bool IsFloat(DType type) { return type <= DType::kBF16; }
inline constexpr bool IsK(DType type) { return type >= DType::kQ4_K; }
// 1 if the format adds a minimum to scale * quant.
inline constexpr bool HasMinimum(DType type) {
  return type == DType::kQ4_1 || type == DType::kQ5_1 || type == DType::kQ4_K ||
         type == DType::kQ5_K;
}
inline constexpr bool IsFiveBit(DType type) {
  return type == DType::kQ5_0 || type == DType::kQ5_1 || type == DType::kQ5_K;
}
// log2 of what is subtracted from the unsigned quant (8, 16, 32, 128), or 0 for none.
inline constexpr int LogOffset(DType type) {
  switch (type) {
    case DType::kQ4_0:
      return 3;
    case DType::kQ5_0:
      return 4;
    case DType::kQ6_K:
      return 5;
    case DType::kQ8_0:
      return 7;
    default:
      return 0;
  }
}
// Quant lines of 64 bytes in a block of 32 columns.
inline constexpr size_t QuantLines(DType type) { return type == DType::kQ8_0 ? 8 : 4; }

// Offsets inside a superblock of `blocks` blocks of one of the five 32-column formats.
struct SuperLayout {
  size_t minima, quants, high, bytes;
};
inline constexpr SuperLayout LayoutOf(DType type, size_t blocks) {
  SuperLayout l{};
  const size_t scales = blocks * 2 * kGroupRows;
  l.minima = scales;
  l.quants = (scales * (HasMinimum(type) ? 2 : 1) + 63) / 64 * 64;
  l.high = l.quants + blocks * QuantLines(type) * 64;
  l.bytes = l.high + (IsFiveBit(type) ? blocks * 64 : 0);
  return l;
}

// Offsets inside a superblock of the K formats.
inline constexpr size_t kScalesK = 64;             // Q4_K, Q5_K, Q6_K
inline constexpr size_t kQuantsK = 64 + 12 * 16;   // Q4_K, Q5_K
inline constexpr size_t kHighK = kQuantsK + 2048;  // Q5_K
inline constexpr size_t kQuants6K = 64 + 16 * 16;  // Q6_K: halves of kHalf6K bytes
inline constexpr size_t kHalf6K = (16 + 8) * 64;
inline constexpr size_t SuperBytesK(DType type) {
  return type == DType::kQ4_K   ? kHighK
         : type == DType::kQ5_K ? kHighK + 512
                                : kQuants6K + 2 * kHalf6K;
}

struct PackedMatrix {
  DType type = DType::kF32;
  size_t rows = 0, columns = 0;
  size_t groups = 0;       // ceil(rows / 16)
  size_t group_bytes = 0;  // multiple of 64
  const std::byte* data = nullptr;

  size_t blocks() const { return columns / kBlockColumns; }
  const std::byte* group(size_t g) const { return data + g * group_bytes; }
};

struct FreeDeleter {
  void operator()(std::byte* p) const;
};
using AlignedBytes = std::unique_ptr<std::byte[], FreeDeleter>;
AlignedBytes AllocateAligned(
    size_t bytes);  // 64-byte aligned, not initialised; null when out of memory

// work(begin, end, worker) over the groups of a product with n rows of x. Few rows stream the
// weights from memory, each worker through one part of them, `pair` groups or more; of many, two
// groups are work enough to be handed out singly.
template <typename Work>
void ShareGroups(Threads* threads, size_t groups, size_t n, size_t pair, const Work& work) {
  constexpr size_t kSharedRows = 32;
  if (n < kSharedRows) {
    ParallelFor(threads, groups, pair, work);
  } else {
    ParallelShare(threads, groups, pair, work);
  }
}

size_t GroupBytes(DType type, size_t columns);

// Writes group `g` of `view` to `out` (GroupBytes). REQUIRES: columns is whole blocks.
void PackGroup(const MatrixView& view, size_t g, std::byte* out);

}  // namespace weir::tensor
