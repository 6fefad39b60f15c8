// The vocabulary of a sparse encoder, from its tokenizer alone: enough for queries that are the bag
// of their word pieces, and for vectors that are given as words. LoadWordPieces makes one from
// files, without reading the weights unless their hash is unknown.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "model/encoder.h"
#include "model/tokenizer.h"
#include "text/ports.h"

namespace weir::model {

// Of a BERT. Terms are named as the model's files name them: "weir", "##ing".
class WordPieces : public text::TermVocabulary {
 public:
  // REQUIRES: spec.sha256 is set.
  WordPieces(EncoderSpec spec, std::unique_ptr<const Tokenizer> tokenizer);

  int32_t vocabulary() const override { return tokenizer_->vocabulary_size(); }
  std::string name() const override { return spec_.name; }
  std::string fingerprint() const override;
  std::string Term(int32_t term) const override;
  std::vector<int32_t> Words(std::string_view text) const override;
  std::vector<int32_t> TermsOf(std::string_view word) const override;

  const Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  // kSpecial: [CLS] and [unused7], which no text has and no one means.
  enum class Kind : uint8_t { kWord, kPunctuation, kSpecial };

  EncoderSpec spec_;
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::vector<Kind> kinds_;  // by term
  absl::flat_hash_map<std::string, int32_t> terms_;  // by name
};

}  // namespace weir::model
