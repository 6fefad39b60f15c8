// The parts of a sparse segment; docs/formats/sparse-segment.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/impacts.h"

namespace weir::index {

inline constexpr int32_t kMaxSparseVocabulary = 1 << 16;
// An impact is a weight in steps of 1/64, at most 255: 3.98, which log(1 + x) reaches at 52.
inline constexpr float kImpactSteps = 64;
inline constexpr int kMostImpact = 255;
// Rows are cut into chunks whose sums (256 KB) stay in the second-level cache.
inline constexpr size_t kChunkRows = 1 << 16;
// A term that one row of so many or more of a chunk has is kept as masks and packed impacts; others
// as lists of rows. Measured on 20,000 passages: at 16 a masked window costs what its 4 postings
// cost as a list.
inline constexpr size_t kMaskedRarity = 16;

enum {
  kSparsePassages,   // i64[rows], ascending
  kForwardStarts,    // u64[rows + 1]
  kForwardTerms,     // u16, ascending in a row
  kForwardImpacts,   // u8, 1 to 255
  kSparseDirectory,  // see SparseDirectory
  kMaskedTerms,      // blobs of MaskedBlob
  kListRows,         // u16, of the chunk, ascending in a list
  kListImpacts,      // u8
  kSparseSections
};
enum { kVocabularyParam, kHeavyParam };

// A term in a chunk.
struct SparseEntry {
  uint64_t start;        // masked: offset of its blob; else the first of its postings in the lists
  uint64_t heavy_start;  // its heaviest postings, in the lists
  uint32_t count;        // with kMaskedFlag
  uint32_t heavy_count;
};
static_assert(sizeof(SparseEntry) == 24);
inline constexpr uint32_t kMaskedFlag = uint32_t{1} << 31;

// u64 first[chunks + 1] (entries before a chunk); then for each chunk u64 present[words], a bit a
// term, and u32 before[words] (bits set in the words before); padding to 8; entries, by chunk and
// term.
struct SparseDirectory {
  SparseDirectory(size_t rows, size_t vocabulary)
      : chunks((rows + kChunkRows - 1) / kChunkRows),
        words((vocabulary + 63) / 64),
        present(8 * (chunks + 1)),
        before(present + 8 * chunks * words),
        entries((before + 4 * chunks * words + 7) / 8 * 8) {}
  size_t chunks, words;
  size_t present, before, entries;  // offsets in the section
};

// u64 masks[windows], u32 starts[windows], u8 largest[windows, padded to 16 with zeros],
// u8 impacts[count], then zeros: 64 at least, and up to a multiple of 8.
struct MaskedBlob {
  explicit MaskedBlob(size_t rows_of_chunk)
      : windows((rows_of_chunk + tensor::kImpactWindow - 1) / tensor::kImpactWindow),
        padded((windows + 15) / 16 * 16),
        starts(8 * windows),
        largest(starts + 4 * windows),
        impacts(largest + padded) {}
  size_t Size(size_t count) const { return (impacts + count + tensor::kImpactWindow + 7) / 8 * 8; }
  size_t windows, padded;
  size_t starts, largest, impacts;  // offsets in the blob
};

}  // namespace weir::index
