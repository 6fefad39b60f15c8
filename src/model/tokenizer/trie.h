// All pieces that start at a byte of a text, shortest first. A static byte trie in one flat array
// (children of a node are contiguous and sorted); 12 bytes a node. Immutable, thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::model {

class Trie {
 public:
  Trie() = default;
  // Pieces that are empty or longer than kMaxMatchBytes are left out; of equal pieces the first
  // counts.
  explicit Trie(std::vector<std::pair<std::string_view, int32_t>> pieces);

  // Calls visit(length, id) for each piece that is a prefix of `text`.
  template <class Visit>
  void Prefixes(std::string_view text, const Visit& visit) const {
    if (nodes_.empty()) return;
    uint32_t node = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      node = Child(node, static_cast<uint8_t>(text[i]));
      if (node == 0) return;
      if (nodes_[node].id >= 0) visit(i + 1, nodes_[node].id);
    }
  }

  struct Match {
    size_t length = 0;
    int32_t id = -1;
  };
  Match Longest(std::string_view text) const {
    Match match;
    Prefixes(text, [&](size_t length, int32_t id) { match = {length, id}; });
    return match;
  }
  bool empty() const { return nodes_.size() <= 1; }

 private:
  struct Node {
    uint32_t first = 0;  // index of the first child
    uint16_t children = 0;
    uint8_t byte = 0;
    int32_t id = -1;
  };
  uint32_t Child(uint32_t node, uint8_t byte) const;

  std::vector<Node> nodes_;  // 0 is the root, so 0 also says "no child"
  std::vector<uint32_t> root_;  // by first byte
};

}  // namespace weir::model
