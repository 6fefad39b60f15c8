// The prompts whose keys and values are kept: a radix tree over token ids, a node a block of 32
// tokens, which owns one reference to that block of every layer. A new prompt begins with the
// blocks of the longest stored prefix; nothing is copied. When the placement runs short, the leaves
// used least recently go first, and never a block that a sequence holds.
//
// Where the format has a compact form, a node keeps the forms that the sequence still had. Open
// ones are kept for the newest blocks, and for the last blocks of each prompt, where the same
// prompt or a longer one goes on. A prompt that leaves a stored one elsewhere, where the blocks
// that its next token reads open are compact alone, takes what it can up to an earlier such place.
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
  // `open_blocks`: how many blocks before its own a token reads open; 0: the format has no compact
  // form. `sink_blocks`: how many of the first.
  PrefixCache(KvPlacement* placement, int layers, int64_t open_blocks = 0,
              int64_t sink_blocks = 0);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // Tokens that Adopt gives an empty sequence, a multiple of 32: the longest stored prefix, with
  // compact forms the longest that can be gone on from.
  int64_t Match(std::string_view scope, std::span<const int32_t> tokens) const;
  // Appends stored blocks of `tokens` to a sequence that holds their first length(), a multiple of
  // 32. Returns the new length.
  int64_t Adopt(std::string_view scope, std::span<const int32_t> tokens, PagedSequence& sequence);
  // Keeps the full blocks of a sequence that holds `tokens`, of which the first `prompt_tokens` are
  // a prompt that may be asked again; 0: all of them.
  void Insert(std::string_view scope, std::span<const int32_t> tokens,
              const PagedSequence& sequence, int64_t prompt_tokens = 0);
  // Releases blocks that nobody else holds, at least `blocks` of the placement's if there are as
  // many.
  void Evict(int64_t blocks);
  void Clear();

  int64_t tokens() const { return nodes_ * kBlockTokens; }
  // Blocks of the placement, over all layers, that Evict could release.
  struct Blocks {
    int64_t open = 0, compact = 0;
  };
  Blocks evictable_blocks() const;

 private:
  using Key = std::array<int32_t, kBlockTokens>;
  struct Node {
    Node* parent = nullptr;
    Key key = {};                // in the parent's children
    // [layers] each; empty where the form is not kept, both in a root. Who is compact has compact
    // ancestors.
    std::vector<BlockId> open, compact;
    bool resumed = false;  // the open form stays: a sink, or a prompt ends soon after
    std::map<Key, std::unique_ptr<Node>> children;
    uint64_t used = 0;
  };

  static Key KeyAt(std::span<const int32_t> tokens, size_t block);
  Node* Child(Node& node, std::span<const int32_t> tokens, size_t block) const;
  // The nodes that a sequence which has the first `held` blocks open may begin with.
  std::vector<Node*> Usable(Node& root, std::span<const int32_t> tokens, size_t held) const;
  Node& AddChild(Node& parent, std::span<const int32_t> tokens, size_t block);
  // Takes the forms that the sequence has and the node lacks, and drops what is not needed.
  void Fill(Node& node, const PagedSequence& sequence, size_t block, size_t prompt_blocks);
  void Share(std::vector<BlockId>& into, const PagedSequence& sequence, size_t block,
             bool compact);
  void Release(std::vector<BlockId>& ids);
  void Touch(Node& node);
  void Remove(Node& leaf);
  bool Held(const Node& node) const;
  bool AddEvictable(const Node& node, Blocks& sum) const;

  KvPlacement* placement_;
  const int layers_;
  const int64_t open_blocks_, sink_blocks_;
  std::map<std::string, Node, std::less<>> roots_;     // by scope
  std::set<std::pair<uint64_t, Node*>> leaves_;        // least recently used first; no roots
  uint64_t clock_ = 0;
  int64_t nodes_ = 0;
};

}  // namespace weir::generate
