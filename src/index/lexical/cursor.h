// Walks one term's postings in one segment, a block of 128 documents at a time; frequencies and
// positions are unpacked only when asked for, positions of a document without those of its
// neighbours. Not thread-safe. About 3 KiB, no allocation before positions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "index/lexical/segment_reader.h"

namespace weir::index {

class PostingsCursor {
 public:
  PostingsCursor(const LexicalSegment& segment, const TermInfo& info);

  const TermInfo& info() const { return info_; }
  uint32_t block_count() const { return block_count_; }
  // Lists below 128 documents have no skip table: their last document is known once block 0 is
  // loaded.
  bool has_skips() const { return info_.document_count >= kBlockSize; }
  SkipEntry Skip(uint32_t block) const;    // REQUIRES: has_skips()
  Impacts ListImpacts() const;             // REQUIRES: has_skips()
  uint32_t LastDoc(uint32_t block) const;  // loads block 0 where there is no skip table
  // The first block at or after `from` whose last document is at least `doc`; block_count() if
  // none.
  uint32_t FindBlock(uint32_t from, uint32_t doc) const;

  // Unpacks document ids. False when the bytes are damaged; then status() says where.
  bool Load(uint32_t block);
  uint32_t block() const { return block_; }
  uint32_t count() const { return count_; }
  const uint32_t* docs() {
    if (!docs_ready_) ExpandWords();
    return docs_;
  }
  const uint32_t* Frequencies();
  // The place of `doc` in the loaded block, or kAbsent. Blocks stored as bit sets stay as they are.
  static constexpr uint32_t kAbsent = kBlockSize;
  uint32_t PlaceOf(uint32_t doc) const;
  // Positions of the i-th document of the block, until the next call; empty when damaged.
  std::span<const uint32_t> Positions(uint32_t i);
  // Of a block that is stored as a bit set: its words, the first bit for document bit_base(); null
  // for other blocks.
  const uint64_t* words() const { return word_count_ == 0 ? nullptr : words_; }
  uint32_t word_count() const { return word_count_; }
  uint32_t bit_base() const { return bit_base_; }

  const absl::Status& status() const { return status_; }

 private:
  bool LoadPacked(const SkipEntry& skip, uint32_t base);
  bool LoadTail(uint32_t base);
  void ExpandWords();
  bool LoadBitSet(const SkipEntry& skip, uint32_t base, const uint8_t* in);
  bool OpenPositions();
  bool LoadGroup(uint32_t group);
  bool Fail(std::string_view what);

  const LexicalSegment& segment_;
  TermInfo info_;
  const uint8_t* list_ = nullptr;   // of postings_size bytes
  const uint8_t* skips_ = nullptr;  // block_count_ entries
  const uint8_t* data_ = nullptr;   // after the skip table
  size_t data_size_ = 0;
  uint32_t block_count_ = 0;
  uint32_t block_ = ~0u;
  uint32_t count_ = 0;
  bool docs_ready_ = true, frequencies_loaded_ = false, positions_open_ = false;
  PackedBlock packed_frequencies_;
  uint32_t word_count_ = 0, bit_base_ = 0;
  uint32_t group_ = ~0u;      // of the positions, unpacked in group_positions_
  uint32_t docs_[kBlockSize];  // from count_ on above all rows
  uint32_t frequencies_[kBlockSize];
  uint64_t words_[kMaxBitSetWords];
  uint8_t ranks_[kMaxBitSetWords];  // documents in the words before
  uint32_t starts_[kBlockSize + 1];
  std::vector<PackedBlock> groups_;        // of 128 positions, the last of fewer
  const uint8_t* tail_begin_ = nullptr;   // of the positions that are not packed
  const uint8_t* tail_end_ = nullptr;     // the list's end
  std::vector<uint32_t> positions_;       // of one document
  uint32_t group_positions_[kBlockSize];  // differences
  absl::Status status_;
};

}  // namespace weir::index
