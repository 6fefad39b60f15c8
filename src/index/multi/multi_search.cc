#include "index/multi/multi_search.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/multi/encoding_codes.h"
#include "index/top_k.h"
#include "tensor/vector.h"

namespace weir::index {
namespace {

constexpr size_t kScanGroups = 1024;   // between looks at the cancel token
constexpr size_t kScoreRows = 256;     // the same
constexpr size_t kPrefetchBytes = 1024;  // of the next candidate's codes

struct Candidate {
  float score;
  uint32_t segment, row;
};
// Ties go to the passage that comes first in its segment.
bool Above(const Candidate& a, const Candidate& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.segment != b.segment ? a.segment < b.segment : a.row < b.row;
}

absl::Status CheckQuery(std::span<const MultiView> segments, std::span<const float> query) {
  for (const MultiView& view : segments) {
    WEIR_RETURN_IF_ERROR(view.segment->CheckStarts());
    const FixedEncodingParameters& own = view.segment->parameters();
    if (query.empty() || query.size() % own.dimensions != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("query of ", query.size(), " numbers; the store's tokens have vectors of ",
                       own.dimensions));
    }
    if (own != segments[0].segment->parameters()) {
      return absl::FailedPreconditionError(absl::StrCat(
          view.segment->file().path(), ": encodings of ", own.ToString(), "; expected ",
          segments[0].segment->parameters().ToString(), " as in the others"));
    }
  }
  if (!std::all_of(query.begin(), query.end(), [](float x) { return std::isfinite(x); })) {
    return absl::InvalidArgumentError("the query's vectors are not finite");
  }
  return absl::OkStatus();
}

bool Wanted(const MultiView& view, size_t row) {
  if (view.deleted != nullptr && view.deleted->Contains(static_cast<uint32_t>(row))) return false;
  if (view.allowed != nullptr && !view.allowed->Contains(view.segment->passage(row))) return false;
  return view.segment->token_begin(row) < view.segment->token_end(row);
}

// [rows] of the encodings' inner products with the query's.
absl::StatusOr<std::vector<float>> ScanEncodings(const MultiSegment& s,
                                                 std::span<const float> query,
                                                 const Context& context) {
  std::vector<float> scores(s.rows());
  const EncodingTables tables = MakeEncodingTables(query);
  const size_t parts = EncodingParts(query.size()), groups = LookupGroups(s.rows());
  std::vector<int32_t> sums(kScanGroups * tensor::kLookupGroup);
  for (size_t g = 0; g < groups; g += kScanGroups) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    const size_t n = std::min(kScanGroups, groups - g);
    tensor::GroupLookup().sums(s.encoding_codes() + g * tensor::LookupGroupBytes(parts), n,
                               tables.tables.data(), parts, sums.data());
    const size_t first = g * tensor::kLookupGroup;
    for (size_t r = 0; r < std::min(n * tensor::kLookupGroup, s.rows() - first); ++r) {
      scores[first + r] =
          s.encoding_scales()[first + r] *
          (tables.base + tables.step * static_cast<float>(sums[r]));
    }
  }
  return scores;
}

// The best `n` of all segments, in the order of their rows.
absl::StatusOr<std::vector<Candidate>> BestEncodings(std::span<const MultiView> segments,
                                                     std::span<const float> query, size_t n,
                                                     const Context& context) {
  std::vector<Candidate> all;
  std::vector<float> encoding;
  for (uint32_t i = 0; i < segments.size(); ++i) {
    const MultiSegment& s = *segments[i].segment;
    if (encoding.empty()) {
      WEIR_ASSIGN_OR_RETURN(const FixedEncoder* encoder, s.encoder());
      encoding.resize(encoder->length());
      WEIR_RETURN_IF_ERROR(encoder->EncodeQuery(query, encoding));
    }
    WEIR_ASSIGN_OR_RETURN(const std::vector<float> scores,
                          ScanEncodings(s, encoding, context));
    for (uint32_t r = 0; r < s.rows(); ++r) {
      if (std::isfinite(scores[r]) && Wanted(segments[i], r)) all.push_back({scores[r], i, r});
    }
  }
  if (all.size() > n) {
    std::nth_element(all.begin(), all.begin() + static_cast<ptrdiff_t>(n), all.end(), Above);
    all.resize(n);
  }
  return all;
}

std::vector<Candidate> AllRows(std::span<const MultiView> segments) {
  std::vector<Candidate> all;
  for (uint32_t i = 0; i < segments.size(); ++i) {
    for (uint32_t r = 0; r < segments[i].segment->rows(); ++r) {
      if (Wanted(segments[i], r)) all.push_back({0, i, r});
    }
  }
  return all;
}

