// Products of many rows, included once inside a target's namespace, which defines before it
//   kTileRows   activation rows of a register tile
//   Unpack32<kType>(super, blocks, out), UnpackK45<kType>(super, out), Unpack6K(super, out)
//               a superblock to bytes
// and after it
//   MultiplyTile<kType, M, G>(unpacked, blocks, tile, out)   M rows times G groups.
// A superblock of G groups (16 G rows x 256 columns) is unpacked into L1 once and multiplied with
// up to kRowsAtOnce activation rows; between superblocks the f32 sums rest in a small buffer.

template <DType kType>
inline void UnpackType(const std::byte* super, size_t blocks, UnpackedSuper* out) {
  if constexpr (kType == DType::kQ6_K) {
    Unpack6K(super, out);
  } else if constexpr (IsK(kType)) {
    UnpackK45<kType>(super, out);
  } else {
    Unpack32<kType>(super, blocks, out);
  }
}

// Activation rows per sweep over the weights: their codes stay in L2, their sums nearly in L1.
inline constexpr size_t kRowsAtOnce = 192;

// The packed bytes that are unpacked next: asked for block by block while a tile is computed, since
// few rows leave nothing else to hide their way from memory behind.
struct Ahead {
  const std::byte* p = nullptr;
  size_t lines_a_block = 0;

  void Ask(size_t block) const {
    const std::byte* from = p + block * lines_a_block * 64;
    for (size_t i = 0; i < lines_a_block; ++i)
      _mm_prefetch(reinterpret_cast<const char*>(from + 64 * i), _MM_HINT_T1);
  }
};

// A tile of M activation rows; `at` is the first block.
struct Tile {
  const int8_t* codes;  // of the first row and block, rows kSuperColumns apart
  const Activations* a;
  size_t row, at;
  Ahead ahead[2];  // of each group
};

// Between superblocks the sums of a tile rest in `sums` ([M][2][16]); the last one writes them to
// y.
struct Output {
  float* sums;
  float* y;  // of the first row and group
  size_t stride;
  size_t last_rows;  // of the last group
  bool first, last;
};

template <DType kType, int M, int G>
void MultiplyTile(const UnpackedSuper* w, size_t blocks, const Tile& tile, const Output& out);

template <DType kType, int M, int G>
void TileUpTo(size_t rows, const UnpackedSuper* w, size_t blocks, const Tile& tile,
              const Output& out) {
  if constexpr (M > 1) {
    if (rows < M) return TileUpTo<kType, M - 1, G>(rows, w, blocks, tile, out);
  }
  MultiplyTile<kType, M, G>(w, blocks, tile, out);
}

struct Rows {
  size_t first, count;  // of the activations, at most kRowsAtOnce
};

template <DType kType>
constexpr size_t SuperBytes(size_t blocks) {
  return IsK(kType) ? SuperBytesK(kType) : LayoutOf(kType, blocks).bytes;
}

// What follows `blocks` blocks of a group at `super`: its next superblock, or, after the last one,
// the first of the group that is taken after this one.
template <DType kType, int G>
Ahead AheadOf(const PackedMatrix& w, size_t g, size_t offset, size_t first, size_t blocks) {
  const size_t next = first + blocks;
  const bool last = next == w.blocks();
  if (last && g + G >= w.groups) return {};
  const size_t bytes =
      SuperBytes<kType>(std::min(kSuperBlocks, last ? w.blocks() : w.blocks() - next));
  const std::byte* p = last ? w.group(g + G) : w.group(g) + offset + SuperBytes<kType>(blocks);
  return {p, (bytes / 64 + blocks - 1) / blocks};
}

template <DType kType, int G>
void GroupsOnce(const PackedMatrix& w, size_t g, const Activations& a, Rows rows, float* y) {
  UnpackedSuper unpacked[G];
  alignas(64) float sums[kRowsAtOnce * 2 * kGroupRows];
  const size_t last_rows = std::min(kGroupRows, w.rows - (g + G - 1) * kGroupRows);
  size_t offset = 0;
  for (size_t first = 0; first < w.blocks();) {
    const size_t blocks = std::min(kSuperBlocks, w.blocks() - first);
    for (int j = 0; j < G; ++j) UnpackType<kType>(w.group(g + j) + offset, blocks, &unpacked[j]);
    for (size_t i = 0; i < rows.count; i += kTileRows) {
      const size_t row = rows.first + i;
      Tile tile = {a.CodesOf(first, row), &a, row, first, {}};
      if (i == 0) {
        for (int j = 0; j < G; ++j)
          tile.ahead[j] = AheadOf<kType, G>(w, g + j, offset, first, blocks);
      }
      const Output out = {sums + i * 2 * kGroupRows,
                          y + row * w.rows + g * kGroupRows,
                          w.rows,
                          last_rows,
                          first == 0,
                          first + blocks == w.blocks()};
      TileUpTo<kType, kTileRows, G>(rows.count - i, unpacked, blocks, tile, out);
    }
    offset += SuperBytes<kType>(blocks);
    first += blocks;
  }
}

// Groups [begin, end), kGroups at once.
template <DType kType, int kGroups>
void AllGroups(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y) {
  for (Rows rows{0, 0}; rows.first < a.n; rows.first += rows.count) {
    rows.count = std::min(kRowsAtOnce, a.n - rows.first);
    size_t g = begin;
    for (; g + kGroups <= end; g += kGroups) GroupsOnce<kType, kGroups>(w, g, a, rows, y);
    for (; g < end; ++g) GroupsOnce<kType, 1>(w, g, a, rows, y);
  }
}
