#include "index/lexical/match.h"

#include <algorithm>
#include <array>
#include <bit>
#include <deque>

#include "base/status.h"
#include "index/lexical/documents.h"

namespace weir::index {
namespace {

constexpr uint32_t kWindow = 65536;  // documents, as counting takes them
using Bits = std::array<uint64_t, kWindow / 64>;

// Appends the matches of one segment.
void Match(const SegmentView& view, std::deque<Documents>& must, std::deque<Documents>& none,
           std::vector<int64_t>& out) {
  const uint32_t rows = view.segment->rows();
  Bits bits, one;
  for (uint32_t begin = 0; begin < rows; begin += std::min(kWindow, rows - begin)) {
    const uint32_t end = begin + std::min(kWindow, rows - begin), words = (end - begin + 63) / 64;
    std::fill_n(bits.begin(), words, ~uint64_t{0});
    if (const uint32_t last = (end - begin) % 64; last > 0)
      bits[words - 1] = (uint64_t{1} << last) - 1;
    for (std::deque<Documents>* side : {&must, &none}) {
      for (Documents& clause : *side) {
        std::fill_n(one.begin(), words, 0);
        clause.Mark(begin, end, one.data());
        for (uint32_t w = 0; w < words; ++w) bits[w] &= side == &must ? one[w] : ~one[w];
      }
    }
    for (uint32_t w = 0; w < words; ++w) {
      for (uint64_t left = bits[w]; left != 0; left &= left - 1) {
        const uint32_t row = begin + w * 64 + static_cast<uint32_t>(std::countr_zero(left));
        if (view.deleted != nullptr && view.deleted->Contains(row)) continue;
        if (view.allowed != nullptr && !view.allowed->Contains(row)) continue;
        out.push_back(view.segment->passage(row));
      }
    }
  }
}

}  // namespace

absl::StatusOr<std::vector<int64_t>> MatchSegments(std::span<const SegmentView> segments,
                                                   const LexicalQuery& query) {
  std::vector<int64_t> out;
  for (const SegmentView& view : segments) {
    std::deque<Documents> must, none;
    bool missing = false;  // a clause that must match
    for (const LexicalClause& clause : query.clauses) {
      if (clause.need == Need::kShould) continue;
      WEIR_ASSIGN_OR_RETURN(
          const bool found,
          AddClause(*view.segment, clause, clause.need == Need::kMust ? must : none));
      missing = missing || (!found && clause.need == Need::kMust);
    }
    if (missing) continue;
    Match(view, must, none, out);
    for (const std::deque<Documents>* side : {&must, &none}) {
      for (const Documents& clause : *side) WEIR_RETURN_IF_ERROR(clause.status());
    }
  }
  return out;
}

}  // namespace weir::index
