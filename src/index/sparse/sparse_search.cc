#include "index/sparse/sparse_search.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "tensor/impacts.h"

namespace weir::index {
namespace {

using tensor::kImpactWindow;
using tensor::MaskedTerm;

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

// Working memory of a thread, all zeros between searches: fresh pages would cost more than a search.
struct Scratch {
  alignas(64) uint32_t sums[kChunkRows] = {};
  uint32_t bounds[kChunkRows / kImpactWindow] = {};
  uint8_t weights[kMaxSparseVocabulary + 3] = {};
  std::vector<MaskedTerm> masked;
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
  const tensor::ImpactKernels& kernels = tensor::Impacts();
  const bool bounded = !s.masked.empty();
  for (size_t w = 0; w * kImpactWindow < rows; ++w) {
    uint32_t* sums = s.sums + w * kImpactWindow;
    uint64_t found = kernels.add_window(s.masked.data(), s.masked.size(), w,
                                        bounded ? s.bounds[w] : 0, least(), sums);
    if (found == 0) continue;
    for (; found != 0; found &= found - 1) {
      const size_t at = w * kImpactWindow + static_cast<size_t>(std::countr_zero(found));
      const size_t row = chunk * kChunkRows + at;
      if (at >= rows || s.sums[at] < least()) continue;
      if (view.deleted != nullptr && view.deleted->Contains(static_cast<uint32_t>(row))) continue;
      take(row, s.sums[at]);
    }
    std::fill_n(sums, kImpactWindow, 0);
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
  for (const SparseView& view : segments) {
    for (size_t c = 0; c < view.segment->chunks(); ++c) {
      WEIR_RETURN_IF_ERROR(context.CheckCancelled());
      SearchChunk(view, c, query, scratch, best);
    }
  }
  std::vector<Scored> out;
  for (const Sum& s : best.Take()) {
    out.push_back({s.passage, static_cast<float>(s.sum) * (query.step / kImpactSteps)});
  }
  return out;
}

}  // namespace weir::index
