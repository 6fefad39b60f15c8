#include "index/lexical/count.h"

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <utility>
#include <vector>

#include "base/status.h"
#include "index/lexical/documents.h"

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

// Bits of deleted rows, or null.
const uint64_t* DeletedBits(const SegmentView& view) {
  return view.deleted == nullptr || view.deleted->bits.empty() ? nullptr
                                                               : view.deleted->bits.data();
}

int64_t CountAny(std::deque<Documents>& clauses, std::deque<Documents>& none,
                 const SegmentView& view) {
  const uint32_t rows = view.segment->rows();
  const uint64_t* gone = DeletedBits(view);
  std::array<uint64_t, kWindow / 64> bits{}, left_out{};
  int64_t count = 0;
  for (uint32_t begin = 0; begin < rows; begin += std::min(kWindow, rows - begin)) {
    const uint32_t end = begin + std::min(kWindow, rows - begin), words = (end - begin + 63) / 64;
    for (Documents& clause : clauses) clause.Mark(begin, end, bits.data());
    for (Documents& clause : none) clause.Mark(begin, end, left_out.data());
    for (uint32_t w = 0; !none.empty() && w < words; ++w) bits[w] &= ~std::exchange(left_out[w], 0);
    for (uint32_t w = 0; gone != nullptr && w < words; ++w) bits[w] &= ~gone[begin / 64 + w];
    count += CountOnes(bits.data(), words);
    std::fill_n(bits.begin(), words, 0);
  }
  return count;
}

int64_t CountAll(std::deque<Documents>& clauses, std::deque<Documents>& none,
                 const SegmentView& view) {
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
      bool counts = view.deleted == nullptr || !view.deleted->Contains(doc);
      for (size_t c = 1; c < order.size() && counts; ++c) counts = order[c]->Contains(doc);
      for (size_t c = 0; c < none.size() && counts; ++c) counts = !none[c].Contains(doc);
      count += counts;
    }
    next = run.back() + 1;
  }
}

}  // namespace

absl::StatusOr<int64_t> CountSegments(std::span<const SegmentView> segments,
                                      const LexicalQuery& query) {
  int64_t count = 0;
  for (const SegmentView& view : segments) {
    std::deque<Documents> should, must, none;
    bool missing = false;  // a clause that must match
    for (const LexicalClause& clause : query.clauses) {
      const Need need = query.all && clause.need == Need::kShould ? Need::kMust : clause.need;
      std::deque<Documents>& side =
          need == Need::kMust ? must : need == Need::kMustNot ? none : should;
      WEIR_ASSIGN_OR_RETURN(const bool found, AddClause(*view.segment, clause, side));
      missing = missing || (!found && need == Need::kMust);
    }
    if (missing || (must.empty() && should.empty())) continue;
    std::deque<Documents>& counted = must.empty() ? should : must;
    const bool whole = none.empty() && DeletedBits(view) == nullptr;
    if (counted.size() == 1 && whole) {
      count += counted[0].total();
    } else {
      count += must.empty() ? CountAny(should, none, view) : CountAll(must, none, view);
    }
    for (const std::deque<Documents>* side : {&should, &must, &none}) {
      for (const Documents& clause : *side) WEIR_RETURN_IF_ERROR(clause.status());
    }
  }
  return count;
}

}  // namespace weir::index
