#include "generate/constrain/token_trie.h"

#include <algorithm>
#include <string_view>

namespace weir::generate {

TokenTrie::TokenTrie(std::span<const std::string> pieces) {
  std::vector<int32_t> order;
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (!pieces[id].empty() && pieces[id].size() <= UINT16_MAX)
      order.push_back(static_cast<int32_t>(id));
  }
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    const int c = pieces[a].compare(pieces[b]);
    return c != 0 ? c < 0 : a < b;
  });
  std::vector<uint32_t> open;  // the nodes on the path to the last piece
  std::string_view last;
  for (int32_t id : order) {
    const std::string_view piece = pieces[id];
    const size_t shared =
        std::mismatch(last.begin(), last.end(), piece.begin(), piece.end()).first - last.begin();
    while (open.size() > shared) {
      nodes_[open.back()].skip = static_cast<uint32_t>(nodes_.size());
      open.pop_back();
    }
    for (size_t i = shared; i < piece.size(); ++i) {
      open.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({static_cast<uint8_t>(piece[i]), static_cast<uint16_t>(i + 1), 0,
                        static_cast<uint32_t>(token_ids_.size())});
    }
    token_ids_.push_back(id);
    depth_ = std::max(depth_, piece.size());
    last = piece;
  }
  for (uint32_t node : open) nodes_[node].skip = static_cast<uint32_t>(nodes_.size());
  nodes_.push_back(
      {0, 0, static_cast<uint32_t>(nodes_.size()), static_cast<uint32_t>(token_ids_.size())});
}

}  // namespace weir::generate
