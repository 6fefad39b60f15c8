#include "index/lexical/phrase.h"

namespace weir::index {

PhraseCounter::PhraseCounter(const LexicalSegment& segment, std::span<const Term> terms) {
  for (const Term& term : terms) {
    followers_.push_back({PostingsCursor(segment, term.info), term.offset});
    // Lists without a skip table know their last document once they are loaded.
    followers_.back().cursor.Load(0);
  }
}

uint32_t PhraseCounter::Count(uint32_t doc) {
  starts_.clear();
  for (size_t f = 0; f < followers_.size(); ++f) {
    PostingsCursor& cursor = followers_[f].cursor;
    uint32_t& block = followers_[f].block;
    block = cursor.FindBlock(block, doc);
    if (block >= cursor.block_count() || !cursor.Load(block)) return 0;
    const uint32_t place = cursor.PlaceOf(doc);
    if (place == PostingsCursor::kAbsent) return 0;
    const std::span<const uint32_t> positions = cursor.Positions(place);
    const int64_t offset = followers_[f].offset;
    if (f == 0) {
      for (uint32_t p : positions) starts_.push_back(int64_t{p} - offset);
      continue;
    }
    size_t kept = 0, at = 0;
    for (int64_t start : starts_) {
      while (at < positions.size() && positions[at] < start + offset) ++at;
      if (at < positions.size() && positions[at] == start + offset) starts_[kept++] = start;
    }
    starts_.resize(kept);
    if (kept == 0) return 0;
  }
  return static_cast<uint32_t>(starts_.size());
}

absl::Status PhraseCounter::status() const {
  absl::Status status;
  for (const Follower& follower : followers_) status.Update(follower.cursor.status());
  return status;
}

}  // namespace weir::index
