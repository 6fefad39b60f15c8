// How often a phrase occurs in a document that holds all its terms, by their positions.
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
  };
  // Rare terms first is fastest.
  PhraseCounter(const LexicalSegment& segment, std::span<const Term> terms);
  // 0 when a term is missing. Documents must ascend from call to call.
  uint32_t Count(uint32_t doc);
  absl::Status status() const;

 private:
  struct Follower {
    PostingsCursor cursor;
    int32_t offset;
    uint32_t block = 0;
  };
  std::deque<Follower> followers_;
  std::vector<int64_t> starts_;
};

}  // namespace weir::index
