// The best-first walk over a cluster tree that both forms of tenants share: short lists that are
// kept up to date (short_lists.h) and ranges of sorted positions (range_lists.h).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "index/tenants/cluster_tree.h"

namespace weir::index {

// What a tenant has at a node: nothing, a list, or lists further down.
struct AtNode {
  enum class Kind { kNothing, kList, kBelow } kind = Kind::kNothing;
  std::span<const uint32_t> list = {};
};

// How many rows in a row, as whole lists, may be in vain: the more a tenant has, the further apart
// its best ones lie.
inline size_t PatienceFor(double patience, size_t rows) {
  return patience <= 0 ? 0
                       : static_cast<size_t>(patience * (48 + static_cast<double>(rows) / 24)) + 1;
}

// Visits nodes by what ScoreChildren says of them, most promising first. `at(node)` gives an
// AtNode; `scan(list)` scores a list and tells whether something in it was good enough to be kept.
// Ends once the last lists, of `patience` rows together, brought nothing; 0: only when all lists
// were scanned.
template <class At, class Scan>
void WalkTree(const ClusterTree& tree, const TreeQuery& query, size_t patience, const At& at,
              const Scan& scan) {
  using Entry = std::pair<float, uint32_t>;
  std::vector<Entry> heap = {{0.0f, ClusterTree::kRoot}};
  std::vector<float> scores;
  size_t in_vain = 0;  // rows
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const uint32_t node = heap.back().second;
    heap.pop_back();
    const AtNode here = at(node);
    if (here.kind == AtNode::Kind::kNothing) continue;
    if (here.kind == AtNode::Kind::kList) {
      in_vain = scan(here.list) ? 0 : in_vain + here.list.size();
      if (in_vain >= patience && patience > 0) return;
      continue;
    }
    const ClusterTree::Node& n = tree.nodes()[node];
    scores.resize(n.children);
    tree.ScoreChildren(node, query, scores.data());
    for (uint32_t c = 0; c < n.children; ++c) {
      heap.emplace_back(scores[c], n.first_child + c);
      std::push_heap(heap.begin(), heap.end());
    }
  }
}

}  // namespace weir::index
