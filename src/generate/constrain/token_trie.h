// All pieces of a vocabulary as a prefix tree laid out in preorder: a grammar's mask walks it once,
// and skips the whole subtree of a prefix that the grammar refuses. Immutable, thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace weir::generate {

class TokenTrie {
 public:
  struct Node {
    uint8_t byte;
    uint16_t depth;   // bytes from the root, 1 for a first byte
    uint32_t skip;    // the first node after this one's subtree
    uint32_t tokens;  // tokens that end here: token_ids_[tokens, next node's tokens)
  };

  // pieces[id] is the text of token id; empty ones (control tokens) and those above 65,535 bytes
  // are left out and never admitted. Costs a sort of the vocabulary, about 0.1 s for 150,000
  // tokens.
  explicit TokenTrie(std::span<const std::string> pieces);

  // The last node is a sentinel that ends the walk.
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const int32_t> TokensAt(size_t node) const {
    return std::span(token_ids_)
        .subspan(nodes_[node].tokens, nodes_[node + 1].tokens - nodes_[node].tokens);
  }
  size_t depth() const { return depth_; }

 private:
  std::vector<Node> nodes_;
  std::vector<int32_t> token_ids_;
  size_t depth_ = 0;
};

}  // namespace weir::generate
