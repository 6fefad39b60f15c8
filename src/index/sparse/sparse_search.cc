#include "index/sparse/sparse_search.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "tensor/impacts.h"

namespace weir::index {
namespace {

using tensor::kImpactWindow;
using tensor::MaskedTerm;

constexpr int64_t kMostHits = 1 << 20;  // for which candidates are multiplied
constexpr size_t kFewAllowed = 64;      // adding up so many rows costs as much as scoring one

struct Sum {
  uint32_t sum = 0;
  int64_t passage = -1;
};

bool Better(const Sum& a, const Sum& b) {
  return a.sum != b.sum ? a.sum > b.sum : a.passage < b.passage;
}

// The best k sums; those of 0 are none.
class BestSums {
 public:
  explicit BestSums(size_t k) : k_(k) {}
  // What a sum must reach to enter, if its passage comes before the worst one.
  uint32_t least() const { return heap_.size() < k_ ? 1 : heap_.front().sum; }
  void Add(Sum sum) {
    if (heap_.size() < k_) {
      heap_.push_back(sum);
      std::push_heap(heap_.begin(), heap_.end(), Better);
    } else if (Better(sum, heap_.front())) {
      std::pop_heap(heap_.begin(), heap_.end(), Better);
      heap_.back() = sum;
      std::push_heap(heap_.begin(), heap_.end(), Better);
    }
  }
  std::vector<Sum> Take() {
    std::sort(heap_.begin(), heap_.end(), Better);
    return std::move(heap_);
  }

 private:
  size_t k_;  // REQUIRES: at least 1
  std::vector<Sum> heap_;  // worst on top
};

// Working memory of a thread, all zeros between searches: fresh pages would cost more than a
// search.
struct Scratch {
  alignas(64) uint32_t sums[kChunkRows] = {};
  uint32_t bounds[kChunkRows / kImpactWindow] = {};
  uint8_t weights[kMaxSparseVocabulary + 3] = {};
  std::vector<MaskedTerm> masked;
  std::vector<uint32_t> largest;  // sum of each window
};
Scratch& ThreadScratch() {
  thread_local const std::unique_ptr<Scratch> scratch = std::make_unique<Scratch>();
  return *scratch;
}

void AddList(const SparseList& list, uint32_t weight, uint32_t* sums) {
  for (size_t i = 0; i < list.rows.size(); ++i) sums[list.rows[i]] += weight * list.impacts[i];
}

// Calls take(row of the segment, sum) for what reaches the limit that `least()` gives, window after
// window, and leaves the sums zeroed.
template <class Least, class Take>
void TakeSums(const SparseView& view, size_t chunk, Scratch& s, const Least& least,
              const Take& take) {
  const size_t rows = view.segment->RowsOfChunk(chunk);
  const size_t windows = (rows + kImpactWindow - 1) / kImpactWindow;
  const uint32_t* bounds = s.masked.empty() ? nullptr : s.bounds;
  uint64_t found = 0;
  for (size_t w = 0;; ++w) {
    w = tensor::Impacts().next_window(s.masked.data(), s.masked.size(), bounds, w, windows, least(),
                                      s.sums, &found);
    if (w == windows) return;
    for (; found != 0; found &= found - 1) {
      const size_t at = w * kImpactWindow + static_cast<size_t>(std::countr_zero(found));
      const size_t row = chunk * kChunkRows + at;
      if (at >= rows || s.sums[at] < least()) continue;
      if (view.deleted != nullptr && view.deleted->Contains(static_cast<uint32_t>(row))) continue;
      if (view.allowed != nullptr && !view.allowed->Contains(static_cast<uint32_t>(row))) continue;
      take(row, s.sums[at]);
    }
    std::fill_n(s.sums + w * kImpactWindow, kImpactWindow, 0);
  }
}

// Lists are added row by row; the frequent terms window by window, where the sum so far plus the
// window's largest impacts can still reach the k-th best.
void SearchChunk(const SparseView& view, size_t chunk, const SparseQuery& query, Scratch& s,
                 BestSums& best) {
  const SparseSegment& segment = *view.segment;
  const MaskedBlob blob(segment.RowsOfChunk(chunk));
  const tensor::ImpactKernels& kernels = tensor::Impacts();
  s.masked.clear();
  for (const SparseQuery::Term& t : query.terms) {
    const SparseEntry* entry = segment.Find(chunk, t.term);
    if (entry == nullptr) continue;
    if (!SparseSegment::IsMasked(*entry)) {
      AddList(segment.List(*entry), t.weight, s.sums);
      continue;
    }
    if (s.masked.empty()) std::fill_n(s.bounds, blob.padded, 0);
    kernels.add_row(segment.LargestOf(chunk, *entry), t.weight, blob.padded, s.bounds);
    s.masked.push_back(segment.Masked(chunk, *entry));
    s.masked.back().weight = t.weight;
  }
  TakeSums(
      view, chunk, s, [&] { return best.least(); },
      [&](size_t row, uint32_t sum) { best.Add({sum, segment.passage(row)}); });
}

// Rows that some of the query's terms propose: those of the largest sums, about `limit` of them.
class Candidates {
 public:
  struct Row {
    uint32_t sum;
    uint32_t row;
    const SparseView* view;
  };
  explicit Candidates(size_t limit) : limit_(limit) {}
  uint32_t least() const { return least_; }
  // Raises the limit ahead of a chunk: each window's largest sum is a row's.
  void Expect(std::vector<uint32_t>& of_windows) {
    if (!rows_.empty() || of_windows.size() <= limit_) return;
    const auto at = of_windows.begin() + static_cast<ptrdiff_t>(limit_ - 1);
    std::nth_element(of_windows.begin(), at, of_windows.end(), std::greater<>());
    least_ = std::max(least_, *at);
  }
  void Add(const Row& row) {
    rows_.push_back(row);
    if (rows_.size() >= 3 * limit_) Cut();
  }
  const std::vector<Row>& Take() {
    if (rows_.size() > limit_) Cut();
    return rows_;
  }

