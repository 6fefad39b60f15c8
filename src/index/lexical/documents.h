// The documents of one clause in one segment, unscored: for counting and for filters.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "index/lexical/conjunction.h"
#include "index/lexical/cursor.h"
#include "index/lexical/query.h"

namespace weir::index {

// A term's blocks or a phrase's list; moves forward only. Not thread-safe.
class Documents {
 public:
  Documents(const LexicalSegment& segment, const TermInfo& info)
      : cursor_(std::in_place, segment, info), total_(info.document_count) {
    cursor_->Load(0);
  }
  explicit Documents(PhraseMatches matches)
      : matches_(std::move(matches)), total_(static_cast<uint32_t>(matches_.docs.size())) {}

  uint32_t total() const { return total_; }
  absl::Status status() const { return cursor_ ? cursor_->status() : absl::OkStatus(); }

  // The run that may hold `doc` or a later one; empty at the end. `doc` never falls.
  std::span<const uint32_t> RunFrom(uint32_t doc);
  // Sets the bits of those in [begin, end), counted from begin.
  void Mark(uint32_t begin, uint32_t end, uint64_t* bits);
  // `doc` never falls.
  bool Contains(uint32_t doc);

 private:
  bool MarkWords(uint32_t begin, uint32_t end, uint64_t* bits) const;

  std::optional<PostingsCursor> cursor_;
  PhraseMatches matches_;
  uint32_t total_ = 0, block_ = 0;
  size_t at_ = 0;  // in the phrase's list: those before it are below what was asked for
};

// False when the clause does not occur in the segment.
absl::StatusOr<bool> AddClause(const LexicalSegment& segment, const LexicalClause& clause,
                               std::deque<Documents>& out);

}  // namespace weir::index
