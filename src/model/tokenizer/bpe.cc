#include "model/tokenizer/bpe.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "absl/strings/str_cat.h"

namespace weir::model {
namespace {

constexpr size_t kShortWord = 32;  // symbols; below, n scans of n ranks beat a heap

constexpr uint32_t kNoRank = std::numeric_limits<uint32_t>::max();
constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

struct Candidate {
  uint64_t key;  // rank << 32 | left: the lowest rank first, then the leftmost
  int32_t left_symbol, right_symbol, result;
  bool operator>(const Candidate& other) const { return key > other.key; }
};

}  // namespace

BpeMerges::BpeMerges(const Vocabulary& vocabulary,
                     std::span<const std::pair<std::string_view, std::string_view>> merges)
    : vocabulary_(vocabulary) {
  const auto symbol = [&](std::string_view text) {
    const int32_t id = Symbol(text);
    if (id >= 0) return id;
    const int32_t own = vocabulary_.size() + static_cast<int32_t>(own_symbols_.size());
    own_symbols_.emplace(text, own);
    return own;
  };
  merges_.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto& [left, right] = merges[i];
    if (left.empty() || right.empty()) continue;
    const int32_t l = symbol(left), r = symbol(right);
    const int32_t result = symbol(absl::StrCat(left, right));
    merges_.try_emplace(
        static_cast<uint64_t>(static_cast<uint32_t>(l)) << 32 | static_cast<uint32_t>(r),
        Merge{static_cast<uint32_t>(i), result});
  }
}

int32_t BpeMerges::Symbol(std::string_view text) const {
  const int32_t id = vocabulary_.Find(text);
  if (id >= 0) return id;
  auto it = own_symbols_.find(text);
  return it == own_symbols_.end() ? -1 : it->second;
}

size_t BpeMerges::Run(std::span<int32_t> symbols, std::span<uint32_t> begins) const {
  for (size_t i = 0; i < symbols.size(); ++i) begins[i] = static_cast<uint32_t>(i);
  if (symbols.size() < 2) return symbols.size();
  return symbols.size() <= kShortWord ? RunShort(symbols, begins) : RunLong(symbols, begins);
}

size_t BpeMerges::RunShort(std::span<int32_t> symbols, std::span<uint32_t> begins) const {
  uint32_t ranks[kShortWord];
  int32_t results[kShortWord];
  size_t n = symbols.size();
  const auto rate = [&](size_t i) {
    const Merge* merge = Find(symbols[i], symbols[i + 1]);
    ranks[i] = merge == nullptr ? kNoRank : merge->rank;
    results[i] = merge == nullptr ? -1 : merge->result;
  };
  for (size_t i = 0; i + 1 < n; ++i) rate(i);
  while (n > 1) {
    const size_t best = std::min_element(ranks, ranks + n - 1) - ranks;
    if (ranks[best] == kNoRank) break;
    symbols[best] = results[best];
    for (size_t i = best + 1; i + 1 < n; ++i) {
      symbols[i] = symbols[i + 1];
      begins[i] = begins[i + 1];
      ranks[i] = ranks[i + 1];
      results[i] = results[i + 1];
    }
    --n;
    if (best + 1 < n) rate(best);
    if (best > 0) rate(best - 1);
  }
  return n;
}

size_t BpeMerges::RunLong(std::span<int32_t> symbols, std::span<uint32_t> begins) const {
  const uint32_t n = static_cast<uint32_t>(symbols.size());
  std::vector<uint32_t> next(n), previous(n);
  for (uint32_t i = 0; i < n; ++i) {
    previous[i] = i == 0 ? kNone : i - 1;
    next[i] = i + 1 == n ? kNone : i + 1;
  }
  std::vector<bool> merged(n, false);
  std::vector<Candidate> heap;
  heap.reserve(n);
  const auto add = [&](uint32_t left) {
    const uint32_t right = next[left];
    if (right == kNone) return false;
    const Merge* merge = Find(symbols[left], symbols[right]);
    if (merge == nullptr) return false;
    heap.push_back({static_cast<uint64_t>(merge->rank) << 32 | left, symbols[left], symbols[right],
                    merge->result});
    return true;
  };
  const auto push = [&](uint32_t left) {
    if (add(left)) std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  for (uint32_t i = 0; i + 1 < n; ++i) add(i);
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const Candidate c = heap.back();
    heap.pop_back();
    const uint32_t left = static_cast<uint32_t>(c.key);
    const uint32_t right = next[left];
    // Entries of pairs that have changed since are skipped.
    if (merged[left] || right == kNone || symbols[left] != c.left_symbol ||
        symbols[right] != c.right_symbol) {
      continue;
    }
    symbols[left] = c.result;
    merged[right] = true;
    next[left] = next[right];
    if (next[left] != kNone) previous[next[left]] = left;
    push(left);
    if (previous[left] != kNone) push(previous[left]);
  }
  size_t kept = 0;
  for (uint32_t i = 0; i != kNone; i = next[i]) {
    begins[kept] = i;
    symbols[kept++] = symbols[i];
  }
  return kept;
}

}  // namespace weir::model
