#include "index/lexical/count.h"

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "base/status.h"
#include "index/lexical/cursor.h"
#include "index/lexical/phrase.h"

namespace weir::index {
namespace {

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
    std::span<const uint32_t> run = RunFrom(begin);
    while (!run.empty() && run.front() < end) {
      size_t i = run.front() >= begin
                     ? 0
                     : static_cast<size_t>(std::lower_bound(run.begin(), run.end(), begin) -
                                           run.begin());
      // A run that ends in the window needs no look at each document.
      const size_t size = run.back() < end ? run.size()
                                           : static_cast<size_t>(std::lower_bound(
                                                                     run.begin(), run.end(), end) -
                                                                 run.begin());
      for (; i < size; ++i) {
        const uint32_t at = run[i] - begin;
        bits[at / 64] |= uint64_t{1} << (at % 64);
      }
      if (size < run.size() || !cursor_) return;
      if (++block_ >= cursor_->block_count() || !cursor_->Load(block_)) return;
      run = {cursor_->docs(), cursor_->count()};
    }
  }

  // Moves to `doc`; false when it is not there.
  bool Contains(uint32_t doc) {
    const std::span<const uint32_t> run = RunFrom(doc);
    if (block_ != seen_block_) at_ = 0;
    seen_block_ = block_;
    const auto found = std::lower_bound(run.begin() + static_cast<ptrdiff_t>(std::min(at_, run.size())),
                                        run.end(), doc);
    at_ = static_cast<size_t>(found - run.begin());
    return found != run.end() && *found == doc;
  }

 private:
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
    for (uint32_t w = 0; w < (end - begin + 63) / 64; ++w) {
      const uint64_t live = std::exchange(bits[w], 0) & ~(gone == nullptr ? 0 : gone[w]);
      count += std::popcount(live);
    }
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
  std::vector<TermInfo> infos;
  for (const std::string& term : clause.terms) {
    WEIR_ASSIGN_OR_RETURN(const std::optional<TermInfo> info, segment.Find(term));
    if (!info.has_value()) return false;
    infos.push_back(*info);
  }
  if (infos.size() == 1) {
    out.emplace_back(segment, infos[0]);
    return true;
  }
  PhraseMatches matches;
  WEIR_RETURN_IF_ERROR(MatchPhrase(segment, infos, clause.offsets, matches));
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
