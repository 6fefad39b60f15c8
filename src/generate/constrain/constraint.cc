#include "generate/constrain/constraint.h"

#include <algorithm>
#include <limits>

#include "base/status.h"
#include "generate/constrain/json_schema.h"

namespace weir::generate {
namespace {

std::vector<std::string> PiecesOf(const model::Tokenizer& tokenizer) {
  std::vector<std::string> pieces(tokenizer.vocabulary_size());
  for (size_t id = 0; id < pieces.size(); ++id)
    pieces[id] = tokenizer.Piece(static_cast<int32_t>(id));
  for (int32_t id : tokenizer.end_ids()) {
    if (id >= 0 && static_cast<size_t>(id) < pieces.size()) pieces[id].clear();
  }
  return pieces;
}

}  // namespace

VocabularyPieces::VocabularyPieces(const model::Tokenizer& tokenizer)
    : pieces(PiecesOf(tokenizer)),
      end_ids(tokenizer.end_ids().begin(), tokenizer.end_ids().end()),
      trie(pieces) {}

absl::StatusOr<std::unique_ptr<Constraint>> Constraint::Make(
    const std::string& gbnf, const std::string& json_schema,
    std::shared_ptr<const VocabularyPieces> vocabulary) {
  if (gbnf.empty() && json_schema.empty()) return nullptr;
  if (!gbnf.empty() && !json_schema.empty()) {
    return absl::InvalidArgumentError("both a grammar and a JSON schema; expected one of them");
  }
  std::string source = gbnf;
  if (gbnf.empty()) {
    WEIR_ASSIGN_OR_RETURN(source, JsonSchemaToGbnf(json_schema));
  }
  WEIR_ASSIGN_OR_RETURN(auto grammar, Grammar::ParseGbnf(source));
  return std::unique_ptr<Constraint>(new Constraint(std::move(grammar), std::move(vocabulary)));
}

bool Constraint::IsEnd(int32_t token) const {
  return std::binary_search(vocabulary_->end_ids.begin(), vocabulary_->end_ids.end(), token);
}

bool Constraint::Allows(int32_t token) {
  if (IsEnd(token)) return matcher_.CanEnd();
  if (token < 0 || static_cast<size_t>(token) >= vocabulary_->pieces.size()) return false;
  const std::string& piece = vocabulary_->pieces[token];
  return !piece.empty() && matcher_.Admits(piece);
}

size_t Constraint::Mask(std::span<float> logits) {
  allowed_.resize(std::max(vocabulary_->pieces.size(), logits.size()));
  matcher_.AdmitAll(vocabulary_->trie, allowed_);
  if (matcher_.CanEnd()) {
    for (int32_t id : vocabulary_->end_ids) {
      if (id >= 0 && static_cast<size_t>(id) < allowed_.size()) allowed_[id] = 1;
    }
  }
  size_t left = 0;
  for (size_t id = 0; id < logits.size(); ++id) {
    if (allowed_[id]) {
      ++left;
    } else {
      logits[id] = -std::numeric_limits<float>::infinity();
    }
  }
  return left;
}

void Constraint::Accept(int32_t token) { matcher_.Accept(vocabulary_->pieces[token]); }

}  // namespace weir::generate
