// A hierarchy of clusters of unit vectors: each inner node's children are the k-means clusters of
// its rows. Immutable once made; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/context.h"

namespace weir::index {

struct ClusterTreeOptions {
  size_t fanout = 16;      // most children of a node
  size_t leaf_rows = 256;  // a node of no more rows is a leaf
  // Each row becomes a leaf of its own: for a tree over the centres of clusters that there are.
  bool rows_are_leaves = false;
};

// A query in the forms that a walk needs. Borrows nothing.
struct TreeQuery {
  explicit TreeQuery(std::span<const float> query);
  std::vector<int8_t> codes;
  float scale = 0, norm = 0;
};

class ClusterTree {
 public:
  struct Node {
    uint32_t parent = 0;
    uint32_t first_child = 0, children = 0;  // none: a leaf
    uint32_t first_leaf = 0, leaves = 1;     // ranks of the leaves below it, in the order of a walk
  };
  static constexpr uint32_t kRoot = 0;
  static constexpr size_t kMaxNodes = size_t{1} << 24;

  // One leaf, which holds everything.
  explicit ClusterTree(size_t dimensions = 1);
  // row(i): the i-th vector. The same tree for any number of threads. Errors: kCancelled.
  static absl::StatusOr<ClusterTree> Train(size_t rows, size_t dimensions,
                                           absl::FunctionRef<const float*(size_t)> row,
                                           const ClusterTreeOptions& options,
                                           const Context& context);
  // Of nodes and centres that were kept; kInvalidArgument unless they make up a tree whose children
  // come after their parents, one node's after the other's.
  static absl::StatusOr<ClusterTree> Restore(size_t dimensions, std::span<const uint32_t> children,
                                             std::span<const float> scales,
                                             std::span<const float> biases,
                                             std::span<const int8_t> centres);

  size_t dimensions() const { return dimensions_; }
  std::span<const Node> nodes() const { return nodes_; }
  size_t leaf_count() const { return nodes_[kRoot].leaves; }
  bool is_leaf(uint32_t node) const { return nodes_[node].children == 0; }
  // With rows_are_leaves: [leaf_count] the row at each rank.
  std::span<const uint32_t> row_of_leaf() const { return row_of_leaf_; }

  // How promising each child is: q.c - |c|^2 / 2, which orders by distance from the centre.
  void ScoreChildren(uint32_t node, const TreeQuery& query, float* scores) const;
  // The leaf at the end of the path of nearest centres.
  uint32_t Descend(std::span<const float> x) const;
  // The nodes from the root to a leaf, both included.
  void PathTo(uint32_t leaf, std::vector<uint32_t>& path) const;

  std::span<const float> scales() const { return scales_; }
  std::span<const float> biases() const { return biases_; }
  std::span<const int8_t> centres() const { return centres_; }
  size_t bytes() const;

 private:
  class Trainer;
  void RankLeaves();

  size_t dimensions_;
  std::vector<Node> nodes_;
  std::vector<float> scales_, biases_;  // [nodes]; the root's are not used
  std::vector<int8_t> centres_;         // [nodes, dimensions]
  std::vector<uint32_t> row_of_leaf_;
};

}  // namespace weir::index
