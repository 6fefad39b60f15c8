#include "index/lexical/check.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/lexical/cursor.h"

namespace weir::index {
namespace {

// Some point of `impacts` has at least this frequency and at most this length.
bool Covers(const Impacts& impacts, uint32_t frequency, uint32_t length) {
  for (int i = 0; i < kImpactPairs; ++i) {
    const bool frequent =
        impacts.frequency[i] == kUnboundedCode || DecodeCode(impacts.frequency[i]) >= frequency;
    if (frequent && DecodeCode(impacts.length[i]) <= length) return true;
  }
  return false;
}

absl::Status CheckTerm(const LexicalSegment& segment, const TermInfo& info,
                       std::vector<uint64_t>& lengths) {
  PostingsCursor cursor(segment, info);
  uint64_t occurrences = 0;
  int64_t previous = -1;
  for (uint32_t b = 0; b < cursor.block_count(); ++b) {
    if (!cursor.Load(b)) break;
    const uint32_t* frequencies = cursor.Frequencies();
    for (uint32_t i = 0; i < cursor.count(); ++i) {
      const uint32_t doc = cursor.docs()[i];
      std::span<const uint32_t> positions = cursor.Positions(i);
      WEIR_RETURN_IF_ERROR(cursor.status());
      if (int64_t{doc} <= previous || frequencies[i] == 0 ||
          !std::is_sorted(positions.begin(), positions.end())) {
        return segment.file().Damaged(kPostingsSection, info.postings_offset,
                                      "documents or positions out of order");
      }
      previous = doc;
      occurrences += frequencies[i];
      lengths[doc] += frequencies[i];
      if (cursor.has_skips() &&
          (!Covers(cursor.Skip(b).impacts, frequencies[i], segment.length(doc)) ||
           !Covers(cursor.ListImpacts(), frequencies[i], segment.length(doc)))) {
        return segment.file().Damaged(kPostingsSection, info.postings_offset,
                                      absl::StrCat("block ", b, " has a wrong maximum"));
      }
    }
  }
  WEIR_RETURN_IF_ERROR(cursor.status());
  if (occurrences != info.occurrences) {
    return segment.file().Damaged(kTermsSection, info.postings_offset, "occurrences do not add up");
  }
  return absl::OkStatus();
}

// Each passage has one row.
absl::Status CheckOrder(const LexicalSegment& segment) {
  if (segment.ascending()) return absl::OkStatus();
  std::vector<bool> seen(segment.rows());
  std::vector<uint32_t> ranks(segment.rows());
  for (uint32_t r = 0; r < segment.rows(); ++r) {
    const uint32_t rank = segment.StatedRank(r);
    if (rank >= segment.rows() || seen[rank]) {
      return segment.file().Damaged(
          kOrderSection, r,
          absl::StrCat("row ", r, " is passage number ", rank, " of ", segment.rows(),
                       rank < segment.rows() ? ", as a row before it" : ""));
    }
    seen[rank] = true;
    ranks[r] = rank;
  }
  std::string packed;
  PutPlain(ranks.data(), ranks.size(), RankBits(ranks.size()), packed);
  const std::span<const uint8_t> stored = segment.file().section(kOrderSection);
  if (!std::equal(stored.begin(), stored.end(), packed.begin(), [](uint8_t a, char b) {
        return a == static_cast<uint8_t>(b);
      })) {
    return segment.file().Damaged(kOrderSection, packed.size(), "bits behind the last row");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckLexicalSegment(const LexicalSegment& segment) {
  for (uint32_t r = 1; r < segment.rows(); ++r) {
    if (segment.RankedPassage(r) <= segment.RankedPassage(r - 1)) {
      return segment.file().Damaged(kIdsSection, r * sizeof(uint32_t), "passage ids do not ascend");
    }
  }
  WEIR_RETURN_IF_ERROR(CheckOrder(segment));
  std::vector<uint64_t> lengths(segment.rows(), 0);
  LexicalSegment::TermIterator terms(segment);
  while (terms.Next()) WEIR_RETURN_IF_ERROR(CheckTerm(segment, terms.info(), lengths));
  WEIR_RETURN_IF_ERROR(terms.status());
  uint64_t total = 0;
  for (uint32_t r = 0; r < segment.rows(); ++r) {
    total += lengths[r];
    if (lengths[r] != segment.length(r)) {
      return segment.file().Damaged(
          kLengthsSection, r,
          absl::StrCat("passage ", segment.passage(r), " has ", lengths[r], " tokens; expected ",
                       segment.length(r)));
    }
  }
  if (total != segment.total_tokens())
    return segment.file().Damaged(kLengthsSection, 0, "tokens do not add up");
  return absl::OkStatus();
}

}  // namespace weir::index
