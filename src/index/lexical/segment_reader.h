// One lexical segment, mapped: passage ids and lengths, the dictionary, and cursors over postings.
// Thread-safe; cursors are not. All reads are checked against the sections, so that damaged or
// hostile bytes give kDataLoss or an exhausted cursor, never an access outside the file.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/lexical/format.h"
#include "index/segment/segment_file.h"

namespace weir::index {

class LexicalSegment {
 public:
  static absl::StatusOr<std::shared_ptr<const LexicalSegment>> Open(const std::string& path);
  static absl::StatusOr<std::shared_ptr<const LexicalSegment>> FromFile(
      std::shared_ptr<const SegmentFile> file);

  const SegmentFile& file() const { return *file_; }
  uint32_t rows() const { return rows_; }
  uint64_t total_tokens() const { return file_->param(kTotalTokensParam); }
  uint64_t term_count() const { return file_->param(kTermCountParam); }
  int64_t first_passage() const { return first_; }
  int64_t last_passage() const { return RankedPassage(rows_ - 1); }
  int64_t passage(uint32_t doc) const { return RankedPassage(Rank(doc)); }
  // Rows ascend as their passages do; those of a merged segment may stand as compresses best.
  bool ascending() const { return ranks_ == nullptr; }
  // The passages in ascending order, and the row of each, or -1 where a damaged order has none.
  int64_t RankedPassage(uint32_t rank) const {
    return first_ + (ids_ == nullptr ? rank : ids_[rank]);
  }
  int64_t RankedRow(uint32_t rank) const;
  // The row of a passage, or -1.
  int64_t Row(int64_t passage) const;
  // The rank of a row's passage; of a damaged order rows() or above. REQUIRES: !ascending()
  uint32_t StatedRank(uint32_t doc) const { return PlainAt(ranks_, doc, rank_bits_); }
  uint32_t length(uint32_t doc) const {
    switch (length_bytes_) {
      case 1: return lengths_[doc];
      case 2: return reinterpret_cast<const uint16_t*>(lengths_)[doc];
      default: return reinterpret_cast<const uint32_t*>(lengths_)[doc];
    }
  }
  // out[i] = length(docs[i])
  void Lengths(const uint32_t* docs, size_t n, uint32_t* out) const;
  std::span<const uint8_t> postings() const { return file_->section(kPostingsSection); }
  std::span<const uint8_t> positions() const { return file_->section(kPositionsSection); }

  // nullopt when the term does not occur.
  absl::StatusOr<std::optional<TermInfo>> Find(std::string_view term) const;

  // All terms in byte order.
  class TermIterator {
   public:
    explicit TermIterator(const LexicalSegment& segment);
    // False at the end or on damage (then status() says so).
    bool Next();
    const std::string& term() const { return term_; }
    const TermInfo& info() const { return info_; }
    const absl::Status& status() const { return status_; }

   private:
    const LexicalSegment& segment_;
    ByteReader reader_;
    uint64_t done_ = 0;
    std::string term_;
    TermInfo info_;
    absl::Status status_;
  };

 private:
  friend class TermIterator;
  // Reads one dictionary entry after `term` and moves the offsets of `info` past the entry before.
  bool ReadEntry(ByteReader& reader, bool first, std::string& term, TermInfo& info) const;
  bool IndexEntry(uint64_t block, uint64_t& terms, TermInfo& info) const;

  uint32_t Rank(uint32_t doc) const {
    return ascending() ? doc : std::min(StatedRank(doc), rows_ - 1);
  }

  std::shared_ptr<const SegmentFile> file_;
  uint32_t rows_ = 0;
  int64_t first_ = 0;
  int length_bytes_ = 1;
  const uint32_t* ids_ = nullptr;  // null: consecutive
  const uint8_t* lengths_ = nullptr;
  const uint8_t* ranks_ = nullptr;  // null: ascending
  int rank_bits_ = 0;
  mutable std::once_flag rows_once_;
  mutable std::vector<uint32_t> rows_by_rank_;  // made when first asked for
  uint64_t term_blocks_ = 0;
};

}  // namespace weir::index
