#include "index/lexical/count.h"

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "base/status.h"
#include "index/lexical/conjunction.h"
#include "index/lexical/cursor.h"

namespace weir::index {
namespace {

#if defined(__x86_64__) && defined(__GNUC__)
// The base instruction set has no count of bits; nearly every CPU has.
[[gnu::target("popcnt")]] int64_t CountOnesFast(const uint64_t* words, size_t n) {
  int64_t count = 0;
  for (size_t i = 0; i < n; ++i) count += __builtin_popcountll(words[i]);
  return count;
}
#endif

int64_t CountOnes(const uint64_t* words, size_t n) {
#if defined(__x86_64__) && defined(__GNUC__)
  if (__builtin_cpu_supports("popcnt")) return CountOnesFast(words, n);
#endif
  int64_t count = 0;
  for (size_t i = 0; i < n; ++i) count += std::popcount(words[i]);
  return count;
}

constexpr uint32_t kWindow = 65536;  // documents; its bits are 8 KiB, a quarter of L1

// Documents of one clause in ascending order, a run at a time: a term's blocks or a phrase's list.
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
  std::span<const uint32_t> RunFrom(uint32_t doc) {
    if (!cursor_) return matches_.docs;
    block_ = cursor_->FindBlock(block_, doc);
    if (block_ >= cursor_->block_count() || !cursor_->Load(block_)) return {};
    return {cursor_->docs(), cursor_->count()};
  }

  // Sets the bits of those in [begin, end), counted from begin.
  void Mark(uint32_t begin, uint32_t end, uint64_t* bits) {
    if (!cursor_) return MarkRun(matches_.docs, begin, end, bits);
    for (block_ = cursor_->FindBlock(block_, begin); block_ < cursor_->block_count(); ++block_) {
      if (block_ > 0 && cursor_->LastDoc(block_ - 1) + 1 >= end) return;
      if (!cursor_->Load(block_)) return;
      if (!MarkWords(begin, end, bits))
        MarkRun({cursor_->docs(), cursor_->count()}, begin, end, bits);
      if (cursor_->LastDoc(block_) >= end) return;
    }
  }

  // Moves to `doc`; false when it is not there.
  bool Contains(uint32_t doc) {
    const std::span<const uint32_t> run = RunFrom(doc);
    if (block_ != seen_block_) at_ = 0;
    seen_block_ = block_;
    if (cursor_) return !run.empty() && cursor_->PlaceOf(doc) != PostingsCursor::kAbsent;
    const auto found = std::lower_bound(run.begin() + static_cast<ptrdiff_t>(std::min(at_, run.size())),
                                        run.end(), doc);
    at_ = static_cast<size_t>(found - run.begin());
    return found != run.end() && *found == doc;
  }

 private:
  static void MarkRun(std::span<const uint32_t> run, uint32_t begin, uint32_t end,
                      uint64_t* bits) {
    auto from = run.begin(), to = run.end();
    if (run.front() < begin) from = std::lower_bound(from, to, begin);
    if (run.back() >= end) to = std::lower_bound(from, to, end);
    for (; from != to; ++from) {
      const uint32_t at = *from - begin;
      bits[at / 64] |= uint64_t{1} << (at % 64);
    }
  }

  // A block of words that lies within [begin, end) is or-ed as it is; false when it does not.
  bool MarkWords(uint32_t begin, uint32_t end, uint64_t* bits) const {
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

  std::optional<PostingsCursor> cursor_;
  PhraseMatches matches_;
  uint32_t total_ = 0, block_ = 0, seen_block_ = 0;
  size_t at_ = 0;  // in the run of seen_block_: those before it are below what was asked for
};

int64_t CountAny(std::deque<Documents>& clauses, const SegmentView& view) {
  const uint32_t rows = view.segment->rows();
  std::array<uint64_t, kWindow / 64> bits{};
  int64_t count = 0;
  for (uint32_t begin = 0; begin < rows; begin += std::min(kWindow, rows - begin)) {
    const uint32_t end = begin + std::min(kWindow, rows - begin);
    for (Documents& clause : clauses) clause.Mark(begin, end, bits.data());
    const uint64_t* gone = view.deleted == nullptr || view.deleted->bits.empty()
                               ? nullptr
                               : view.deleted->bits.data() + begin / 64;
    const uint32_t words = (end - begin + 63) / 64;
    for (uint32_t w = 0; gone != nullptr && w < words; ++w) bits[w] &= ~gone[w];
    count += CountOnes(bits.data(), words);
    std::fill_n(bits.begin(), words, 0);
  }
  return count;
}

int64_t CountAll(std::deque<Documents>& clauses, const SegmentView& view) {
  std::vector<Documents*> order;
  for (Documents& clause : clauses) order.push_back(&clause);
  std::sort(order.begin(), order.end(),
            [](const Documents* a, const Documents* b) { return a->total() < b->total(); });
  int64_t count = 0;
  uint32_t next = 0;
  while (true) {
    const std::span<const uint32_t> run = order[0]->RunFrom(next);
    if (run.empty() || run.back() < next) return count;
    for (uint32_t doc : run) {
      bool in_all = view.deleted == nullptr || !view.deleted->Contains(doc);
      for (size_t c = 1; c < order.size() && in_all; ++c) in_all = order[c]->Contains(doc);
      count += in_all;
    }
    next = run.back() + 1;
  }
}

// False when the clause does not occur in the segment.
absl::StatusOr<bool> AddClause(const LexicalSegment& segment, const LexicalClause& clause,
                               std::deque<Documents>& out) {
  std::vector<ConjunctionTerm> terms;
  for (size_t i = 0; i < clause.terms.size(); ++i) {
    WEIR_ASSIGN_OR_RETURN(const std::optional<TermInfo> info, segment.Find(clause.terms[i]));
    if (!info.has_value()) return false;
    terms.push_back({*info, 0, clause.offsets[i]});
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

}  // namespace

absl::StatusOr<int64_t> CountSegments(std::span<const SegmentView> segments,
                                      const LexicalQuery& query) {
  int64_t count = 0;
  for (const SegmentView& view : segments) {
    std::deque<Documents> clauses;
    for (const LexicalClause& clause : query.clauses) {
      WEIR_ASSIGN_OR_RETURN(const bool found, AddClause(*view.segment, clause, clauses));
      if (!found && query.all) break;
    }
    if (clauses.empty() || (query.all && clauses.size() < query.clauses.size())) continue;
    const bool whole = view.deleted == nullptr || view.deleted->rows.empty();
    if (clauses.size() == 1 && whole) {
      count += clauses[0].total();
    } else {
      count += query.all ? CountAll(clauses, view) : CountAny(clauses, view);
    }
    for (const Documents& clause : clauses) WEIR_RETURN_IF_ERROR(clause.status());
  }
  return count;
}

}  // namespace weir::index
