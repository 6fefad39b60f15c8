#include "tensor/packed.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <limits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace weir::tensor {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

// Bytes of the rows of a group, null past the last row of the matrix.
struct GroupRows {
  const std::byte* row[kGroupRows];
};

// out[t][r] = dword t of rows[r] + offset; rows that are null give zeros.
void TransposeDwords(const GroupRows& rows, size_t offset, size_t count, uint32_t flip,
                     std::byte* out) {
  for (size_t r = 0; r < kGroupRows; ++r) {
    for (size_t t = 0; t < count; ++t) {
      uint32_t word = 0;
      if (rows.row[r] != nullptr) std::memcpy(&word, rows.row[r] + offset + 4 * t, 4);
      word ^= flip;
      std::memcpy(out + 64 * t + 4 * r, &word, 4);
    }
  }
}

void TransposeHalves(const GroupRows& rows, size_t offset, std::byte* out) {
  for (size_t r = 0; r < kGroupRows; ++r) {
    uint16_t half = 0;
    if (rows.row[r] != nullptr) std::memcpy(&half, rows.row[r] + offset, 2);
    std::memcpy(out + 2 * r, &half, 2);
  }
}

void TransposeBytes(const GroupRows& rows, size_t offset, size_t count, std::byte* out) {
  for (size_t r = 0; r < kGroupRows; ++r) {
    for (size_t i = 0; i < count; ++i) {
      out[i * kGroupRows + r] = rows.row[r] != nullptr ? rows.row[r][offset + i] : std::byte{0};
    }
  }
}

// Byte c of entry b has bit 0 set if bit c of b is, and bit 1 if bit 4 + c is.
constexpr std::array<uint32_t, 256> SpreadTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t b = 0; b < 256; ++b) {
    for (uint32_t c = 0; c < 4; ++c) {
      table[b] |= (((b >> c) & 1) | (((b >> (4 + c)) & 1) << 1)) << (8 * c);
    }
  }
  return table;
}

void SpreadFifthBits(const GroupRows& rows, size_t offset, std::byte* out) {
  static constexpr std::array<uint32_t, 256> kSpread = SpreadTable();
  for (size_t r = 0; r < kGroupRows; ++r) {
    uint8_t high[4] = {0, 0, 0, 0};
    if (rows.row[r] != nullptr) std::memcpy(high, rows.row[r] + offset, 4);
    uint32_t word = 0;
    for (int k = 0; k < 4; ++k) word |= kSpread[high[k]] << (2 * k);
    std::memcpy(out + 4 * r, &word, 4);
  }
}

void PackSuper32(DType type, const GroupRows& rows, size_t blocks, std::byte* out) {
  const SuperLayout layout = LayoutOf(type, blocks);
  const size_t bytes = InfoOf(type).block_bytes;
  const size_t high_at = HasMinimum(type) ? 4 : 2;
  const size_t quants_at = high_at + (IsFiveBit(type) ? 4 : 0);
  const size_t lines = QuantLines(type);
  const uint32_t flip = type == DType::kQ8_0 ? 0x80808080u : 0u;
  std::memset(out, 0, layout.quants);
  for (size_t b = 0; b < blocks; ++b) {
    TransposeHalves(rows, b * bytes, out + b * 2 * kGroupRows);
    if (HasMinimum(type))
      TransposeHalves(rows, b * bytes + 2, out + layout.minima + b * 2 * kGroupRows);
    TransposeDwords(rows, b * bytes + quants_at, lines, flip, out + layout.quants + b * lines * 64);
    if (IsFiveBit(type)) SpreadFifthBits(rows, b * bytes + high_at, out + layout.high + b * 64);
  }
}

