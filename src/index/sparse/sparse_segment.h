// Learned sparse vectors of passages in one file: a forward index (the rows) and an inverted one
// (the terms), impacts in 8 bits. Format page: docs/formats/sparse-segment.md. Thread-safe.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/deleted_rows.h"
#include "index/segment/segment_file.h"
#include "index/sparse/format.h"
#include "tensor/impacts.h"
#include "text/ports.h"

namespace weir::index {

// Postings of a term in a chunk: rows of the chunk with their impacts.
struct SparseList {
  std::span<const uint16_t> rows;
  const uint8_t* impacts = nullptr;
};

class SparseSegment {
 public:
  static absl::StatusOr<std::shared_ptr<const SparseSegment>> Open(const std::string& path);
  static absl::StatusOr<std::shared_ptr<const SparseSegment>> FromFile(
      std::shared_ptr<const SegmentFile> file);

  const SegmentFile& file() const { return *file_; }
  size_t rows() const { return rows_; }
  int32_t vocabulary() const { return vocabulary_; }
  int64_t passage(size_t row) const { return ids_[row]; }
  int64_t Row(int64_t passage) const;  // -1 when it is not here

  // The vector of a row, terms ascending.
  std::span<const uint16_t> terms(size_t row) const {
    const uint64_t start = Start(row), end = std::max(start, Start(row + 1));
    return {terms_ + start, static_cast<size_t>(end - start)};
  }
  const uint8_t* impacts(size_t row) const { return impacts_ + Start(row); }
  // Asks for a row's lines ahead of their use.
  void Prefetch(size_t row) const {
    for (uint64_t i = Start(row), end = Start(row + 1); i < end; i += 32) {
      __builtin_prefetch(terms_ + i);
      if (i % 64 == 0) __builtin_prefetch(impacts_ + i);
    }
    __builtin_prefetch(impacts_ + Start(row));
  }

  size_t chunks() const { return directory_.chunks; }
  size_t RowsOfChunk(size_t chunk) const;
  // That what the chunk's entries point to is inside the file: to be asked before Find. Reads them
  // the first time, so that opening a segment does not.
  absl::Status CheckEntries(size_t chunk) const;
  // Null when no row of the chunk has the term. REQUIRES: term < vocabulary.
  const SparseEntry* Find(size_t chunk, uint32_t term) const;
  static bool IsMasked(const SparseEntry& entry) { return (entry.count & kMaskedFlag) != 0; }
  // REQUIRES: not masked.
  SparseList List(const SparseEntry& entry) const {
    return {{list_rows_ + entry.start, entry.count}, list_impacts_ + entry.start};
  }
  // The heaviest postings of the segment that fall into the chunk.
  SparseList HeavyList(const SparseEntry& entry) const {
    return {{list_rows_ + entry.heavy_start, entry.heavy_count}, list_impacts_ + entry.heavy_start};
  }
  // REQUIRES: masked.
  tensor::MaskedTerm Masked(size_t chunk, const SparseEntry& entry) const;
  // Its largest impact in each window, padded to 16.
  const uint8_t* LargestOf(size_t chunk, const SparseEntry& entry) const;

  // Ids ascend; rows are well formed; the inverted side is what the rows make.
  absl::Status Check() const;

 private:
  // Hostile starts lie inside all the same.
  uint64_t Start(size_t row) const { return starts_[row] < postings_ ? starts_[row] : postings_; }
  absl::Status CheckChunks() const;

  std::shared_ptr<const SegmentFile> file_;
  size_t rows_ = 0;
  int32_t vocabulary_ = 0;
  uint64_t postings_ = 0;
  SparseDirectory directory_{0, 0};
  const int64_t* ids_ = nullptr;
  const uint64_t* starts_ = nullptr;
  const uint16_t* terms_ = nullptr;
  const uint8_t* impacts_ = nullptr;
  const uint8_t* directory_bytes_ = nullptr;
  const uint8_t* masked_ = nullptr;
  const uint16_t* list_rows_ = nullptr;
  const uint8_t* list_impacts_ = nullptr;
  std::unique_ptr<std::atomic<bool>[]> checked_;  // of each chunk: its entries are good
};

struct SparseView {
  const SparseSegment* segment = nullptr;
  const DeletedRows* deleted = nullptr;  // null: none
  const RowSet* allowed = nullptr;       // live rows that a search may return; null: all
};

// ids ascend; one vector an id, empty ones too. kInvalidArgument for terms outside of [0,
// vocabulary) or out of order, weights that are not finite and above 0, vocabularies above
// kMaxSparseVocabulary. Weights that round to no impact are left out.
absl::StatusOr<SegmentInfo> WriteSparseSegment(std::span<const int64_t> ids,
                                               std::span<const text::SparseVector> vectors,
                                               int32_t vocabulary, const std::string& folder,
                                               const std::string& name);

// Live rows of all segments, by ascending passage id. kNotFound when none is left.
absl::StatusOr<SegmentInfo> MergeSparseSegments(std::span<const SparseView> segments,
                                                const std::string& folder, const std::string& name,
                                                const Context& context);

}  // namespace weir::index
