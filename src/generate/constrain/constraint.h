// A grammar over tokens: what a sampler may choose. The chosen token is checked alone first; only
// when it is refused is the whole vocabulary masked (one walk over its prefix tree), which for a
// grammar the model mostly follows by itself is rare.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "generate/constrain/matcher.h"
#include "generate/constrain/token_trie.h"
#include "model/tokenizer.h"

namespace weir::generate {

// The pieces of a tokenizer's vocabulary with their tree: made once a model, shared by its
// requests.
struct VocabularyPieces {
  explicit VocabularyPieces(const model::Tokenizer& tokenizer);
  std::vector<std::string> pieces;  // "" for control tokens
  std::vector<int32_t> end_ids;     // sorted
  TokenTrie trie;
};

class Constraint {
 public:
  // One of the two sources, or neither: then the result is null. Errors of their parsers.
  static absl::StatusOr<std::unique_ptr<Constraint>> Make(
      const std::string& gbnf, const std::string& json_schema,
      std::shared_ptr<const VocabularyPieces> vocabulary);

  // Tokens that end generation are allowed where the grammar may end.
  bool Allows(int32_t token);
  // Sets the logits of all tokens that are not allowed to -infinity; returns how many are left.
  size_t Mask(std::span<float> logits);
  // REQUIRES: Allows(token) and token is not an end token.
  void Accept(int32_t token);
  bool complete() const { return matcher_.MustEnd(); }
  const absl::Status& status() const { return matcher_.status(); }

 private:
  Constraint(std::shared_ptr<const Grammar> grammar,
             std::shared_ptr<const VocabularyPieces> vocabulary)
      : matcher_(std::move(grammar)), vocabulary_(std::move(vocabulary)) {}
  bool IsEnd(int32_t token) const;

  Matcher matcher_;
  std::shared_ptr<const VocabularyPieces> vocabulary_;
  std::vector<uint8_t> allowed_;
};

}  // namespace weir::generate
