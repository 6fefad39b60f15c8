// Technique: scope-tree
// Source: Jin et al., Curator, second implementation (2025): temporary index for arbitrary
//   predicates
// Idea: The rows of a segment stand cluster after cluster. The allowed ones, sorted in the order of
//   the tree's leaves, make every node's own a contiguous range: a short list where they are few, a
//   reason to go on where they are many. A scope needs no more than one pass over the segment, and
//   what is deleted or revoked leaves nothing behind.
// Formulas: as curator, with At(node) = ranges instead of lists and Bloom filters.
// Cost: one look at each row of the segment for each scope and generation; 4 bytes an allowed row
//   and a cluster.
// Differs: made of the clusters that the segment has, under a tree over their centres; positions of
//   the segment stand for the paper's ids that spell the path.
// Checked by: StoreTenantsTest.DenseSearchOfLargeSegments
// Measured by: weir bench search --tenants
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "index/deleted_rows.h"
#include "index/dense/vector_segment.h"
#include "index/tenants/cluster_tree.h"
#include "index/tenants/tree_walk.h"

namespace weir::index {

// Immutable and thread-safe.
class RangeLists {
 public:
  // Of these rows of a clustered segment; the tree is one over its clusters' centres.
  RangeLists(const VectorSegment& segment, const RowSet& rows,
             std::shared_ptr<const ClusterTree> tree);

  const ClusterTree& tree() const { return *tree_; }
  // Lists are of positions.
  AtNode At(uint32_t node) const {
    const ClusterTree::Node& n = tree_->nodes()[node];
    const uint32_t begin = starts_[n.first_leaf], end = starts_[n.first_leaf + n.leaves];
    if (begin == end) return {AtNode::Kind::kNothing};
    if (end - begin > kLongest && n.children > 0) return {AtNode::Kind::kBelow};
    return {AtNode::Kind::kList, std::span(positions_).subspan(begin, end - begin)};
  }

 private:
  static constexpr uint32_t kLongest = 128;

  std::shared_ptr<const ClusterTree> tree_;
  std::vector<uint32_t> positions_;  // leaf after leaf
  std::vector<uint32_t> starts_;     // [leaves + 1]
};

// Trees over the centres of vector segments, made when a scope first needs them. Thread-safe.
class SegmentTrees {
 public:
  // id: of the segment in the catalogue, never used for another one.
  std::shared_ptr<const ClusterTree> Get(int64_t id, const VectorSegment& segment);

 private:
  std::mutex mutex_;
  std::map<int64_t, std::shared_ptr<const ClusterTree>> trees_;
};

}  // namespace weir::index
