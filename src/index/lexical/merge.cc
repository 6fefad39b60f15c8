#include "index/lexical/merge.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "base/status.h"
#include "index/lexical/cursor.h"
#include "index/lexical/segment_builder.h"

namespace weir::index {
namespace {

constexpr uint32_t kDropped = ~0u;

struct Rows {
  std::vector<int64_t> ids;
  std::vector<uint32_t> lengths;
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

// Collects one term's postings of several segments, in the order of the result.
class TermMerger {
 public:
  TermMerger(const Rows& rows, LexicalSegmentBuilder& builder) : rows_(rows), builder_(builder) {}

  absl::Status Add(const LexicalSegment& segment, uint32_t number, const TermInfo& info) {
    PostingsCursor cursor(segment, info);
    for (uint32_t b = 0; b < cursor.block_count(); ++b) {
      if (!cursor.Load(b)) break;
      for (uint32_t i = 0; i < cursor.count(); ++i) {
        const uint32_t doc = rows_.target[number][cursor.docs()[i]];
        if (doc == kDropped) continue;
        std::span<const uint32_t> positions = cursor.Positions(i);
        if (positions.empty()) break;
        if (rows_.in_order) {
          builder_.Add(doc, positions);
        } else {
          postings_.push_back({doc, positions_.size(), positions.size()});
          positions_.insert(positions_.end(), positions.begin(), positions.end());
        }
      }
    }
    return cursor.status();
  }

  absl::Status End(std::string_view term) {
    std::sort(postings_.begin(), postings_.end(),
              [](const Posting& a, const Posting& b) { return a.doc < b.doc; });
    for (const Posting& p : postings_) builder_.Add(p.doc, {positions_.data() + p.begin, p.count});
    postings_.clear();
    positions_.clear();
    return builder_.EndTerm(term);
  }

 private:
  struct Posting {
    uint32_t doc;
    size_t begin, count;
  };
  const Rows& rows_;
  LexicalSegmentBuilder& builder_;
  std::vector<Posting> postings_;
  std::vector<uint32_t> positions_;
};

}  // namespace

absl::StatusOr<SegmentInfo> MergeLexicalSegments(std::span<const SegmentView> given,
                                                 const std::string& folder, const std::string& name,
                                                 const Context& context) {
  std::vector<SegmentView> segments(given.begin(), given.end());
  std::sort(segments.begin(), segments.end(), [](const SegmentView& a, const SegmentView& b) {
    return a.segment->first_passage() < b.segment->first_passage();
  });
  WEIR_ASSIGN_OR_RETURN(Rows rows, MapRows(segments));
  if (rows.ids.empty()) return absl::NotFoundError("no live passage is left");
  LexicalSegmentBuilder builder(rows.ids, rows.lengths);
  TermMerger merger(rows, builder);
  std::vector<std::unique_ptr<LexicalSegment::TermIterator>> terms;
  std::vector<bool> open;
  for (const SegmentView& view : segments) {
    terms.push_back(std::make_unique<LexicalSegment::TermIterator>(*view.segment));
    open.push_back(terms.back()->Next());
  }
  for (uint64_t done = 0;; ++done) {
    if (done % 1024 == 0) WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    const std::string* least = nullptr;
    for (size_t s = 0; s < terms.size(); ++s) {
      if (open[s] && (least == nullptr || terms[s]->term() < *least)) least = &terms[s]->term();
    }
    if (least == nullptr) break;
    const std::string term = *least;
    for (size_t s = 0; s < terms.size(); ++s) {
      if (!open[s] || terms[s]->term() != term) continue;
      WEIR_RETURN_IF_ERROR(
          merger.Add(*segments[s].segment, static_cast<uint32_t>(s), terms[s]->info()));
      open[s] = terms[s]->Next();
    }
    WEIR_RETURN_IF_ERROR(merger.End(term));
  }
  for (const auto& t : terms) WEIR_RETURN_IF_ERROR(t->status());
  return builder.Write(folder, name);
}

}  // namespace weir::index
