#include "model/tokenizer/spm_bpe.h"

#include <algorithm>
#include <queue>
#include <utility>

namespace weir::model {
namespace {

struct Candidate {
  float score;
  int32_t left;
  uint32_t bytes;  // of both sides; differs once a side has changed
  bool operator<(const Candidate& other) const {
    return score < other.score || (score == other.score && left > other.left);
  }
};

// By the lead byte alone, as SentencePiece does.
size_t LengthByLead(char c) {
  const uint8_t b = static_cast<uint8_t>(c);
  return b < 0xC0 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
}

}  // namespace

struct SpmBpe::Symbol {
  uint32_t begin, bytes;  // bytes 0: merged into its left neighbour
  int32_t previous, next;
};

SpmBpe::SpmBpe(const Vocabulary& vocabulary, std::vector<float> scores, int32_t unknown)
    : vocabulary_(vocabulary),
      scores_(std::move(scores)),
      byte_ids_(BytePieces(vocabulary)),
      unknown_(unknown) {
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    const size_t bytes = vocabulary.text(id).size();
    if (bytes <= kMaxMatchBytes) longest_ = std::max(longest_, bytes);
  }
}

void SpmBpe::EmitBytes(std::string_view bytes, std::vector<int32_t>& out) const {
  for (const char& c : bytes) {
    int32_t id = byte_ids_[static_cast<uint8_t>(c)];
    if (id < 0) id = vocabulary_.Find(std::string_view(&c, 1));
    if (id < 0) id = unknown_;
    if (id >= 0) out.push_back(id);
  }
}

void SpmBpe::Encode(std::string_view text, std::vector<int32_t>& out) const {
  if (text.empty()) return;
  std::vector<Symbol> symbols;
  symbols.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = std::min(LengthByLead(text[at]), text.size() - at);
    const int32_t index = static_cast<int32_t>(symbols.size());
    at += bytes;
    symbols.push_back({static_cast<uint32_t>(at - bytes), static_cast<uint32_t>(bytes), index - 1,
                       at == text.size() ? -1 : index + 1});
  }
  std::priority_queue<Candidate> queue;
  const auto consider = [&](int32_t left, int32_t right) {
    if (left < 0 || right < 0) return;
    const uint32_t bytes = symbols[left].bytes + symbols[right].bytes;
    if (bytes > longest_) return;
    const int32_t id = vocabulary_.Find(text.substr(symbols[left].begin, bytes));
    if (id >= 0) queue.push({scores_[id], left, bytes});
  };
  for (size_t i = 1; i < symbols.size(); ++i) consider(static_cast<int32_t>(i) - 1, i);
  while (!queue.empty()) {
    const Candidate c = queue.top();
    queue.pop();
    Symbol& left = symbols[c.left];
    if (left.bytes == 0 || left.next < 0) continue;
    Symbol& right = symbols[left.next];
    if (left.bytes + right.bytes != c.bytes) continue;
    left.bytes += right.bytes;
    right.bytes = 0;
    left.next = right.next;
    if (left.next >= 0) symbols[left.next].previous = c.left;
    consider(left.previous, c.left);
    consider(c.left, left.next);
  }
  for (int32_t i = 0; i >= 0; i = symbols[i].next) {
    const std::string_view piece = text.substr(symbols[i].begin, symbols[i].bytes);
    const int32_t id = vocabulary_.Find(piece);
    if (id >= 0) {
      out.push_back(id);
    } else {
      EmitBytes(piece, out);
    }
  }
}

}  // namespace weir::model