// MaxSim of one query with rows of one segment.
class RowScorer {
 public:
  RowScorer(const MultiSegment& segment, std::span<const float> query)
      : segment_(segment),
        parts_(segment.coder().parts()),
        tables_(segment.coder().Tables(query)),
        most_(tables_.tokens),
        scratch_(tables_.tokens) {}
  void Prefetch(size_t row) const {
    const size_t bytes = tensor::LookupGroupBytes(parts_);
    const uint8_t* at =
        segment_.token_codes() + segment_.token_begin(row) / tensor::kLookupGroup * bytes;
    for (size_t i = 0; i < kPrefetchBytes; i += 64) __builtin_prefetch(at + i);
  }
  float Score(size_t row) {
    tensor::GroupLookup().largest(segment_.token_codes(), segment_.token_begin(row),
                                  segment_.token_end(row), tables_.tables.data(), parts_,
                                  tables_.tokens, scratch_[0].sums, most_.data());
    float score = 0;
    for (size_t t = 0; t < tables_.tokens; ++t) {
      score += tables_.bases[t] + tables_.steps[t] * static_cast<float>(most_[t]);
    }
    return score;
  }

 private:
  struct alignas(64) Line {
    int32_t sums[tensor::kLookupGroup];
  };
  const MultiSegment& segment_;
  size_t parts_;
  TokenTables tables_;
  std::vector<int32_t> most_;
  std::vector<Line> scratch_;
};

}  // namespace

absl::StatusOr<std::vector<Scored>> FindCandidates(std::span<const MultiView> segments,
                                                   std::span<const float> query,
                                                   const MultiSearchOptions& options,
                                                   const Context& context) {
  WEIR_RETURN_IF_ERROR(CheckQuery(segments, query));
  WEIR_ASSIGN_OR_RETURN(
      std::vector<Candidate> found,
      BestEncodings(segments, query, static_cast<size_t>(options.candidates), context));
  std::sort(found.begin(), found.end(), Above);
  std::vector<Scored> out;
  for (const Candidate& c : found)
    out.push_back({segments[c.segment].segment->passage(c.row), c.score});
  return out;
}

absl::StatusOr<std::vector<Scored>> SearchMulti(std::span<const MultiView> segments,
                                                std::span<const float> query, int64_t k,
                                                const MultiSearchOptions& options,
                                                const Context& context) {
  if (k < 1) return absl::InvalidArgumentError(absl::StrCat("k: ", k, "; expected at least 1"));
  WEIR_RETURN_IF_ERROR(CheckQuery(segments, query));
  std::vector<Candidate> candidates;
  if (options.candidates == 0) {
    candidates = AllRows(segments);
  } else {
    const int64_t n = std::max(options.candidates, k);
    WEIR_ASSIGN_OR_RETURN(candidates,
                          BestEncodings(segments, query, static_cast<size_t>(n), context));
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
      return a.segment != b.segment ? a.segment < b.segment : a.row < b.row;
    });
  }
  if (candidates.empty()) return std::vector<Scored>();
  TopK top(std::min(k, static_cast<int64_t>(candidates.size())));
  std::unique_ptr<RowScorer> scorer;
  uint32_t of_segment = UINT32_MAX;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (i % kScoreRows == 0) WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    const Candidate& c = candidates[i];
    if (c.segment != of_segment) {
      of_segment = c.segment;
      scorer = std::make_unique<RowScorer>(*segments[c.segment].segment, query);
    }
    if (i + 1 < candidates.size() && candidates[i + 1].segment == c.segment) {
      scorer->Prefetch(candidates[i + 1].row);
    }
    const float score = scorer->Score(c.row);
    if (std::isfinite(score)) top.Add({segments[c.segment].segment->passage(c.row), score});
  }
  return top.Take();
}

absl::StatusOr<std::vector<float>> ScorePassages(std::span<const MultiView> segments,
                                                 std::span<const float> query,
                                                 std::span<const int64_t> passages) {
  WEIR_RETURN_IF_ERROR(CheckQuery(segments, query));
  std::vector<float> scores(passages.size());
  for (const MultiView& view : segments) {
    std::unique_ptr<RowScorer> scorer;
    for (size_t i = 0; i < passages.size(); ++i) {
      const int64_t row = view.segment->Row(passages[i]);
      if (row < 0 || !Wanted(view, static_cast<size_t>(row))) continue;
      if (scorer == nullptr) scorer = std::make_unique<RowScorer>(*view.segment, query);
      const float score = scorer->Score(static_cast<size_t>(row));
      if (std::isfinite(score)) scores[i] = score;
    }
  }
  return scores;
}

}  // namespace weir::index
