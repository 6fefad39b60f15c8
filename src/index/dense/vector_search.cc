#include "index/dense/vector_search.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/threads.h"
#include "index/dense/query_scan.h"

namespace weir::index {
namespace {

constexpr size_t kTileRows = 1024;      // int8 codes that stay in the cache for the next query
constexpr size_t kTileClusters = 64;    // the same
constexpr size_t kScoredWhole = 256;    // rows that need no codes and no tree
constexpr size_t kFewAllowed = 24;      // a scan of so many rows costs as much as scoring one

absl::Status CheckQueries(std::span<const VectorView> segments, std::span<const float> queries,
                          size_t n, int64_t k) {
  if (k < 1) return absl::InvalidArgumentError(absl::StrCat("k: ", k, "; expected at least 1"));
  if (n == 0 || queries.size() % n != 0) {
    return absl::InvalidArgumentError(absl::StrCat(queries.size(), " numbers, ", n, " queries"));
  }
  const size_t d = queries.size() / n;
  for (const VectorView& view : segments) {
    if (view.segment->dimensions() != d) {
      return absl::InvalidArgumentError(absl::StrCat(
          "query of ", d, " dimensions; the store has vectors of ", view.segment->dimensions()));
    }
  }
  if (!std::all_of(queries.begin(), queries.end(), [](float x) { return std::isfinite(x); }))
    return absl::InvalidArgumentError("the query vector is not finite");
  return absl::OkStatus();
}

// Pieces of a segment one after the other, each for all queries.
template <class Scan>
absl::Status InTiles(std::span<QueryScan> scans, size_t count, size_t tile, const Context& context,
                     Scan scan) {
  if (scans.size() == 1) tile = std::max<size_t>(tile, 1 << 16);
  for (size_t begin = 0; begin < count; begin += tile) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    for (QueryScan& s : scans) scan(s, begin, std::min(count, begin + tile));
  }
  return absl::OkStatus();
}

// False when so many rows are allowed that a scan of all is better.
bool SearchAllowed(const VectorView& view, std::span<QueryScan> scans,
                   const VectorSearchOptions& options) {
  const bool few = view.allowed->rows.size() <= kScoredWhole;
  const bool lists = view.lists != nullptr && options.effort != Effort::kExact;
  if (!few && !lists && (view.segment->clustered() || options.effort == Effort::kExact))
    return false;
  for (QueryScan& s : scans) {
    if (few) {
      s.ScoreRows(view);
    } else if (lists) {
      s.WalkLists(view);
    } else {
      s.ScanAllowed(view);
    }
  }
  return true;
}

absl::Status SearchSegment(const VectorView& view, std::span<QueryScan> scans,
                           const VectorSearchOptions& options, const Context& context) {
  const VectorSegment& segment = *view.segment;
  if (view.allowed != nullptr && SearchAllowed(view, scans, options))
    return context.CheckCancelled();
  if (options.allowed != nullptr &&
      options.allowed->ids().size() * kFewAllowed <= segment.rows()) {
    for (QueryScan& s : scans) s.ScoreAllowed(view);
    return context.CheckCancelled();
  }
  if (options.effort == Effort::kExact) {
    return InTiles(scans, segment.rows(), kTileRows, context,
                   [&](QueryScan& s, size_t begin, size_t end) { s.ScanRows(view, begin, end); });
  }
  if (!segment.clustered()) {
    return InTiles(scans, segment.rows(), kTileRows, context,
                   [&](QueryScan& s, size_t begin, size_t end) { s.ScanCodes(view, begin, end); });
  }
  for (QueryScan& s : scans) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    s.BeginClusters(view);
  }
  return InTiles(
      scans, segment.quantiser().clusters, kTileClusters, context,
      [&](QueryScan& s, size_t begin, size_t end) { s.ScanClusters(view, begin, end); });
}

}  // namespace

absl::StatusOr<std::vector<std::vector<Scored>>> SearchVectors(
    std::span<const VectorView> segments, std::span<const float> queries, size_t n, int64_t k,
    const VectorSearchOptions& options, const Context& context) {
  WEIR_RETURN_IF_ERROR(CheckQueries(segments, queries, n, k));
  int64_t rows = 0;
  for (const VectorView& view : segments) rows += static_cast<int64_t>(view.segment->rows());
  std::vector<std::vector<Scored>> results(n);
  if (rows == 0) return results;
  const size_t d = queries.size() / n;
  std::vector<QueryScan> scans;
  scans.reserve(n);
  for (size_t i = 0; i < n; ++i)
    scans.emplace_back(queries.subspan(i * d, d), std::min(k, rows), options);
  // A thread takes a share of the queries through all segments.
  const size_t shares =
      context.threads == nullptr ? 1 : std::min<size_t>(n, context.threads->count());
  std::vector<absl::Status> failed(shares);
  ParallelFor(shares == 1 ? nullptr : context.threads, shares, 1,
              [&](size_t first, size_t last, int) {
                for (size_t share = first; share < last; ++share) {
                  const size_t begin = share * n / shares, end = (share + 1) * n / shares;
                  for (const VectorView& view : segments) {
                    failed[share].Update(SearchSegment(
                        view, std::span(scans).subspan(begin, end - begin), options, context));
                  }
                  for (size_t i = begin; i < end; ++i) results[i] = scans[i].Take();
                }
              });
  for (const absl::Status& status : failed) WEIR_RETURN_IF_ERROR(status);
  return results;
}

}  // namespace weir::index
