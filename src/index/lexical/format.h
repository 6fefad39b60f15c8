// Constants and small records that the writer and the reader of a lexical segment share. Format
// page: docs/formats/lexical-segment.md.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "index/lexical/codec.h"

namespace weir::index {

enum LexicalSection {
  kIdsSection,
  kLengthsSection,
  kTermsSection,
  kTermIndexSection,
  kPostingsSection,
  kPositionsSection,
  kOrderSection,  // of rows that are not in the order of their passages
  kLexicalSections
};
enum LexicalParam {
  kFirstPassageParam,
  kTermCountParam,
  kTotalTokensParam,
  kLengthBytesParam,
  kFormatParam
};

// 2: blocks as bit sets and with patches, ids left out where they are consecutive; rows in the
// order of their passages, and no order section.
inline constexpr uint64_t kLexicalFormat = 2;
// 3: as 2, the rows in the order that the order section states.
inline constexpr uint64_t kReorderedFormat = 3;

// Of the order section: which of the segment's passages, ascending, each row is.
inline constexpr int RankBits(uint64_t rows) {
  return static_cast<int>(std::bit_width(rows - 1));
}

inline constexpr int kTermsPerBlock = 32;
inline constexpr size_t kTermIndexEntryBytes = 24;  // offsets into terms, postings, positions
inline constexpr size_t kMaxTermBytes = 255;        // longer tokens are cut by the builder
inline constexpr int kImpactPairs = 3;

// Upper bound of what any document of a block can score: up to three points (frequency, length) of
// the block's Pareto frontier, frequencies rounded up and lengths rounded down to a byte each.
struct Impacts {
  std::array<uint8_t, kImpactPairs> frequency{};
  std::array<uint8_t, kImpactPairs> length{};
};
static_assert(sizeof(Impacts) == 6);

// One for each block of a list of 128 documents or more, the last block included.
struct SkipEntry {
  uint32_t last_doc = 0;
  uint32_t data_offset = 0;      // of the block, from the end of the skip table
  uint32_t positions_offset = 0;  // of the block, from the start of the term's positions
  uint8_t doc_head = 0;        // of the packed gaps, or kBitSet
  uint8_t frequency_head = 0;  // of the packed frequencies less one
  Impacts impacts;
};
inline constexpr size_t kSkipBytes = 20;
// The block's documents are bits in u64 words, the first for the document after the block before.
inline constexpr uint8_t kBitSet = 0x80;
inline constexpr uint32_t kMaxBitSetWords = 64;
// Patches move every document behind them, so there are few.
inline constexpr int kMaxGapPatches = 4;
// Groups of positions of at most this many are variable bytes.
inline constexpr size_t kFewPositions = 32;
static_assert(sizeof(SkipEntry) == kSkipBytes);

// of the whole list, before the skip table; two are zero
inline constexpr size_t kListImpactBytes = 8;

// Where a term's list lies in a segment, and its counts.
struct TermInfo {
  uint32_t document_count = 0;  // deleted ones included
  uint64_t occurrences = 0;
  uint64_t postings_offset = 0, postings_size = 0;
  uint64_t positions_offset = 0, positions_size = 0;
};

}  // namespace weir::index
