#include "index/tenants/short_lists.h"

#include <algorithm>

namespace weir::index {
namespace {

constexpr size_t kLeastCapacity = 32;  // tenants of a node's filter
// Rebuilding costs as much as the lists are many, so it waits for a share of them to be gone.
constexpr size_t kLeastForgotten = 100, kForgottenShare = 8;

}  // namespace

ShortLists::ShortLists(const ClusterTree& tree, size_t longest)
    : tree_(tree), longest_(std::max<size_t>(1, longest)), below_(tree.nodes().size()) {}

std::vector<uint32_t> ShortLists::Take(uint32_t node, uint32_t tenant) {
  const auto at = lists_.find({node, tenant});
  if (at == lists_.end()) return {};
  const std::span<const uint32_t> list = pool_.Of(at->second);
  std::vector<uint32_t> slots(list.begin(), list.end());
  pool_.Free(at->second);
  lists_.erase(at);
  return slots;
}

void ShortLists::Compact() {
  pool_.Compact([this](const auto& f) {
    for (auto& [key, list] : lists_) f(list);
  });
}

// Notes in all nodes above that the tenant has something below them.
void ShortLists::Above(uint32_t node, uint32_t tenant) {
  while (node != ClusterTree::kRoot) {
    node = tree_.nodes()[node].parent;
    BloomFilter& filter = below_[node];
    if (filter.bytes() == 0) filter = BloomFilter(kLeastCapacity);
    filter.Add(tenant);
    crowded_ |= filter.full();
  }
}

void ShortLists::Rebuild() {
  crowded_ = false;
  forgotten_ = 0;
  // The distinct tenants below each node.
  std::vector<std::vector<uint32_t>> tenants(tree_.nodes().size());
  for (const auto& [key, list] : lists_) {
    for (uint32_t node = key.first; node != ClusterTree::kRoot;) {
      node = tree_.nodes()[node].parent;
      tenants[node].push_back(key.second);
    }
  }
  for (size_t n = 0; n < below_.size(); ++n) {
    std::vector<uint32_t>& here = tenants[n];
    std::sort(here.begin(), here.end());
    here.erase(std::unique(here.begin(), here.end()), here.end());
    if (here.empty()) {
      below_[n] = BloomFilter();
      continue;
    }
    below_[n] = BloomFilter(std::max(kLeastCapacity, here.size() + here.size() / 2));
    for (const uint32_t tenant : here) below_[n].Add(tenant);
  }
}

void ShortLists::Remove(uint32_t tenant, uint32_t slot, uint32_t leaf) {
  for (uint32_t node = leaf;; node = tree_.nodes()[node].parent) {
    const auto at = lists_.find({node, tenant});
    if (at == lists_.end()) {
      if (node == ClusterTree::kRoot) return;
      continue;
    }
    const std::span<const uint32_t> list = Of(at->second);
    const auto place = std::find(list.begin(), list.end(), slot);
    if (place == list.end()) return;
    pool_.Erase(at->second, static_cast<size_t>(place - list.begin()));
    if (at->second.count == 0) {
      lists_.erase(at);
      ++forgotten_;
    }
    if (node != ClusterTree::kRoot) Merge(tenant, tree_.nodes()[node].parent);
    break;
  }
  if (forgotten_ >= std::max(kLeastForgotten, lists_.size() / kForgottenShare)) Rebuild();
  if (pool_.sparse()) Compact();
}

// Moves the lists of the children up while they are short enough together. Half of the longest, so
// that the next grant does not split them again.
void ShortLists::Merge(uint32_t tenant, uint32_t node) {
  while (true) {
    const ClusterTree::Node& n = tree_.nodes()[node];
    size_t all = 0;
    for (uint32_t child = n.first_child; child < n.first_child + n.children; ++child) {
      const AtNode here = At(child, tenant);
      if (here.kind == AtNode::Kind::kBelow) return;
      all += here.list.size();
    }
    if (all == 0 || all > longest_ / 2) return;
    ListPool::List merged;
    for (uint32_t child = n.first_child; child < n.first_child + n.children; ++child) {
      const std::vector<uint32_t> slots = Take(child, tenant);
      for (const uint32_t slot : slots) pool_.Append(merged, slot);
      forgotten_ += !slots.empty();
    }
    lists_[{node, tenant}] = merged;
    if (node == ClusterTree::kRoot) return;
    node = n.parent;
  }
}

size_t ShortLists::bytes() const {
  size_t bytes = lists_.capacity() * (sizeof(Key) + sizeof(ListPool::List) + 1) + pool_.bytes();
  for (const BloomFilter& filter : below_) bytes += sizeof(filter) + filter.bytes();
  return bytes;
}

}  // namespace weir::index
