// The tenants' part of a cluster tree: for each tenant a few short lists of slots, one on each path
// from the root to a leaf at most, and Bloom filters that tell which tenants have lists further
// down. Card: tenant_tree.h. Not thread-safe while it changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "index/tenants/bloom_filter.h"
#include "index/tenants/cluster_tree.h"
#include "index/tenants/list_pool.h"
#include "index/tenants/tree_walk.h"

namespace weir::index {

class ShortLists {
 public:
  // Borrows the tree. A list that grows longer than `longest` moves to the node's children.
  ShortLists(const ClusterTree& tree, size_t longest);

  // leaf_of(slot): the leaf at the end of the slot's path. REQUIRES: the tenant does not have it.
  template <class LeafOf>
  void Add(uint32_t tenant, uint32_t slot, const LeafOf& leaf_of) {
    tree_.PathTo(leaf_of(slot), path_);
    for (size_t depth = 0; depth < path_.size(); ++depth) {
      const uint32_t node = path_[depth];
      if (lists_.contains({node, tenant}) || !Below(node, tenant)) {
        Append(tenant, node, slot, leaf_of);
        break;
      }
    }
    if (crowded_) Rebuild();
    if (pool_.sparse()) Compact();
  }
  // REQUIRES: the tenant has the slot, whose path ends at `leaf`.
  void Remove(uint32_t tenant, uint32_t slot, uint32_t leaf);

  AtNode At(uint32_t node, uint32_t tenant) const {
    const auto list = lists_.find({node, tenant});
    if (list != lists_.end()) return {AtNode::Kind::kList, pool_.Of(list->second)};
    return {Below(node, tenant) ? AtNode::Kind::kBelow : AtNode::Kind::kNothing};
  }

  using Key = std::pair<uint32_t, uint32_t>;  // node, tenant
  const absl::flat_hash_map<Key, ListPool::List>& lists() const { return lists_; }
  std::span<const uint32_t> Of(const ListPool::List& list) const { return pool_.Of(list); }
  size_t bytes() const;
  // For lists that were kept: REQUIRES each key once, and a Rebuild at the end.
  void Restore(const Key& key, std::span<const uint32_t> slots) {
    ListPool::List& list = lists_[key];
    for (const uint32_t slot : slots) pool_.Append(list, slot);
  }
  // Bloom filters cannot forget: makes all of them anew from the lists.
  void Rebuild();

 private:
  bool Below(uint32_t node, uint32_t tenant) const {
    return !tree_.is_leaf(node) && below_[node].Contains(tenant);
  }
  // REQUIRES: the node is above the leaf.
  uint32_t ChildTowards(uint32_t node, uint32_t leaf) const {
    while (tree_.nodes()[leaf].parent != node) leaf = tree_.nodes()[leaf].parent;
    return leaf;
  }
  template <class LeafOf>
  void Append(uint32_t tenant, uint32_t node, uint32_t slot, const LeafOf& leaf_of) {
    ListPool::List& list = lists_[{node, tenant}];
    pool_.Append(list, slot);
    Above(node, tenant);
    if (list.count > longest_ && !tree_.is_leaf(node)) Split(tenant, node, leaf_of);
  }
  template <class LeafOf>
  void Split(uint32_t tenant, uint32_t node, const LeafOf& leaf_of) {
    const std::vector<uint32_t> slots = Take(node, tenant);
    // Down from the child: what an earlier slot of this split filled up may have moved on.
    for (const uint32_t slot : slots) {
      Descend(tenant, ChildTowards(node, leaf_of(slot)), slot, leaf_of);
    }
  }
  template <class LeafOf>
  void Descend(uint32_t tenant, uint32_t node, uint32_t slot, const LeafOf& leaf_of) {
    while (!lists_.contains({node, tenant}) && Below(node, tenant)) {
      node = ChildTowards(node, leaf_of(slot));
    }
    Append(tenant, node, slot, leaf_of);
  }
  // Ends the list; what was in it.
  std::vector<uint32_t> Take(uint32_t node, uint32_t tenant);
  void Compact();
  void Above(uint32_t node, uint32_t tenant);
  void Merge(uint32_t tenant, uint32_t node);

  const ClusterTree& tree_;
  const size_t longest_;
  absl::flat_hash_map<Key, ListPool::List> lists_;
  ListPool pool_;
  std::vector<BloomFilter> below_;  // [nodes]; of leaves empty
  std::vector<uint32_t> path_;
  size_t forgotten_ = 0;  // lists that went since the last Rebuild
  bool crowded_ = false;
};

}  // namespace weir::index
