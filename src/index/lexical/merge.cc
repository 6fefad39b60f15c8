#include "index/lexical/merge.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/status.h"
#include "index/lexical/bisection.h"
#include "index/lexical/cursor.h"
#include "index/lexical/segment_builder.h"

namespace weir::index {
namespace {

constexpr uint32_t kDropped = ~0u;
// Terms of fewer rows than this move none, and those of more than this share of the rows tell none
// apart.
constexpr uint32_t kLeastTelling = 16, kTellingShare = 2;

struct Rows {
  std::vector<int64_t> ids;                   // ascending
  std::vector<uint32_t> lengths;              // of each row
  std::vector<uint32_t> ranks;                // of each row's id; empty: ascending
  std::vector<std::vector<uint32_t>> target;  // of each segment's row, or kDropped
  bool in_order = true;                       // segment after segment
};

absl::StatusOr<Rows> MapRows(std::span<const SegmentView> segments) {
  struct Row {
    int64_t id;
    uint32_t segment, row;
  };
  std::vector<Row> live;
  Rows rows;
  for (uint32_t s = 0; s < segments.size(); ++s) {
    const LexicalSegment& segment = *segments[s].segment;
    rows.target.emplace_back(segment.rows(), kDropped);
    for (uint32_t r = 0; r < segment.rows(); ++r) {
      if (segments[s].deleted != nullptr && segments[s].deleted->Contains(r)) continue;
      live.push_back({segment.passage(r), s, r});
    }
  }
  auto by_id = [](const Row& a, const Row& b) { return a.id < b.id; };
  rows.in_order = std::is_sorted(live.begin(), live.end(), by_id);
  if (!rows.in_order) std::sort(live.begin(), live.end(), by_id);
  for (const Row& row : live) {
    if (!rows.ids.empty() && rows.ids.back() == row.id) {
      return segments[row.segment].segment->file().Damaged(kIdsSection, row.row,
                                                           "passage id occurs twice");
    }
    rows.target[row.segment][row.row] = static_cast<uint32_t>(rows.ids.size());
    rows.ids.push_back(row.id);
    rows.lengths.push_back(segments[row.segment].segment->length(row.row));
  }
  return rows;
}

// A term of some of the segments.
struct TermOf {
  uint32_t segment;
  TermInfo info;
};
using TakeTerm =
    absl::FunctionRef<absl::Status(std::string_view term, std::span<const TermOf> where)>;

// All terms in byte order.
absl::Status ForEachTerm(std::span<const SegmentView> segments, const Context& context,
                         TakeTerm take) {
  std::vector<std::unique_ptr<LexicalSegment::TermIterator>> terms;
  std::vector<bool> open;
  for (const SegmentView& view : segments) {
    terms.push_back(std::make_unique<LexicalSegment::TermIterator>(*view.segment));
    open.push_back(terms.back()->Next());
  }
  std::vector<TermOf> where;
  for (uint64_t done = 0;; ++done) {
    if (done % 1024 == 0) WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    const std::string* least = nullptr;
    for (size_t s = 0; s < terms.size(); ++s) {
      if (open[s] && (least == nullptr || terms[s]->term() < *least)) least = &terms[s]->term();
    }
    if (least == nullptr) break;
    const std::string term = *least;
    where.clear();
    for (uint32_t s = 0; s < terms.size(); ++s) {
      if (!open[s] || terms[s]->term() != term) continue;
      where.push_back({s, terms[s]->info()});
      open[s] = terms[s]->Next();
    }
    WEIR_RETURN_IF_ERROR(take(term, where));
  }
  for (const auto& t : terms) WEIR_RETURN_IF_ERROR(t->status());
  return absl::OkStatus();
}

// Calls visit(row of the result, cursor, place in its block) for each live posting.
template <class Visit>
absl::Status ForEachPosting(std::span<const SegmentView> segments, const Rows& rows,
                            std::span<const TermOf> where, Visit visit) {
  for (const TermOf& term : where) {
    PostingsCursor cursor(*segments[term.segment].segment, term.info);
    const std::vector<uint32_t>& target = rows.target[term.segment];
    for (uint32_t b = 0; b < cursor.block_count() && cursor.Load(b); ++b) {
      for (uint32_t i = 0; i < cursor.count(); ++i) {
        const uint32_t row = target[cursor.docs()[i]];
        if (row != kDropped) visit(row, cursor, i);
      }
    }
    WEIR_RETURN_IF_ERROR(cursor.status());
  }
  return absl::OkStatus();
}

bool Telling(std::span<const TermOf> where, size_t rows) {
  uint64_t count = 0;  // deleted ones included
  for (const TermOf& term : where) count += term.info.document_count;
  return count >= kLeastTelling && count * kTellingShare <= rows;
}

// The terms of each row that tell rows apart; none of them when there are more than `most`.
absl::StatusOr<ForwardIndex> Transpose(std::span<const SegmentView> segments, const Rows& rows,
                                       uint64_t most, const Context& context) {
  ForwardIndex out;
  out.starts.resize(rows.ids.size() + 1);
  WEIR_RETURN_IF_ERROR(ForEachTerm(segments, context, [&](auto, std::span<const TermOf> where) {
    if (!Telling(where, rows.ids.size())) return absl::OkStatus();
    return ForEachPosting(segments, rows, where,
                          [&](uint32_t row, auto&, uint32_t) { ++out.starts[row + 1]; });
  }));
  std::partial_sum(out.starts.begin(), out.starts.end(), out.starts.begin());
  if (out.starts.back() > most) return ForwardIndex();
  out.terms.resize(out.starts.back());
  std::vector<uint64_t> next(out.starts.begin(), out.starts.end() - 1);
  WEIR_RETURN_IF_ERROR(ForEachTerm(segments, context, [&](auto, std::span<const TermOf> where) {
    if (!Telling(where, rows.ids.size())) return absl::OkStatus();
    const uint32_t term = out.term_count++;
    return ForEachPosting(segments, rows, where, [&](uint32_t row, auto&, uint32_t) {
      out.terms[next[row]++] = term;
    });
  }));
  return out;
}

absl::Status Reorder(std::span<const SegmentView> segments, uint64_t most_postings,
                     const Context& context, Rows& rows) {
  std::vector<uint32_t> order;
  {
    WEIR_ASSIGN_OR_RETURN(const ForwardIndex forward,
                          Transpose(segments, rows, most_postings, context));
    if (forward.terms.empty()) return absl::OkStatus();
    WEIR_ASSIGN_OR_RETURN(order, BisectRows(forward, context));
  }
  if (std::is_sorted(order.begin(), order.end())) return absl::OkStatus();
  std::vector<uint32_t> place(order.size()), lengths(order.size());
  for (uint32_t i = 0; i < order.size(); ++i) {
    place[order[i]] = i;
    lengths[i] = rows.lengths[order[i]];
  }
  for (std::vector<uint32_t>& target : rows.target) {
    for (uint32_t& row : target) row = row == kDropped ? kDropped : place[row];
  }
  rows.lengths = std::move(lengths);
  rows.ranks = std::move(order);
  rows.in_order = false;
  return absl::OkStatus();
}

// Collects one term's postings of several segments, in the order of the result.
class TermMerger {
 public:
  TermMerger(std::span<const SegmentView> segments, const Rows& rows,
             LexicalSegmentBuilder& builder)
      : segments_(segments), rows_(rows), builder_(builder) {}

