#include "model/word_pieces.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fmt/core.h"
#include "model/tokenizer/bert_words.h"
#include "text/unicode.h"

namespace weir::model {
namespace {

bool IsPunctuation(std::string_view piece) {
  for (size_t at = 0; at < piece.size();) {
    if (!IsBertPunctuation(text::NextCodePoint(piece, at))) return false;
  }
  return true;
}

// Places that BERT's vocabulary keeps free.
bool IsUnused(std::string_view name) { return name.starts_with("[unused") && name.ends_with(']'); }

}  // namespace

WordPieces::WordPieces(EncoderSpec spec, std::unique_ptr<const Tokenizer> tokenizer)
    : spec_(std::move(spec)),
      tokenizer_(std::move(tokenizer)),
      kinds_(static_cast<size_t>(std::max(0, tokenizer_->vocabulary_size())), Kind::kWord) {
  for (int32_t term = 0; term < vocabulary(); ++term) {
    const std::string name = Term(term);
    Kind& kind = kinds_[static_cast<size_t>(term)];
    if (tokenizer_->Piece(term).empty() || IsUnused(name)) {  // "": a control token
      kind = Kind::kSpecial;
    } else if (IsPunctuation(name)) {
      kind = Kind::kPunctuation;
    }
    if (!name.empty()) terms_.try_emplace(name, term);
  }
}

std::string WordPieces::fingerprint() const {
  return fmt::format("splade;weights={};max-tokens={};passage={}", spec_.sha256, spec_.max_tokens,
                     spec_.passage_prefix);
}

std::string WordPieces::Term(int32_t term) const {
  const std::string piece = tokenizer_->Piece(term, true);
  if (piece.starts_with(' ')) return piece.substr(1);  // the start of a word
  return piece.empty() || tokenizer_->Piece(term).empty() ? piece : absl::StrCat("##", piece);
}

std::vector<int32_t> WordPieces::Words(std::string_view text) const {
  std::vector<int32_t> terms;
  for (const int32_t id : tokenizer_->Encode(text, {})) {
    if (id < 0 || id >= vocabulary() || kinds_[static_cast<size_t>(id)] == Kind::kSpecial) {
      terms.push_back(-1);  // the unknown token
    } else if (kinds_[static_cast<size_t>(id)] == Kind::kWord) {
      terms.push_back(id);
    }
  }
  return terms;
}

std::vector<int32_t> WordPieces::TermsOf(std::string_view word) const {
  const auto named = terms_.find(word);
  if (named == terms_.end()) return Words(word);
  switch (kinds_[static_cast<size_t>(named->second)]) {
    case Kind::kWord: return {named->second};
    case Kind::kPunctuation: return {};
    case Kind::kSpecial: break;
  }
  return {-1};
}

}  // namespace weir::model
