// The prompts whose keys and values are kept: a radix tree over token ids, a node a block of 32
// tokens, which owns one reference to that block of every layer. A new prompt begins with the
// blocks of the longest stored prefix; nothing is copied. When the placement runs short, the leaves
// used least recently go first, and never a block that a sequence holds.
//
// A cache belongs to one model and one KV policy, which must share prefixes. What else makes equal
// tokens differ (tenant, adapter) is the scope: prompts of one scope never see another's blocks,
// nor how long they take. Not thread-safe, as the placement.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "generate/kv/sequence.h"

namespace weir::generate {

class PrefixCache {
 public:
  // Registers itself as what `placement` reclaims from. `placement` must outlive the cache.
  PrefixCache(KvPlacement* placement, int layers);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // Tokens of the longest stored prefix, a multiple of 32.
  int64_t Match(std::string_view scope, std::span<const int32_t> tokens) const;
  // Appends stored blocks of `tokens` to a sequence that holds their first length(), a multiple of
  // 32. Returns the new length.
  int64_t Adopt(std::string_view scope, std::span<const int32_t> tokens, PagedSequence& sequence);
  // Keeps the full blocks of a sequence that holds `tokens`.
  void Insert(std::string_view scope, std::span<const int32_t> tokens,
              const PagedSequence& sequence);
  // Releases blocks that nobody else holds, at least `blocks` of the placement's if there are as
  // many.
  void Evict(int64_t blocks);
  void Clear();

  int64_t tokens() const { return nodes_ * kBlockTokens; }
  // Blocks of the placement, over all layers, that Evict could release.
  int64_t evictable_blocks() const;

 private:
  using Key = std::array<int32_t, kBlockTokens>;
  struct Node {
    Node* parent = nullptr;
    Key key = {};                // in the parent's children
    std::vector<BlockId> ids;    // [layers]; empty in a root
    std::map<Key, std::unique_ptr<Node>> children;
    uint64_t used = 0;
  };

  static Key KeyAt(std::span<const int32_t> tokens, size_t block);
  Node* Child(Node& node, std::span<const int32_t> tokens, size_t block) const;
  void Touch(Node& node);
  void Remove(Node& leaf);
  int64_t Evictable(const Node& node) const;

  KvPlacement* placement_;
  const int layers_;
  std::map<std::string, Node, std::less<>> roots_;     // by scope
  std::set<std::pair<uint64_t, Node*>> leaves_;        // least recently used first; no roots
  uint64_t clock_ = 0;
  int64_t nodes_ = 0;
};

}  // namespace weir::generate