  absl::Status Add(std::string_view term, std::span<const TermOf> where) {
    const auto visit = [&](uint32_t row, PostingsCursor& cursor, uint32_t i) {
      const std::span<const uint32_t> positions = cursor.Positions(i);
      if (positions.empty()) return;
      if (rows_.in_order) return builder_.Add(row, positions);
      order_.push_back(uint64_t{row} << 32 | begins_.size());
      begins_.push_back(positions_.size());
      positions_.insert(positions_.end(), positions.begin(), positions.end());
    };
    WEIR_RETURN_IF_ERROR(ForEachPosting(segments_, rows_, where, visit));
    std::sort(order_.begin(), order_.end());
    begins_.push_back(positions_.size());
    for (const uint64_t one : order_) {
      const size_t i = one & 0xffffffff, begin = begins_[i];
      builder_.Add(static_cast<uint32_t>(one >> 32),
                   {positions_.data() + begin, begins_[i + 1] - begin});
    }
    order_.clear();
    begins_.clear();
    positions_.clear();
    return builder_.EndTerm(term);
  }

 private:
  const std::span<const SegmentView> segments_;
  const Rows& rows_;
  LexicalSegmentBuilder& builder_;
  // of the postings as they came: row and number; where the positions of each begin
  std::vector<uint64_t> order_;
  std::vector<size_t> begins_;
  std::vector<uint32_t> positions_;
};

}  // namespace

absl::StatusOr<SegmentInfo> MergeLexicalSegments(std::span<const SegmentView> given,
                                                 const std::string& folder, const std::string& name,
                                                 const Context& context,
                                                 const MergeOptions& options) {
  std::vector<SegmentView> segments(given.begin(), given.end());
  std::sort(segments.begin(), segments.end(), [](const SegmentView& a, const SegmentView& b) {
    return a.segment->first_passage() < b.segment->first_passage();
  });
  WEIR_ASSIGN_OR_RETURN(Rows rows, MapRows(segments));
  if (rows.ids.empty()) return absl::NotFoundError("no live passage is left");
  if (options.reorder_from > 0 && static_cast<int64_t>(rows.ids.size()) >= options.reorder_from)
    WEIR_RETURN_IF_ERROR(Reorder(segments, options.most_reordered_postings, context, rows));
  LexicalSegmentBuilder builder(rows.ids, rows.lengths, rows.ranks);
  TermMerger merger(segments, rows, builder);
  WEIR_RETURN_IF_ERROR(ForEachTerm(segments, context, [&](auto term, auto where) {
    return merger.Add(term, where);
  }));
  return builder.Write(folder, name);
}

}  // namespace weir::index
