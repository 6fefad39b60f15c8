// Sums of table look-ups over rows of 4-bit codes, as lookup.h has them, for where the sums
// themselves are wanted: those of all rows for one query, or for several queries the largest over a
// range of rows (the inner loop of MaxSim over compressed vectors). Rows go in groups of 16 and
// entries are up to 127, since four are added in one 32-bit sum. All integers: targets give the
// same.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir::tensor {

inline constexpr size_t kLookupGroup = 16;
inline constexpr size_t kLookupGroupParts = 8;  // a row's parts come in multiples of it
inline constexpr uint8_t kLargestGroupEntry = 127;

// Bytes of a group. Line i has 64: byte 4 r + j holds row r's codes of part 8 i + j in its low half
// and of part 8 i + 4 + j in its high half.
inline constexpr size_t LookupGroupBytes(size_t parts) { return parts / 2 * kLookupGroup; }
// codes: [parts], each below 16. `group` is zero where the row's codes go.
inline void PackGroupRow(const uint8_t* codes, size_t parts, size_t row, uint8_t* group) {
  for (size_t i = 0; i < parts; ++i) {
    group[i / 8 * 64 + 4 * row + i % 4] |= static_cast<uint8_t>(codes[i] << (i % 8 < 4 ? 0 : 4));
  }
}
inline uint8_t GroupCode(const uint8_t* group, size_t part, size_t row) {
  const uint8_t byte = group[part / 8 * 64 + 4 * row + part % 4];
  return part % 8 < 4 ? byte & 15 : byte >> 4;
}

struct GroupLookupKernels {
  // sums[r] for all rows of the groups. tables: [parts][16].
  void (*sums)(const uint8_t* codes, size_t groups, const uint8_t* tables, size_t parts,
               int32_t* sums);
  // most[q] = the largest sum of query q over rows [begin, end), which are not empty and count from
  // the first group's. tables: [queries][parts][16]. `scratch`: [queries][16], aligned to 64 bytes.
  void (*largest)(const uint8_t* codes, size_t begin, size_t end, const uint8_t* tables,
                  size_t parts, size_t queries, int32_t* scratch, int32_t* most);
};

extern const GroupLookupKernels kScalarGroupLookup, kAvx2GroupLookup, kAvx512GroupLookup;
// The best that runs here (AVX-512 with VNNI and VBMI, AVX2, plain C++), or what WEIR_CPU_TARGET
// allows.
const GroupLookupKernels& GroupLookup();
bool SupportsAvx512GroupLookup();

}  // namespace weir::tensor
