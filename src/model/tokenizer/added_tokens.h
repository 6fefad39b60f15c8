// Added and control tokens inside a text: the leftmost, then the longest. A text is cut into tokens
// and the stretches between them. Linear in the text (times the longest token, at most
// kMaxMatchBytes).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/tokenizer/trie.h"

namespace weir::model {

struct AddedToken {
  int32_t id = -1;
  std::string_view text;  // borrowed
  bool special = false;   // recognised only when the caller asks for special tokens
  bool lstrip = false, rstrip = false;  // takes the white space before, after it
  bool single_word = false;             // not beside a letter, digit, mark or '_'
};

struct Fragment {
  std::string_view text;  // between tokens, when id < 0
  int32_t id = -1;
};

class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  // Appends the fragments of `text` (valid UTF-8); stretches are not empty.
  void Cut(std::string_view text, bool parse_special, std::vector<Fragment>& out) const;
  bool empty() const { return tokens_.empty(); }

 private:
  // Where the token at [begin, end) is to be taken, moved by the strip flags; false: not here.
  bool Adjust(const AddedToken& token, std::string_view text, size_t floor, size_t& begin,
              size_t& end) const;

  std::vector<AddedToken> tokens_;
  Trie all_, plain_;  // plain_: without special tokens
  bool starts_[256] = {};
};

}  // namespace weir::model
