#include "index/lexical/codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace weir::index {
namespace {

// Four lanes; the compiler maps it to one SSE2 or NEON register.
typedef uint32_t V4 __attribute__((vector_size(16)));

V4 Load(const uint8_t* in) {
  V4 v;
  std::memcpy(&v, in, sizeof(v));
  return v;
}

void Store(uint32_t* out, V4 v) { std::memcpy(out, &v, sizeof(v)); }

// Row r of 32: the four values 4r .. 4r+3. All shifts are compile-time constants.
template <int kBits, int kRow>
[[gnu::always_inline]] inline V4 Row(const uint8_t* in) {
  if constexpr (kBits == 0) {
    return V4{0, 0, 0, 0};
  } else {
    constexpr int kWord = kRow * kBits / 32;
    constexpr int kShift = kRow * kBits % 32;
    V4 v = Load(in + kWord * 16) >> kShift;
    if constexpr (kShift + kBits > 32) v |= Load(in + (kWord + 1) * 16) << (32 - kShift);
    if constexpr (kBits < 32 && kShift + kBits != 32) {
      constexpr uint32_t kMask = kBits == 32 ? ~0u : (1u << (kBits & 31)) - 1;
      v &= V4{kMask, kMask, kMask, kMask};
    }
    return v;
  }
}

template <int kBits, size_t... kRows>
[[gnu::always_inline]] inline void PlainRows(const uint8_t* in, uint32_t add, uint32_t* out,
                                             std::index_sequence<kRows...>) {
  const V4 plus{add, add, add, add};
  (Store(out + 4 * kRows, Row<kBits, static_cast<int>(kRows)>(in) + plus), ...);
}

template <int kBits>
void Plain(const uint8_t* in, uint32_t add, uint32_t* out) {
  PlainRows<kBits>(in, add, out, std::make_index_sequence<32>());
}

template <int kBits, size_t kRow>
[[gnu::always_inline]] inline void GapRow(const uint8_t* in, V4& last, uint32_t* out) {
  const V4 zero{0, 0, 0, 0};
  V4 v = Row<kBits, static_cast<int>(kRow)>(in) + V4{1, 1, 1, 1};
  v += __builtin_shufflevector(zero, v, 0, 4, 5, 6);
  v += __builtin_shufflevector(zero, v, 0, 1, 4, 5);
  v += last;
  last = __builtin_shufflevector(v, v, 3, 3, 3, 3);
  Store(out + 4 * kRow, v);
}

template <int kBits, size_t... kRows>
[[gnu::always_inline]] inline void GapRows(const uint8_t* in, uint32_t base, uint32_t* out,
                                           std::index_sequence<kRows...>) {
  V4 last{base, base, base, base};
  (GapRow<kBits, kRows>(in, last, out), ...);
}

template <int kBits>
void Gaps(const uint8_t* in, uint32_t base, uint32_t* out) {
  GapRows<kBits>(in, base, out, std::make_index_sequence<32>());
}

using Kernel = void (*)(const uint8_t*, uint32_t, uint32_t*);

template <size_t... kBits>
constexpr std::array<Kernel, 33> PlainTable(std::index_sequence<kBits...>) {
  return {&Plain<static_cast<int>(kBits)>...};
}
template <size_t... kBits>
constexpr std::array<Kernel, 33> GapTable(std::index_sequence<kBits...>) {
  return {&Gaps<static_cast<int>(kBits)>...};
}

constexpr std::array<Kernel, 33> kPlain = PlainTable(std::make_index_sequence<33>());
constexpr std::array<Kernel, 33> kGaps = GapTable(std::make_index_sequence<33>());

}  // namespace

int BitsNeeded(const uint32_t* values, size_t n) {
  uint32_t all = 0;
  for (size_t i = 0; i < n; ++i) all |= values[i];
  return 32 - std::countl_zero(all);
}

void Pack(const uint32_t* values, size_t n, int bits, std::string& out) {
  std::array<uint32_t, kBlockSize> words{};
  for (size_t i = 0; i < n && bits > 0; ++i) {
    const int lane = static_cast<int>(i % 4), at = static_cast<int>(i / 4) * bits;
    const int word = at / 32, shift = at % 32;
    words[word * 4 + lane] |= values[i] << shift;
    if (shift + bits > 32) words[(word + 1) * 4 + lane] |= values[i] >> (32 - shift);
  }
  out.append(reinterpret_cast<const char*>(words.data()), PackedBytes(n, bits));
}

void Unpack128(const uint8_t* in, int bits, uint32_t* values) { kPlain[bits](in, 0, values); }
void UnpackPlusOne128(const uint8_t* in, int bits, uint32_t* values) {
  kPlain[bits](in, 1, values);
}
void UnpackGaps128(const uint8_t* in, int bits, uint32_t base, uint32_t* values) {
  kGaps[bits](in, base, values);
}

