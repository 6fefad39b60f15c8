#include "index/lexical/documents.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/status.h"

namespace weir::index {
namespace {

void MarkRun(std::span<const uint32_t> run, uint32_t begin, uint32_t end, uint64_t* bits) {
  auto from = run.begin(), to = run.end();
  if (run.front() < begin) from = std::lower_bound(from, to, begin);
  if (run.back() >= end) to = std::lower_bound(from, to, end);
  for (; from != to; ++from) {
    const uint32_t at = *from - begin;
    bits[at / 64] |= uint64_t{1} << (at % 64);
  }
}

}  // namespace

std::span<const uint32_t> Documents::RunFrom(uint32_t doc) {
  if (!cursor_) return matches_.docs;
  block_ = cursor_->FindBlock(block_, doc);
  if (block_ >= cursor_->block_count() || !cursor_->Load(block_)) return {};
  return {cursor_->docs(), cursor_->count()};
}

void Documents::Mark(uint32_t begin, uint32_t end, uint64_t* bits) {
  if (!cursor_) return MarkRun(matches_.docs, begin, end, bits);
  for (block_ = cursor_->FindBlock(block_, begin); block_ < cursor_->block_count(); ++block_) {
    if (block_ > 0 && cursor_->LastDoc(block_ - 1) + 1 >= end) return;
    if (!cursor_->Load(block_)) return;
    if (!MarkWords(begin, end, bits))
      MarkRun({cursor_->docs(), cursor_->count()}, begin, end, bits);
    if (cursor_->LastDoc(block_) >= end) return;
  }
}

// A block of words that lies within [begin, end) is or-ed as it is; false when it does not.
bool Documents::MarkWords(uint32_t begin, uint32_t end, uint64_t* bits) const {
  if (cursor_->words() == nullptr) return false;
  const uint32_t base = cursor_->bit_base(), words = cursor_->word_count();
  if (base < begin || cursor_->LastDoc(block_) >= end) return false;
  const uint32_t at = (base - begin) / 64, shift = (base - begin) % 64;
  for (uint32_t w = 0; w < words; ++w) {
    const uint64_t word = cursor_->words()[w];
    bits[at + w] |= word << shift;
    const uint64_t high = shift == 0 ? 0 : word >> (64 - shift);
    if (high != 0) bits[at + w + 1] |= high;
  }
  return true;
}

bool Documents::Contains(uint32_t doc) {
  if (cursor_) {
    block_ = cursor_->FindBlock(block_, doc);
    return block_ < cursor_->block_count() && cursor_->Load(block_) &&
           cursor_->PlaceOf(doc) != PostingsCursor::kAbsent;
  }
  const std::vector<uint32_t>& docs = matches_.docs;
  at_ = static_cast<size_t>(
      std::lower_bound(docs.begin() + static_cast<ptrdiff_t>(at_), docs.end(), doc) -
      docs.begin());
  return at_ < docs.size() && docs[at_] == doc;
}

absl::StatusOr<bool> AddClause(const LexicalSegment& segment, const LexicalClause& clause,
                               std::deque<Documents>& out) {
  std::vector<ConjunctionTerm> terms;
  for (size_t i = 0; i < clause.terms.size(); ++i) {
    WEIR_ASSIGN_OR_RETURN(const std::optional<TermInfo> info, segment.Find(clause.terms[i]));
    if (!info.has_value()) return false;
    terms.push_back({*info, 0, clause.offsets[i], clause.width});
  }
  if (terms.size() == 1) {
    out.emplace_back(segment, terms[0].info);
    return true;
  }
  PhraseMatches matches;
  WEIR_RETURN_IF_ERROR(MatchPhrase(segment, terms, matches));
  if (matches.docs.empty()) return false;
  out.emplace_back(std::move(matches));
  return true;
}


}  // namespace weir::index
