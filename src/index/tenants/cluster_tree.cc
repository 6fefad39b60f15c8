#include "index/tenants/cluster_tree.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/threads.h"
#include "tensor/vector.h"

namespace weir::index {
namespace {

constexpr int kRounds = 8;
constexpr size_t kSampleRows = 256;  // for each centre that is trained
constexpr size_t kMaxDepth = 12;
float BiasOf(const float* centre, size_t d) { return -0.5f * tensor::Dot(centre, centre, d); }

}  // namespace

TreeQuery::TreeQuery(std::span<const float> query)
    : codes(query.size()),
      scale(tensor::QuantizeInt8(query.data(), codes.data(), query.size())),
      norm(std::sqrt(tensor::Dot(query.data(), query.data(), query.size()))) {}

ClusterTree::ClusterTree(size_t dimensions)
    : dimensions_(dimensions), nodes_(1), scales_(1), biases_(1), centres_(dimensions) {}

void ClusterTree::ScoreChildren(uint32_t node, const TreeQuery& query, float* scores) const {
  const Node& n = nodes_[node];
  tensor::ScanInt8(query.codes.data(), query.scale, &centres_[n.first_child * dimensions_],
                   &scales_[n.first_child], n.children, dimensions_, scores, nullptr);
  for (uint32_t i = 0; i < n.children; ++i) scores[i] += biases_[n.first_child + i];
}

uint32_t ClusterTree::Descend(std::span<const float> x) const {
  const TreeQuery query(x);
  std::vector<float> scores;
  uint32_t node = kRoot;
  while (!is_leaf(node)) {
    scores.resize(nodes_[node].children);
    ScoreChildren(node, query, scores.data());
    const auto best = std::max_element(scores.begin(), scores.end());
    node = nodes_[node].first_child + static_cast<uint32_t>(best - scores.begin());
  }
  return node;
}

void ClusterTree::PathTo(uint32_t leaf, std::vector<uint32_t>& path) const {
  path.clear();
  for (uint32_t node = leaf; node != kRoot; node = nodes_[node].parent) path.push_back(node);
  path.push_back(kRoot);
  std::reverse(path.begin(), path.end());
}

// Children stand behind their parents, so two passes do it: sizes upwards, ranks downwards.
void ClusterTree::RankLeaves() {
  for (size_t n = nodes_.size(); n-- > 0;) {
    Node& node = nodes_[n];
    if (node.children == 0) continue;
    node.leaves = 0;
    for (uint32_t c = 0; c < node.children; ++c) node.leaves += nodes_[node.first_child + c].leaves;
  }
  for (Node& node : nodes_) {
    uint32_t rank = node.first_leaf;
    for (uint32_t c = 0; c < node.children; ++c) {
      nodes_[node.first_child + c].first_leaf = rank;
      rank += nodes_[node.first_child + c].leaves;
    }
  }
}

size_t ClusterTree::bytes() const {
  return nodes_.size() * (sizeof(Node) + 2 * sizeof(float) + dimensions_);
}

// Splits node after node, in the order in which they were made.
class ClusterTree::Trainer {
 public:
  Trainer(size_t dimensions, absl::FunctionRef<const float*(size_t)> row,
          const ClusterTreeOptions& options, const Context& context)
      : d_(dimensions), row_(row), options_(options), context_(context), tree_(dimensions) {}

  absl::StatusOr<ClusterTree> Run(size_t rows) {
    std::vector<Pending> queue(1);
    queue[0].members.resize(rows);
    for (size_t i = 0; i < rows; ++i) queue[0].members[i] = static_cast<uint32_t>(i);
    std::vector<uint32_t> rows_of_nodes(1);
    for (uint32_t node = 0; node < queue.size(); ++node) {
      WEIR_RETURN_IF_ERROR(context_.CheckCancelled());
      Pending now = std::move(queue[node]);
      if (!now.members.empty()) rows_of_nodes[node] = now.members[0];
      std::vector<Pending> children = Split(now);
      if (children.empty()) continue;
      tree_.nodes_[node].first_child = static_cast<uint32_t>(tree_.nodes_.size());
      tree_.nodes_[node].children = static_cast<uint32_t>(children.size());
      for (Pending& child : children) {
        AddNode(node, child.centre);
        queue.push_back(std::move(child));
        rows_of_nodes.push_back(0);
      }
    }
    tree_.RankLeaves();
    if (options_.rows_are_leaves) {
      tree_.row_of_leaf_.resize(tree_.leaf_count());
      for (size_t n = 0; n < tree_.nodes_.size(); ++n) {
        if (tree_.is_leaf(static_cast<uint32_t>(n)))
          tree_.row_of_leaf_[tree_.nodes_[n].first_leaf] = rows_of_nodes[n];
      }
    }
    return std::move(tree_);
  }

