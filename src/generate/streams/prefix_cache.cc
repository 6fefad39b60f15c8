#include "generate/streams/prefix_cache.h"

#include <algorithm>

namespace weir::generate {

PrefixCache::PrefixCache(KvPlacement* placement, int layers)
    : placement_(placement), layers_(layers) {
  placement_->set_reclaim([this](int64_t blocks) { Evict(blocks); });
}

PrefixCache::~PrefixCache() {
  placement_->set_reclaim(nullptr);
  Clear();
}

PrefixCache::Key PrefixCache::KeyAt(std::span<const int32_t> tokens, size_t block) {
  Key key;
  std::copy_n(tokens.begin() + static_cast<std::ptrdiff_t>(block * kBlockTokens), kBlockTokens,
              key.begin());
  return key;
}

// Null when the tokens end before the block does, or when it is not stored.
PrefixCache::Node* PrefixCache::Child(Node& node, std::span<const int32_t> tokens,
                                      size_t block) const {
  if ((block + 1) * kBlockTokens > tokens.size()) return nullptr;
  const auto it = node.children.find(KeyAt(tokens, block));
  return it == node.children.end() ? nullptr : it->second.get();
}

void PrefixCache::Touch(Node& node) {
  const bool leaf = node.children.empty();
  if (leaf) leaves_.erase({node.used, &node});
  node.used = clock_;
  if (leaf) leaves_.insert({node.used, &node});
}

int64_t PrefixCache::Match(std::string_view scope, std::span<const int32_t> tokens) const {
  const auto root = roots_.find(scope);
  if (root == roots_.end()) return 0;
  size_t block = 0;
  for (auto* node = const_cast<Node*>(&root->second);
       (node = Child(*node, tokens, block)) != nullptr;) {
    ++block;
  }
  return static_cast<int64_t>(block) * kBlockTokens;
}

int64_t PrefixCache::Adopt(std::string_view scope, std::span<const int32_t> tokens,
                           PagedSequence& sequence) {
  const auto root = roots_.find(scope);
  if (root == roots_.end()) return sequence.length();
  ++clock_;
  const auto held = static_cast<size_t>(sequence.length() / kBlockTokens);
  Node* node = &root->second;
  for (size_t block = 0; (node = Child(*node, tokens, block)) != nullptr; ++block) {
    Touch(*node);
    if (block >= held) sequence.AppendShared(node->ids);
  }
  return sequence.length();
}

void PrefixCache::Insert(std::string_view scope, std::span<const int32_t> tokens,
                         const PagedSequence& sequence) {
  const size_t full =
      static_cast<size_t>(std::min<int64_t>(sequence.length(), tokens.size()) / kBlockTokens);
  if (full == 0) return;
  auto root = roots_.find(scope);
  if (root == roots_.end()) root = roots_.emplace(std::string(scope), Node()).first;
  ++clock_;
  Node* node = &root->second;
  for (size_t block = 0; block < full; ++block) {
    Node* next = Child(*node, tokens, block);
    if (next == nullptr) {
      auto fresh = std::make_unique<Node>();
      next = fresh.get();
      next->parent = node;
      next->key = KeyAt(tokens, block);
      for (int layer = 0; layer < layers_; ++layer) {
        next->ids.push_back(sequence.blocks(layer)[block]);
        placement_->Share(next->ids.back());
      }
      if (node->parent != nullptr) leaves_.erase({node->used, node});
      node->children.emplace(next->key, std::move(fresh));
      ++nodes_;
    }
    Touch(*next);
    node = next;
  }
}

void PrefixCache::Remove(Node& leaf) {
  for (BlockId id : leaf.ids) placement_->Release(id);
  leaves_.erase({leaf.used, &leaf});
  --nodes_;
  Node* parent = leaf.parent;
  const Key key = leaf.key;
  parent->children.erase(key);  // ends `leaf`
  if (!parent->children.empty()) return;
  if (parent->parent != nullptr) {
    leaves_.insert({parent->used, parent});
  } else {
    std::erase_if(roots_, [&](const auto& root) { return &root.second == parent; });
  }
}

void PrefixCache::Evict(int64_t blocks) {
  for (auto it = leaves_.begin(); blocks > 0 && it != leaves_.end();) {
    Node& leaf = *it->second;
    if (placement_->Users(leaf.ids[0]) > 1) {  // all layers are held alike
      ++it;
      continue;
    }
    Remove(leaf);
    blocks -= layers_;
    it = leaves_.begin();  // its parent may be the oldest now
  }
}

void PrefixCache::Clear() {
  while (!leaves_.empty()) Remove(*leaves_.begin()->second);
}

int64_t PrefixCache::Evictable(const Node& node) const {
  int64_t sum = 0;
  for (const auto& [key, child] : node.children) sum += Evictable(*child);
  if (!node.ids.empty() && placement_->Users(node.ids[0]) == 1) sum += layers_;
  return sum;
}

// A node below a held one may be free, a node above one never is: whoever holds a block of a prompt
// holds those before it.
int64_t PrefixCache::evictable_blocks() const {
  int64_t sum = 0;
  for (const auto& [scope, root] : roots_) sum += Evictable(root);
  return sum;
}

}  // namespace weir::generate
