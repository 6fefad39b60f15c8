// How often a phrase, or its words near one another, occurs in a document that holds all its terms,
// by their positions.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "index/lexical/cursor.h"

namespace weir::index {

// Not thread-safe.
class PhraseCounter {
 public:
  struct Term {
    TermInfo info;
    int32_t offset = 0;  // from the phrase's start
    int32_t width = 0;   // of all terms alike: LexicalClause::width
  };
  // Rare terms first is fastest.
  PhraseCounter(const LexicalSegment& segment, std::span<const Term> terms);
  // Where a term's posting of a document lies.
  struct Found {
    uint32_t block = 0, place = 0;
  };
  // In the document where the terms, in the order given, were found.
  uint32_t CountAt(const std::vector<Found>& found);
  // 0 when a term is missing. Documents must ascend from call to call.
  uint32_t Count(uint32_t doc);
  absl::Status status() const;

 private:
  struct Follower {
    PostingsCursor cursor;
    int32_t offset;
    uint32_t block = 0;
  };
  uint32_t CountWindows(const std::vector<Found>& found);

  std::deque<Follower> followers_;
  int32_t width_ = 0;
  std::vector<Found> found_;
  std::vector<int64_t> starts_;
};

}  // namespace weir::index