 private:
  struct Pending {
    std::vector<uint32_t> members;
    std::vector<float> centre;
    size_t depth = 0;
  };

  void AddNode(uint32_t parent, const std::vector<float>& centre) {
    Node node;
    node.parent = parent;
    tree_.nodes_.push_back(node);
    tree_.centres_.resize(tree_.nodes_.size() * d_);
    tree_.scales_.push_back(tensor::QuantizeInt8(
        centre.data(), &tree_.centres_[(tree_.nodes_.size() - 1) * d_], d_));
    tree_.biases_.push_back(BiasOf(centre.data(), d_));
  }

  std::vector<Pending> Split(const Pending& node) {
    const size_t n = node.members.size();
    std::vector<Pending> children;
    if (options_.rows_are_leaves && n <= options_.fanout) {
      for (size_t i = 0; i < n && n > 1; ++i) {
        const float* x = row_(node.members[i]);
        children.push_back({{node.members[i]}, {x, x + d_}, node.depth + 1});
      }
      return children;
    }
    const bool whole = !options_.rows_are_leaves && n <= options_.leaf_rows;
    if (whole || (node.depth >= kMaxDepth && !options_.rows_are_leaves)) return children;
    const size_t per_child = std::max<size_t>(1, options_.rows_are_leaves ? 1
                                                                          : options_.leaf_rows / 2);
    const size_t k = std::clamp<size_t>(n / per_child, 2, options_.fanout);
    std::vector<uint32_t> nearest(n);
    const std::vector<float> centres = Cluster(node.members, k, nearest);
    children.resize(k);
    for (size_t i = 0; i < n; ++i) children[nearest[i]].members.push_back(node.members[i]);
    for (size_t c = 0; c < k; ++c) {
      children[c].centre.assign(&centres[c * d_], &centres[c * d_] + d_);
      children[c].depth = node.depth + 1;
    }
    std::erase_if(children, [](const Pending& child) { return child.members.empty(); });
    // Rows that are all alike do not split by distance: as they come.
    if (children.size() == 1 && options_.rows_are_leaves) return Halve(node);
    if (children.size() == 1) children.clear();
    return children;
  }

  std::vector<Pending> Halve(const Pending& node) const {
    std::vector<Pending> children(2);
    const size_t half = node.members.size() / 2;
    children[0].members.assign(node.members.begin(), node.members.begin() + half);
    children[1].members.assign(node.members.begin() + half, node.members.end());
    for (Pending& child : children) {
      const float* x = row_(child.members[0]);
      child.centre.assign(x, x + d_);
      child.depth = node.depth + 1;
    }
    return children;
  }

  // Lloyd's k-means over a sample, then every member to its centre; returns the means of those.
  std::vector<float> Cluster(const std::vector<uint32_t>& members, size_t k,
                             std::vector<uint32_t>& nearest) const {
    const size_t n = members.size(), sampled = std::min(n, kSampleRows * k);
    const auto sample = [&](size_t i) { return members[i * n / sampled]; };
    std::vector<float> centres(k * d_);
    for (size_t c = 0; c < k; ++c)
      std::copy_n(row_(sample(c * sampled / k)), d_, &centres[c * d_]);
    std::vector<uint32_t> near(sampled);
    for (int round = 0; round < kRounds; ++round) {
      Assign(sampled, sample, centres, near.data());
      Means(sampled, sample, near.data(), centres);
    }
    const auto member = [&](size_t i) { return members[i]; };
    Assign(n, member, centres, nearest.data());
    Means(n, member, nearest.data(), centres);
    return centres;
  }