 private:
  void Cut() {
    const auto at = rows_.begin() + static_cast<ptrdiff_t>(limit_ - 1);
    std::nth_element(rows_.begin(), at, rows_.end(), [](const Row& a, const Row& b) {
      if (a.sum != b.sum) return a.sum > b.sum;
      return a.view->segment->passage(a.row) < b.view->segment->passage(b.row);
    });
    least_ = std::max(least_, at->sum);
    rows_.resize(limit_);
  }

  size_t limit_;  // REQUIRES: at least 1
  uint32_t least_ = 1;
  std::vector<Row> rows_;
};

// The first terms of the query that have `share` of its weight together.
std::span<const SparseQuery::Term> Heaviest(const SparseQuery& query, float share) {
  float all = 0, sum = 0;
  for (const SparseQuery::Term& t : query.terms) all += t.weight;
  size_t n = 0;
  while (n < query.terms.size() && (n == 0 || sum < share * all)) sum += query.terms[n++].weight;
  return std::span(query.terms).first(n);
}

void ProposeFromChunk(const SparseView& view, size_t chunk,
                      std::span<const SparseQuery::Term> terms, Scratch& s, Candidates& found) {
  const SparseSegment& segment = *view.segment;
  s.masked.clear();
  for (const SparseQuery::Term& t : terms) {
    const SparseEntry* entry = segment.Find(chunk, t.term);
    if (entry != nullptr) AddList(segment.HeavyList(*entry), t.weight, s.sums);
  }
  if (found.least() == 1) {
    const size_t windows = (segment.RowsOfChunk(chunk) + kImpactWindow - 1) / kImpactWindow;
    s.largest.clear();
    for (size_t w = 0; w < windows; ++w) {
      s.largest.push_back(tensor::Impacts().largest(s.sums + w * kImpactWindow, kImpactWindow));
    }
    found.Expect(s.largest);
  }
  TakeSums(
      view, chunk, s, [&] { return found.least(); },
      [&](size_t row, uint32_t sum) { found.Add({sum, static_cast<uint32_t>(row), &view}); });
}

// Every row that is asked for, in either mode: a small scope of a large segment.
bool ScoreFew(const SparseView& view, std::vector<Candidates::Row>& few) {
  if (view.allowed == nullptr || view.allowed->rows.size() * kFewAllowed > view.segment->rows())
    return false;
  for (const uint32_t row : view.allowed->rows) few.push_back({0, row, &view});
  return true;
}

void ScoreExactly(const std::vector<Candidates::Row>& rows, const SparseQuery& query, Scratch& s,
                  BestSums& best) {
  for (const SparseQuery::Term& t : query.terms) s.weights[t.term] = t.weight;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i + 1 < rows.size()) rows[i + 1].view->segment->Prefetch(rows[i + 1].row);
    const Candidates::Row& c = rows[i];
    const SparseSegment& segment = *c.view->segment;
    const std::span<const uint16_t> terms = segment.terms(c.row);
    const uint32_t sum = tensor::Impacts().dot(terms.data(), segment.impacts(c.row), terms.size(),
                                               s.weights);
    if (sum >= best.least()) best.Add({sum, segment.passage(c.row)});
  }
  for (const SparseQuery::Term& t : query.terms) s.weights[t.term] = 0;
}

}  // namespace

