#include "index/lexical/clause_scorer.h"

#include <algorithm>
#include <limits>

#include "index/lexical/block_scores.h"

namespace weir::index {

ClauseScorer::ClauseScorer(const LexicalSegment& segment, const TermInfo& info, float factor,
                           const Bm25Saturation& saturation)
    : segment_(segment),
      factor_(factor),
      saturation_(saturation),
      document_count_(info.document_count) {
  cursor_.emplace(segment, info);
  block_count_ = cursor_->block_count();
  if (block_count_ == 0) return;
  if (cursor_->has_skips()) {
    list_bound_ = Bound(cursor_->ListImpacts());
  } else if (Load(0)) {
    const float* scores = Scores();
    list_bound_ = *std::max_element(scores, scores + count_);
  } else {
    block_count_ = 0;
  }
}

ClauseScorer::ClauseScorer(const LexicalSegment& segment, PhraseMatches matches, float factor,
                           const Bm25Saturation& saturation)
    : segment_(segment), matches_(std::move(matches)), factor_(factor), saturation_(saturation) {
  document_count_ = static_cast<uint32_t>(matches_.docs.size());
  block_count_ = (document_count_ + kBlockSize - 1) / kBlockSize;
  matches_.frequencies.resize(size_t{block_count_} * kBlockSize, 1);
  list_bound_ = factor_;  // a saturation is below 1
}

float ClauseScorer::Bound(const Impacts& impacts) const {
  return ImpactBound(impacts, saturation_) * factor_;
}

uint32_t ClauseScorer::LastDoc(uint32_t block) const {
  if (cursor_.has_value()) return cursor_->LastDoc(block);
  return matches_.docs[std::min((block + 1) * kBlockSize, document_count_) - 1];
}

uint32_t ClauseScorer::Find(uint32_t from, uint32_t doc) const {
  if (cursor_.has_value()) return std::min(cursor_->FindBlock(from, doc), block_count_);
  while (from < block_count_ && LastDoc(from) < doc) ++from;
  return from;
}

uint32_t ClauseScorer::NextPossible(uint32_t doc) const {
  return block_ >= block_count_ ? kNone : std::max(doc, FirstPossible(block_));
}

float ClauseScorer::BlockBound(uint32_t block) {
  if (block == bound_block_) return bound_;
  bound_block_ = block;
  bound_ = cursor_.has_value() && cursor_->has_skips() ? Bound(cursor_->Skip(block).impacts)
                                                       : list_bound_;
  return bound_;
}

float ClauseScorer::WindowBound(uint32_t begin, uint32_t end, uint32_t& until) {
  if (block_ >= block_count_) {
    until = kNone - 1;
    return 0;
  }
  const uint32_t first = FirstPossible(block_);
  if (first >= end) {
    until = first - 1;
    return 0;
  }
  until = LastDoc(block_);
  if (until >= end - 1) return BlockBound(block_);
  float bound = BlockBound(block_);
  for (uint32_t b = block_ + 1; b < block_count_; ++b) {
    if (b - block_ > kMaxBoundBlocks) {
      until = end - 1;
      return list_bound_;
    }
    if (until + 1 >= end) break;
    bound = std::max(bound, BlockBound(b));
    until = LastDoc(b);
  }
  return bound;
}

bool ClauseScorer::Load(uint32_t block) {
  if (block == loaded_) return true;
  loaded_ = block;
  scores_ready_ = false;
  if (!cursor_.has_value()) {
    docs_ = matches_.docs.data() + size_t{block} * kBlockSize;
    count_ = std::min(kBlockSize, document_count_ - block * kBlockSize);
    return true;
  }
  if (!cursor_->Load(block)) {
    loaded_ = ~0u;
    count_ = 0;
    block_ = block_count_ = 0;  // exhausted; status() tells why
    return false;
  }
  docs_ = cursor_->docs();
  count_ = cursor_->count();
  return true;
}

const float* ClauseScorer::Scores() {
  if (!scores_ready_) {
    alignas(16) uint32_t lengths[kBlockSize];
    segment_.Lengths(docs_, count_, lengths);
    for (uint32_t i = count_; i % 4 != 0; ++i) lengths[i] = 1;
    const uint32_t* frequencies = cursor_.has_value()
                                      ? cursor_->Frequencies()
                                      : matches_.frequencies.data() + size_t{loaded_} * kBlockSize;
    ScoreBlock(frequencies, lengths, count_, factor_, saturation_, scores_.data());
    scores_ready_ = true;
  }
  return scores_.data();
}

// The place of `doc` in the loaded block, count_ or above when it is not there.
uint32_t ClauseScorer::PlaceOf(uint32_t doc) const {
  if (cursor_.has_value()) return cursor_->PlaceOf(doc);
  const uint32_t* at = std::lower_bound(docs_, docs_ + count_, doc);
  return at != docs_ + count_ && *at == doc ? static_cast<uint32_t>(at - docs_)
                                            : PostingsCursor::kAbsent;
}

float ClauseScorer::ScoreAt(uint32_t place) {
  if (scores_ready_) return scores_[place];
  const uint32_t frequency = cursor_.has_value()
                                 ? cursor_->Frequencies()[place]
                                 : matches_.frequencies[size_t{loaded_} * kBlockSize + place];
  return factor_ *
         saturation_(static_cast<float>(static_cast<int32_t>(frequency)),
                     static_cast<float>(static_cast<int32_t>(segment_.length(docs_[place]))));
}

void ClauseScorer::AddScores(const uint32_t* docs, double* scores, size_t n, double least,
                             bool required) {
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < n;) {
    const bool there = Advance(docs[i]) < block_count_ && FirstPossible(block_) <= docs[i];
    const uint32_t last = block_ < block_count_ ? LastDoc(block_) : kNone - 1;
    const double enough = there ? least - double{BlockBound(block_)} : 0;
    for (; i < n && docs[i] <= last; ++i) {
      uint32_t place = PostingsCursor::kAbsent;
      if (there) {
        if (scores[i] < enough) {
          scores[i] = kNever;
          continue;
        }
        place = Load(block_) ? PlaceOf(docs[i]) : place;
      }
      if (place < count_) {
        scores[i] += double{ScoreAt(place)};
      } else if (required) {
        scores[i] = kNever;
      }
    }
  }
}

}  // namespace weir::index
