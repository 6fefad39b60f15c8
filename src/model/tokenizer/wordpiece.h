// WordPiece: the longest piece first, from the left; a word with a part that is no piece is
// unknown.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/trie.h"
#include "model/tokenizer/vocabulary.h"

namespace weir::model {

class WordPiece {
 public:
  struct Options {
    int32_t unknown = -1;          // -1: unknown words vanish
    std::string word_prefix;       // GGUF: "▁" before a word's first piece
    std::string continuing_prefix; // tokenizer.json: "##" before the others
    size_t longest_word = 0;       // code points; longer words are unknown; 0: no limit
  };
  WordPiece(const Vocabulary& vocabulary, Options options);

  // Appends the ids of one word. O(bytes * longest piece), at most kMaxMatchBytes.
  void Encode(std::string_view word, std::vector<int32_t>& out) const;

 private:
  Options options_;
  Trie first_, continuing_;
};

}  // namespace weir::model