absl::StatusOr<SparseQuery> MakeSparseQuery(const text::SparseVector& vector, int32_t vocabulary) {
  SparseQuery query;
  float most = 0;
  int32_t last = -1;
  for (const text::TermWeight& w : vector) {
    if (w.term <= last || w.term >= std::min(vocabulary, kMaxSparseVocabulary) ||
        !std::isfinite(w.weight) || !(w.weight > 0)) {
      return absl::InvalidArgumentError(
          absl::StrCat("sparse query: term ", w.term, " of weight ", w.weight,
                       "; expected ascending terms below ", vocabulary, " with weights above 0"));
    }
    last = w.term;
    most = std::max(most, w.weight);
  }
  query.step = most / 127;
  for (const text::TermWeight& w : vector) {
    const float weight = std::round(w.weight / query.step);
    if (!(weight >= 1)) continue;
    query.terms.push_back(
        {static_cast<uint16_t>(w.term), static_cast<uint8_t>(std::min(weight, 127.0f))});
  }
  std::stable_sort(query.terms.begin(), query.terms.end(),
                   [](const auto& a, const auto& b) { return a.weight > b.weight; });
  return query;
}

int64_t CountRows(const SparseView& view) {
  if (view.allowed != nullptr) return static_cast<int64_t>(view.allowed->rows.size());
  const size_t deleted = view.deleted == nullptr ? 0 : view.deleted->rows.size();
  return static_cast<int64_t>(view.segment->rows() - deleted);
}

absl::StatusOr<int64_t> CountRowsWith(const SparseView& view, int32_t term) {
  const bool all =
      view.allowed == nullptr && (view.deleted == nullptr || view.deleted->rows.empty());
  const auto counts = [&](size_t row) {
    const uint32_t r = static_cast<uint32_t>(row);
    if (view.allowed != nullptr) return view.allowed->Contains(r);  // live ones alone
    return view.deleted == nullptr || !view.deleted->Contains(r);
  };
  const SparseSegment& segment = *view.segment;
  int64_t found = 0;
  for (size_t c = 0; c < segment.chunks(); ++c) {
    WEIR_RETURN_IF_ERROR(segment.CheckEntries(c));
    const SparseEntry* entry = segment.Find(c, static_cast<uint32_t>(term));
    if (entry == nullptr) continue;
    if (all) {
      found += entry->count & ~kMaskedFlag;
    } else if (!SparseSegment::IsMasked(*entry)) {
      for (const uint16_t row : segment.List(*entry).rows) found += counts(c * kChunkRows + row);
    } else {
      const uint64_t* masks = segment.Masked(c, *entry).masks;
      const size_t rows = segment.RowsOfChunk(c);
      for (size_t row = 0; row < rows; ++row) {
        const uint32_t bit = tensor::MaskBit(static_cast<uint32_t>(row % kImpactWindow));
        if ((masks[row / kImpactWindow] >> bit & 1) != 0) found += counts(c * kChunkRows + row);
      }
    }
  }
  return found;
}

float ScoreSparseRow(const SparseSegment& segment, size_t row, const SparseQuery& query) {
  const std::span<const uint16_t> terms = segment.terms(row);
  uint32_t sum = 0;
  for (const SparseQuery::Term& t : query.terms) {
    const auto at = std::lower_bound(terms.begin(), terms.end(), t.term);
    if (at == terms.end() || *at != t.term) continue;
    sum += uint32_t{t.weight} * segment.impacts(row)[at - terms.begin()];
  }
  return static_cast<float>(sum) * (query.step / kImpactSteps);
}

absl::StatusOr<std::vector<Scored>> SearchSparse(std::span<const SparseView> segments,
                                                 const SparseQuery& query, int64_t k,
                                                 const SparseSearchOptions& options,
                                                 const Context& context) {
  if (k < 1) return absl::InvalidArgumentError(absl::StrCat("k: ", k, "; expected at least 1"));
  Scratch& scratch = ThreadScratch();
  BestSums best(static_cast<size_t>(k));
  const std::span<const SparseQuery::Term> heaviest = Heaviest(query, options.share);
  Candidates candidates(static_cast<size_t>(
      std::max({options.candidates, std::min(k, kMostHits) * options.candidates_per_hit, k})));
  std::vector<Candidates::Row> few;
  for (const SparseView& view : segments) {
    if (ScoreFew(view, few)) continue;
    // Which postings are heavy depends on all rows: what is allowed must not.
    const bool exact = options.exact || view.allowed != nullptr ||
                       view.segment->rows() < options.least_rows;
    for (size_t c = 0; c < view.segment->chunks(); ++c) {
      WEIR_RETURN_IF_ERROR(context.CheckCancelled());
      WEIR_RETURN_IF_ERROR(view.segment->CheckEntries(c));
      if (exact) {
        SearchChunk(view, c, query, scratch, best);
      } else {
        ProposeFromChunk(view, c, heaviest, scratch, candidates);
      }
    }
  }
  ScoreExactly(few, query, scratch, best);
  if (!options.exact) ScoreExactly(candidates.Take(), query, scratch, best);
  std::vector<Scored> out;
  for (const Sum& s : best.Take()) {
    out.push_back({s.passage, static_cast<float>(s.sum) * (query.step / kImpactSteps)});
  }
  return out;
}

}  // namespace weir::index
