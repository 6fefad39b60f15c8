#include "model/tokenizer/wordpiece.h"

#include <algorithm>
#include <utility>

namespace weir::model {

WordPiece::WordPiece(const Vocabulary& vocabulary, Options options) : options_(std::move(options)) {
  const std::string& prefix = options_.continuing_prefix;
  std::vector<std::pair<std::string_view, int32_t>> first, continuing;
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    const std::string_view text = vocabulary.text(id);
    first.emplace_back(text, id);
    if (text.starts_with(prefix)) continuing.emplace_back(text.substr(prefix.size()), id);
  }
  first_ = Trie(std::move(first));
  continuing_ = Trie(std::move(continuing));
}

void WordPiece::Encode(std::string_view word, std::vector<int32_t>& out) const {
  if (word.empty()) return;
  const size_t before = out.size();
  bool known = true;
  if (options_.longest_word > 0) {
    const auto starts = std::count_if(
        word.begin(), word.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; });
    known = static_cast<size_t>(starts) <= options_.longest_word;
  }
  std::string prefixed;
  if (!options_.word_prefix.empty()) {
    prefixed = options_.word_prefix;
    prefixed.append(word);
    word = prefixed;
  }
  for (size_t at = 0; known && at < word.size();) {
    const Trie::Match match = (at == 0 ? first_ : continuing_).Longest(word.substr(at));
    known = match.id >= 0;
    at += match.length;
    if (known) out.push_back(match.id);
  }
  if (known) return;
  out.resize(before);
  if (options_.unknown >= 0) out.push_back(options_.unknown);
}

}  // namespace weir::model