uint8_t PackPatched(const uint32_t* values, size_t n, int least_bits, int max_patches,
                    std::string& out) {
  std::array<size_t, 33> of_width{};
  for (size_t i = 0; i < n; ++i) ++of_width[BitsNeeded(values + i, 1)];
  const int top = std::max(least_bits, BitsNeeded(values, n));
  int best = top;
  size_t best_bytes = PackedBytes(n, top), wider = 0;
  // A patch holds eight bits.
  for (int bits = top - 1; bits >= std::max(least_bits, top - 8); --bits) {
    wider += of_width[bits + 1];
    if (wider > static_cast<size_t>(max_patches)) break;
    const size_t bytes = PackedBytes(n, bits) + 1 + 2 * wider;
    if (bytes < best_bytes) best = bits, best_bytes = bytes;
  }
  if (best == top) {
    Pack(values, n, top, out);
    return static_cast<uint8_t>(top);
  }
  std::array<uint32_t, kBlockSize> low{};
  std::string patches;
  for (size_t i = 0; i < n; ++i) {
    low[i] = values[i] & ((uint32_t{1} << best) - 1);
    if (low[i] == values[i]) continue;
    patches.push_back(static_cast<char>(i));
    patches.push_back(static_cast<char>(values[i] >> best));
  }
  out.push_back(static_cast<char>(patches.size() / 2));
  out.append(patches);
  Pack(low.data(), n, best, out);
  return static_cast<uint8_t>(best | kPatched);
}

bool FindPacked(uint8_t head, size_t n, const uint8_t* in, const uint8_t* end,
                PackedBlock& block) {
  block.bits = head & kWidthMask;
  block.patch_count = 0;
  if ((head & ~(kWidthMask | kPatched)) != 0 || block.bits > 32 || in > end) return false;
  if ((head & kPatched) != 0) {
    if (block.bits > 31 || in == end || *in > kMaxPatches) return false;
    block.patch_count = *in++;
    if (static_cast<size_t>(end - in) < 2 * size_t{block.patch_count}) return false;
    block.patches = in;
    in += 2 * block.patch_count;
  }
  block.values = in;
  const size_t bytes = PackedBytes(n, block.bits);
  if (static_cast<size_t>(end - in) < bytes) return false;
  block.end = in + bytes;
  return true;
}

namespace {

// The patch's place (hostile bytes stay inside the block) and what it adds.
struct Patch {
  uint32_t index, add;
};
Patch PatchAt(const PackedBlock& block, uint32_t i) {
  return {block.patches[2 * i] % kBlockSize, uint32_t{block.patches[2 * i + 1]} << block.bits};
}

void AddPatches(const PackedBlock& block, uint32_t* values) {
  for (uint32_t i = 0; i < block.patch_count; ++i) {
    const Patch patch = PatchAt(block, i);
    values[patch.index] += patch.add;
  }
}

}  // namespace

void UnpackPlusOne(const PackedBlock& block, uint32_t* values) {
  UnpackPlusOne128(block.values, block.bits, values);
  AddPatches(block, values);
}

void UnpackGaps(const PackedBlock& block, uint32_t base, uint32_t* values) {
  UnpackGaps128(block.values, block.bits, base, values);
  // A gap moves all documents behind it.
  for (uint32_t i = 0; i < block.patch_count; ++i) {
    const Patch patch = PatchAt(block, i);
    for (uint32_t j = patch.index; j < kBlockSize; ++j) values[j] += patch.add;
  }
}

void Unpack(const PackedBlock& block, size_t n, uint32_t* values) {
  if (n == kBlockSize) {
    Unpack128(block.values, block.bits, values);
  } else {
    // What is missing of a whole block must not be read.
    std::array<uint8_t, PackedBytes(32)> padded{};
    std::copy(block.values, block.end, padded.begin());
    Unpack128(padded.data(), block.bits, values);
  }
  AddPatches(block, values);
}

void PutPlain(const uint32_t* values, size_t n, int bits, std::string& out) {
  uint64_t word = 0;
  int used = 0;
  for (size_t i = 0; i < n; ++i) {
    word |= uint64_t{values[i]} << used;
    for (used += bits; used >= 8; used -= 8, word >>= 8) out.push_back(static_cast<char>(word));
  }
  if (used > 0) out.push_back(static_cast<char>(word));
  out.append(8, '\0');
}

void PutVarint(uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

uint8_t FloorCode(uint32_t value) {
  if (value < 32) return static_cast<uint8_t>(value);
  // leaves five significant bits, the first of them 1
  const int shift = 27 - std::countl_zero(value);
  const uint32_t code = 32 + static_cast<uint32_t>(shift - 1) * 16 + ((value >> shift) - 16);
  return static_cast<uint8_t>(std::min<uint32_t>(code, kUnboundedCode));
}

uint8_t CeilCode(uint32_t value) {
  const uint8_t floor = FloorCode(value);
  if (floor == kUnboundedCode) return floor;
  return DecodeCode(floor) == value ? floor : static_cast<uint8_t>(floor + 1);
}

}  // namespace weir::index
