#include "model/tokenizer/trie.h"

#include <algorithm>

#include "model/tokenizer/vocabulary.h"

namespace weir::model {

Trie::Trie(std::vector<std::pair<std::string_view, int32_t>> pieces) : root_(256, 0) {
  std::erase_if(pieces, [](const auto& piece) {
    return piece.first.empty() || piece.first.size() > kMaxMatchBytes;
  });
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  // Breadth first, so that the children of a node lie side by side.
  struct Task {
    uint32_t node;
    size_t begin, end, depth;
  };
  nodes_.emplace_back();
  std::vector<Task> tasks = {{0, 0, pieces.size(), 0}}, next;
  while (!tasks.empty()) {
    next.clear();
    for (const Task& task : tasks) {
      size_t i = task.begin;
      while (i < task.end && pieces[i].first.size() == task.depth) {
        if (nodes_[task.node].id < 0) nodes_[task.node].id = pieces[i].second;
        ++i;
      }
      nodes_[task.node].first = static_cast<uint32_t>(nodes_.size());
      while (i < task.end) {
        const uint8_t byte = static_cast<uint8_t>(pieces[i].first[task.depth]);
        size_t end = i;
        while (end < task.end && static_cast<uint8_t>(pieces[end].first[task.depth]) == byte) ++end;
        next.push_back({static_cast<uint32_t>(nodes_.size()), i, end, task.depth + 1});
        nodes_.push_back({0, 0, byte, -1});
        ++nodes_[task.node].children;
        i = end;
      }
    }
    tasks.swap(next);
  }
  for (uint32_t i = 0; i < nodes_[0].children; ++i) {
    root_[nodes_[nodes_[0].first + i].byte] = nodes_[0].first + i;
  }
}

uint32_t Trie::Child(uint32_t node, uint8_t byte) const {
  if (node == 0) return root_[byte];
  const Node& parent = nodes_[node];
  const Node* begin = nodes_.data() + parent.first;
  const Node* end = begin + parent.children;
  const Node* found = std::lower_bound(
      begin, end, byte, [](const Node& child, uint8_t wanted) { return child.byte < wanted; });
  return found != end && found->byte == byte ? static_cast<uint32_t>(found - nodes_.data()) : 0;
}

}  // namespace weir::model
