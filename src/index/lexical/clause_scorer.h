// One clause of a query over one segment, as blocks of documents with scores and bounds: a term's
// postings, or the matches of a phrase held as a list. Moves forward only. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "index/lexical/bm25.h"
#include "index/lexical/conjunction.h"
#include "index/lexical/cursor.h"

namespace weir::index {

class ClauseScorer {
 public:
  // A term. factor: weight * idf.
  ClauseScorer(const LexicalSegment& segment, const TermInfo& info, float factor,
               const Bm25Saturation& saturation);
  // A phrase.
  ClauseScorer(const LexicalSegment& segment, PhraseMatches matches, float factor,
               const Bm25Saturation& saturation);
  ClauseScorer(const ClauseScorer&) = delete;

  uint32_t document_count() const { return document_count_; }
  uint32_t block_count() const { return block_count_; }
  float list_bound() const { return list_bound_; }

  // Moves the block pointer to the first block that may hold `doc` or a later one.
  uint32_t Advance(uint32_t doc) { return block_ = Find(block_, doc); }
  // After Advance(doc): a document number not above the next match at or after doc; kNone at the
  // end.
  static constexpr uint32_t kNone = ~0u;
  uint32_t NextPossible(uint32_t doc) const;
  // After Advance(begin): the most any document in [begin, end) can get; the bound holds up to and
  // with `until`.
  float WindowBound(uint32_t begin, uint32_t end, uint32_t& until);

  uint32_t block() const { return block_; }
  void set_block(uint32_t block) { block_ = block; }
  uint32_t LastDoc(uint32_t block) const;
  uint32_t FirstPossible(uint32_t block) const { return block == 0 ? 0 : LastDoc(block - 1) + 1; }
  float BlockBound(uint32_t block);
  bool Load(uint32_t block);
  uint32_t count() const { return count_; }
  const uint32_t* docs() const { return docs_; }
  const float* Scores();  // of the loaded block

  // Adds its scores to candidates in ascending order; those that its blocks' bounds keep below
  // `least` get -infinity and need no other clause. `required`: so do those that do not match.
  void AddScores(const uint32_t* docs, double* scores, size_t n, double least, bool required);

  const absl::Status& status() const { return cursor_.has_value() ? cursor_->status() : ok_; }

 private:
  float ScoreAt(uint32_t place);
  uint32_t PlaceOf(uint32_t doc) const;
  uint32_t Find(uint32_t from, uint32_t doc) const;
  float Bound(const Impacts& impacts) const;

  const LexicalSegment& segment_;
  std::optional<PostingsCursor> cursor_;
  PhraseMatches matches_;
  float factor_;
  Bm25Saturation saturation_;
  uint32_t document_count_ = 0, block_count_ = 0;
  uint32_t block_ = 0, loaded_ = ~0u, count_ = 0;
  uint32_t bound_block_ = ~0u;
  float bound_ = 0, list_bound_ = 0;
  bool scores_ready_ = false;
  const uint32_t* docs_ = nullptr;
  alignas(64) std::array<float, kBlockSize> scores_;
  absl::Status ok_;
};

}  // namespace weir::index
