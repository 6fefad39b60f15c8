#include "model/tokenizer/added_tokens.h"

#include <utility>

#include "model/tokenizer/normal_forms.h"
#include "model/tokenizer/unicode_tables.h"
#include "text/unicode.h"

namespace weir::model {
namespace {

// The code point that ends before `at`; `at` moves to its start. REQUIRES: at > 0.
char32_t Before(std::string_view text, size_t& at) {
  do {
    --at;
  } while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80);
  size_t from = at;
  return text::NextCodePoint(text, from);
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::vector<std::pair<std::string_view, int32_t>> all, plain;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const AddedToken& token = tokens_[i];
    if (token.text.empty()) continue;
    starts_[static_cast<uint8_t>(token.text[0])] = true;
    all.emplace_back(token.text, static_cast<int32_t>(i));
    if (!token.special) plain.emplace_back(token.text, static_cast<int32_t>(i));
  }
  all_ = Trie(std::move(all));
  plain_ = Trie(std::move(plain));
}

bool AddedTokens::Adjust(const AddedToken& token, std::string_view text, size_t floor,
                         size_t& begin, size_t& end) const {
  if (token.single_word) {
    size_t at = begin;
    if (begin > 0 && IsWordCharacter(Before(text, at))) return false;
    at = end;
    if (end < text.size() && IsWordCharacter(text::NextCodePoint(text, at))) return false;
  }
  while (token.lstrip && begin > floor) {
    size_t at = begin;
    if (!IsWhiteSpace(Before(text, at))) break;
    begin = at;
  }
  while (token.rstrip && end < text.size()) {
    size_t at = end;
    if (!IsWhiteSpace(text::NextCodePoint(text, at))) break;
    end = at;
  }
  return true;
}

void AddedTokens::Cut(std::string_view text, bool parse_special, std::vector<Fragment>& out) const {
  const Trie& trie = parse_special ? all_ : plain_;
  size_t done = 0;  // everything before is in `out`
  const auto stretch = [&](size_t end) {
    if (end > done) out.push_back({text.substr(done, end - done), -1});
  };
  if (!trie.empty()) {
    for (size_t at = 0; at < text.size();) {
      Trie::Match match;
      if (starts_[static_cast<uint8_t>(text[at])]) match = trie.Longest(text.substr(at));
      if (match.id < 0) {
        ++at;
        continue;
      }
      size_t begin = at, end = at + match.length;
      at = end;
      if (begin < done) continue;  // inside the white space that the token before took
      if (!Adjust(tokens_[match.id], text, done, begin, end)) continue;
      stretch(begin);
      out.push_back({{}, tokens_[match.id].id});
      done = end;
      at = end;
    }
  }
  stretch(text.size());
}

}  // namespace weir::model