  template <class Member>
  void Assign(size_t n, const Member& member, const std::vector<float>& centres,
              uint32_t* nearest) const {
    const size_t k = centres.size() / d_;
    std::vector<int8_t> codes(centres.size());
    std::vector<float> scales(k), bias(k);
    for (size_t c = 0; c < k; ++c) {
      const float* centre = &centres[c * d_];
      scales[c] = tensor::QuantizeInt8(centre, &codes[c * d_], d_);
      bias[c] = BiasOf(centre, d_);
    }
    ParallelShare(context_.threads, n, 256, [&](size_t begin, size_t end, int) {
      std::vector<int8_t> x(d_);
      std::vector<float> scores(k);
      for (size_t i = begin; i < end; ++i) {
        const float scale = tensor::QuantizeInt8(row_(member(i)), x.data(), d_);
        tensor::ScanInt8(x.data(), scale, codes.data(), scales.data(), k, d_, scores.data(),
                         nullptr);
        for (size_t c = 0; c < k; ++c) scores[c] += bias[c];
        nearest[i] = static_cast<uint32_t>(std::max_element(scores.begin(), scores.end()) -
                                           scores.begin());
      }
    });
  }

  // An empty centre keeps its place.
  template <class Member>
  void Means(size_t n, const Member& member, const uint32_t* nearest,
             std::vector<float>& centres) const {
    const size_t k = centres.size() / d_;
    std::vector<double> sums(centres.size());
    std::vector<size_t> counts(k);
    for (size_t i = 0; i < n; ++i) {
      const float* x = row_(member(i));
      double* sum = &sums[nearest[i] * d_];
      for (size_t j = 0; j < d_; ++j) sum[j] += x[j];
      ++counts[nearest[i]];
    }
    for (size_t c = 0; c < k; ++c) {
      for (size_t j = 0; j < d_ && counts[c] > 0; ++j)
        centres[c * d_ + j] = static_cast<float>(sums[c * d_ + j] / static_cast<double>(counts[c]));
    }
  }

  const size_t d_;
  const absl::FunctionRef<const float*(size_t)> row_;
  const ClusterTreeOptions& options_;
  const Context& context_;
  ClusterTree tree_;
};

absl::StatusOr<ClusterTree> ClusterTree::Train(size_t rows, size_t dimensions,
                                               absl::FunctionRef<const float*(size_t)> row,
                                               const ClusterTreeOptions& options,
                                               const Context& context) {
  return Trainer(dimensions, row, options, context).Run(rows);
}

absl::StatusOr<ClusterTree> ClusterTree::Restore(size_t dimensions,
                                                 std::span<const uint32_t> children,
                                                 std::span<const float> scales,
                                                 std::span<const float> biases,
                                                 std::span<const int8_t> centres) {
  const size_t n = children.size();
  if (n == 0 || n > kMaxNodes || scales.size() != n || biases.size() != n ||
      centres.size() != n * dimensions) {
    return absl::InvalidArgumentError(absl::StrCat("a tree of ", n, " nodes"));
  }
  ClusterTree tree(dimensions);
  tree.nodes_.resize(n);
  size_t next = 1;
  for (size_t i = 0; i < n; ++i) {
    if (children[i] == 0) continue;
    if (next <= i || children[i] == 1 || children[i] > n - next)
      return absl::InvalidArgumentError(absl::StrCat("children of node ", i));
    tree.nodes_[i].first_child = static_cast<uint32_t>(next);
    tree.nodes_[i].children = children[i];
    for (size_t c = 0; c < children[i]; ++c)
      tree.nodes_[next + c].parent = static_cast<uint32_t>(i);
    next += children[i];
  }
  if (next != n) return absl::InvalidArgumentError("nodes without a parent");
  for (size_t i = 0; i < n; ++i) {
    if (!std::isfinite(scales[i]) || !std::isfinite(biases[i]))
      return absl::InvalidArgumentError(absl::StrCat("node ", i, ": no finite number"));
  }
  tree.scales_.assign(scales.begin(), scales.end());
  tree.biases_.assign(biases.begin(), biases.end());
  tree.centres_.assign(centres.begin(), centres.end());
  tree.RankLeaves();
  return tree;
}

}  // namespace weir::index
