#include "generate/streams/prefix_cache.h"

#include <algorithm>

namespace weir::generate {

PrefixCache::PrefixCache(KvPlacement* placement, int layers, int64_t open_blocks,
                         int64_t sink_blocks)
    : placement_(placement),
      layers_(layers),
      open_blocks_(open_blocks),
      sink_blocks_(sink_blocks) {
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
  const auto path = Usable(const_cast<Node&>(root->second), tokens, 0);
  return static_cast<int64_t>(path.size()) * kBlockTokens;
}

std::vector<PrefixCache::Node*> PrefixCache::Usable(Node& root, std::span<const int32_t> tokens,
                                                    size_t held) const {
  std::vector<Node*> path;
  size_t usable = 0, open = 0;  // blocks up to here that are open, without a gap
  for (Node* node = &root; (node = Child(*node, tokens, path.size())) != nullptr;) {
    open = !node->open.empty() || path.size() < held ? open + 1 : 0;
    path.push_back(node);
    if (path.size() <= static_cast<size_t>(sink_blocks_) && open < path.size()) break;
    if (open >= std::min(path.size(), static_cast<size_t>(open_blocks_))) usable = path.size();
  }
  path.resize(usable);
  return path;
}

int64_t PrefixCache::Adopt(std::string_view scope, std::span<const int32_t> tokens,
                           PagedSequence& sequence) {
  const auto root = roots_.find(scope);
  if (root == roots_.end()) return sequence.length();
  ++clock_;
  const auto held = static_cast<size_t>(sequence.length() / kBlockTokens);
  const std::vector<Node*> path = Usable(root->second, tokens, held);
  for (Node* node : path) Touch(*node);
  if (path.size() <= held) return sequence.length();
  // What the next token reads compact, and one block beside: open forms that Truncate may want.
  const size_t old = path.size() - std::min(path.size(), static_cast<size_t>(open_blocks_));
  for (size_t block = 0; block < path.size(); ++block) {
    const Node& node = *path[block];
    const bool compact = block < old && !node.compact.empty() &&
                         block == sequence.compact_blocks(0).size();
    if (block < held) {
      if (compact) sequence.ShareCompact(node.compact);
      continue;
    }
    const bool open = !node.open.empty() && (!compact || block + kSpareOpenBlocks >= old ||
                                             block < static_cast<size_t>(sink_blocks_));
    sequence.AppendShared(open ? std::span<const BlockId>(node.open) : std::span<const BlockId>(),
                          compact ? std::span<const BlockId>(node.compact)
                                  : std::span<const BlockId>());
  }
  return sequence.length();
}

void PrefixCache::Insert(std::string_view scope, std::span<const int32_t> tokens,
                         const PagedSequence& sequence, int64_t prompt_tokens) {
  const size_t full =
      static_cast<size_t>(std::min<int64_t>(sequence.length(), tokens.size()) / kBlockTokens);
  if (full == 0) return;
  const size_t prompt_blocks =
      prompt_tokens > 0 ? static_cast<size_t>(prompt_tokens / kBlockTokens) : full;
  auto root = roots_.find(scope);
  if (root == roots_.end()) root = roots_.emplace(std::string(scope), Node()).first;
  ++clock_;
  Node* node = &root->second;
  for (size_t block = 0; block < full; ++block) {
    Node* next = Child(*node, tokens, block);
    if (next == nullptr) next = &AddChild(*node, tokens, block);
    Fill(*next, sequence, block, prompt_blocks);
    Touch(*next);
    node = next;
  }
}

PrefixCache::Node& PrefixCache::AddChild(Node& parent, std::span<const int32_t> tokens,
                                         size_t block) {
  auto fresh = std::make_unique<Node>();
  Node& node = *fresh;
  node.parent = &parent;
  node.key = KeyAt(tokens, block);
  if (parent.parent != nullptr) leaves_.erase({parent.used, &parent});
  parent.children.emplace(node.key, std::move(fresh));
  ++nodes_;
  return node;
}

void PrefixCache::Fill(Node& node, const PagedSequence& sequence, size_t block,
                       size_t prompt_blocks) {
  // The whole prompt, asked again, computes its last token: it may go on one block earlier.
  const auto resumed = static_cast<size_t>(open_blocks_) + 1;
  if (block < static_cast<size_t>(sink_blocks_)) node.resumed = true;
  if (block < prompt_blocks && block + resumed >= prompt_blocks) node.resumed = true;
  const bool open = !sequence.OpenIsGone(block);
  if (node.compact.empty() && block < sequence.filled_compact())
    Share(node.compact, sequence, block, true);
  if (node.open.empty() && open) {
    Share(node.open, sequence, block, false);
  } else if (!node.resumed && !open && !node.compact.empty()) {
    Release(node.open);
  }
}

void PrefixCache::Share(std::vector<BlockId>& into, const PagedSequence& sequence, size_t block,
                        bool compact) {
  for (int layer = 0; layer < layers_; ++layer) {
    into.push_back(compact ? sequence.compact_blocks(layer)[block]
                           : sequence.blocks(layer)[block]);
    placement_->Share(into.back());
  }
}

void PrefixCache::Release(std::vector<BlockId>& ids) {
  for (BlockId id : ids) placement_->Release(id);
  ids.clear();
}

void PrefixCache::Remove(Node& leaf) {
  Release(leaf.open);
  Release(leaf.compact);
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
    if (Held(leaf)) {
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

// All layers are held alike.
bool PrefixCache::Held(const Node& node) const {
  return (!node.open.empty() && placement_->Users(node.open[0]) > 1) ||
         (!node.compact.empty() && placement_->Users(node.compact[0]) > 1);
}

// A node below a held one may go, a node above one cannot. False if it cannot.
bool PrefixCache::AddEvictable(const Node& node, Blocks& sum) const {
  bool all = !Held(node);
  for (const auto& [key, child] : node.children) all = AddEvictable(*child, sum) && all;
  if (!all) return false;
  sum.open += static_cast<int64_t>(node.open.size());
  sum.compact += static_cast<int64_t>(node.compact.size());
  return true;
}

PrefixCache::Blocks PrefixCache::evictable_blocks() const {
  Blocks sum;
  for (const auto& [scope, root] : roots_) AddEvictable(root, sum);
  return sum;
}

}  // namespace weir::generate
