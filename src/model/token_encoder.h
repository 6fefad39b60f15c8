// Texts to the vectors of their tokens with a BERT (late interaction: Khattab and Zaharia, ColBERT,
// SIGIR 2020): the last hidden states, each made of unit length. Prefixes of the model card are not
// put before texts: they steer the one vector of a text, and would be tokens here.
// LoadTokenEncoder makes one from files; tests make one from parts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/bert.h"
#include "model/encoder.h"
#include "model/tokenizer.h"

namespace weir::model {

class BertTokenEncoder : public text::TokenEncoder {
 public:
  // REQUIRES: 2 <= spec.max_tokens <= positions, ids of the tokenizer are rows of the embedding.
  BertTokenEncoder(EncoderSpec spec, std::unique_ptr<const Tokenizer> tokenizer,
                   std::unique_ptr<const Bert> bert);

  int dimensions() const override { return bert_->shape().hidden; }
  std::string name() const override { return spec_.name; }
  std::string fingerprint() const override;
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs as,
                      std::span<text::TokenVectors> out, const Context& context) const override;

 private:
  // Of a token of the vocabulary, by its piece.
  enum class Kind : uint8_t { kWord, kPunctuation, kSpecial };

  EncoderSpec spec_;
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const Bert> bert_;
  std::vector<Kind> kinds_;
};

}  // namespace weir::model
