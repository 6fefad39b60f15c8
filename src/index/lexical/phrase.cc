#include "index/lexical/phrase.h"

#include "index/lexical/windows.h"

namespace weir::index {

PhraseCounter::PhraseCounter(const LexicalSegment& segment, std::span<const Term> terms) {
  for (const Term& term : terms) {
    width_ = term.width;
    followers_.push_back({PostingsCursor(segment, term.info), term.offset});
    // Lists without a skip table know their last document once they are loaded.
    followers_.back().cursor.Load(0);
  }
}

uint32_t PhraseCounter::Count(uint32_t doc) {
  found_.clear();
  for (Follower& follower : followers_) {
    PostingsCursor& cursor = follower.cursor;
    follower.block = cursor.FindBlock(follower.block, doc);
    if (follower.block >= cursor.block_count() || !cursor.Load(follower.block)) return 0;
    found_.push_back({follower.block, cursor.PlaceOf(doc)});
    if (found_.back().place == PostingsCursor::kAbsent) return 0;
  }
  return CountAt(found_);
}

uint32_t PhraseCounter::CountAt(const std::vector<Found>& found) {
  if (width_ > 0) return CountWindows(found);
  starts_.clear();
  for (size_t f = 0; f < followers_.size(); ++f) {
    PostingsCursor& cursor = followers_[f].cursor;
    if (!cursor.Load(found[f].block)) return 0;
    const std::span<const uint32_t> positions = cursor.Positions(found[f].place);
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

uint32_t PhraseCounter::CountWindows(const std::vector<Found>& found) {
  std::vector<std::span<const uint32_t>> lists;
  for (size_t f = 0; f < followers_.size(); ++f) {
    PostingsCursor& cursor = followers_[f].cursor;
    if (!cursor.Load(found[f].block)) return 0;
    lists.push_back(cursor.Positions(found[f].place));
  }
  uint32_t windows = 0;
  ForEachWindow(lists, width_, [&](std::span<const size_t>) { ++windows; });
  return windows;
}

absl::Status PhraseCounter::status() const {
  absl::Status status;
  for (const Follower& follower : followers_) status.Update(follower.cursor.status());
  return status;
}

}  // namespace weir::index