void PackSuperK(DType type, const GroupRows& rows, std::byte* out) {
  if (type == DType::kQ6_K) {
    std::memset(out, 0, kScalesK);
    TransposeHalves(rows, 208, out);
    TransposeBytes(rows, 192, 16, out + kScalesK);
    for (size_t half = 0; half < 2; ++half) {
      std::byte* to = out + kQuants6K + half * kHalf6K;
      TransposeDwords(rows, half * 64, 16, 0, to);
      TransposeDwords(rows, 128 + half * 32, 8, 0, to + 16 * 64);
    }
    return;
  }
  TransposeHalves(rows, 0, out);
  TransposeHalves(rows, 2, out + 2 * kGroupRows);
  TransposeBytes(rows, 4, 12, out + kScalesK);
  const bool five = type == DType::kQ5_K;
  TransposeDwords(rows, five ? 48 : 16, 32, 0, out + kQuantsK);
  if (five) TransposeDwords(rows, 16, 8, 0, out + kHighK);
}

template <typename T>
void PackFloats(const GroupRows& rows, size_t columns, std::byte* out) {
  for (size_t r = 0; r < kGroupRows; ++r) {
    for (size_t c = 0; c < columns; ++c) {
      T value = 0;
      if (rows.row[r] != nullptr) std::memcpy(&value, rows.row[r] + c * sizeof(T), sizeof(T));
      std::memcpy(out + (c * kGroupRows + r) * sizeof(T), &value, sizeof(T));
    }
  }
}

}  // namespace

void FreeDeleter::operator()(std::byte* p) const { std::free(p); }

// Weights are read from end to end once a token: with 4 KB pages a walk of the page tables (twice
// as deep under a hypervisor) would come every 64 lines.
AlignedBytes AllocateAligned(size_t bytes) {
  if (bytes > std::numeric_limits<ptrdiff_t>::max() - 2 * kHugePage) return nullptr;
  const size_t alignment = bytes >= 2 * kHugePage ? kHugePage : 64;
  const size_t rounded = (bytes + alignment + alignment - 1) / alignment * alignment;
  auto* p = static_cast<std::byte*>(std::aligned_alloc(alignment, rounded));
#if defined(__linux__)
  if (p != nullptr && alignment == kHugePage)
    madvise(p, rounded, MADV_HUGEPAGE);  // a wish: may fail
#endif
  return AlignedBytes(p);
}

size_t GroupBytes(DType type, size_t columns) {
  if (IsFloat(type)) return (columns * kGroupRows * InfoOf(type).block_bytes + 63) / 64 * 64;
  const size_t whole = columns / kSuperColumns;
  if (IsK(type)) return whole * SuperBytesK(type);
  const size_t rest = columns % kSuperColumns / kBlockColumns;
  return whole * LayoutOf(type, kSuperBlocks).bytes + (rest > 0 ? LayoutOf(type, rest).bytes : 0);
}

void PackGroup(const MatrixView& view, size_t g, std::byte* out) {
  const size_t row_bytes = RowBytes(view.type, view.columns);
  GroupRows rows;
  for (size_t r = 0; r < kGroupRows; ++r) {
    const size_t row = g * kGroupRows + r;
    rows.row[r] = row < view.rows ? view.data + row * row_bytes : nullptr;
  }
  if (view.type == DType::kF32) return PackFloats<uint32_t>(rows, view.columns, out);
  if (IsFloat(view.type)) return PackFloats<uint16_t>(rows, view.columns, out);
  const size_t block_bytes = InfoOf(view.type).block_bytes;
  const size_t step = IsK(view.type) ? block_bytes : kSuperBlocks * block_bytes;
  for (size_t blocks = view.columns / kBlockColumns; blocks > 0;) {
    const size_t here = std::min(blocks, kSuperBlocks);
    if (IsK(view.type)) {
      PackSuperK(view.type, rows, out);
      out += SuperBytesK(view.type);
    } else {
      PackSuper32(view.type, rows, here, out);
      out += LayoutOf(view.type, here).bytes;
    }
    for (const std::byte*& row : rows.row) {
      if (row != nullptr) row += step;
    }
    blocks -= here;
  }
}

}  // namespace weir::tensor
