// Texts to the vectors of their tokens with a BERT (late interaction: Khattab and Zaharia, ColBERT,
// SIGIR 2020): the last hidden states, each made of unit length; behind a head of fewer dimensions
// where there is one for the model (TokenHeadFor). Prefixes of the model card are not put before
// texts: they steer the one vector of a text, and would be tokens here.
// LoadTokenEncoder makes one from files; tests make one from parts.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/bert.h"
#include "model/encoder.h"
#include "model/tokenizer.h"
#include "tensor/matmul.h"

namespace weir::model {

// A linear layer behind the hidden states, as ColBERT has one: [dimensions, hidden] f32. Ours are
// principal axes of each model's tokens, so that few bytes hold what a token's vector says.
struct TokenHead {
  std::string fingerprint;  // "" for none
  size_t dimensions = 0;
  std::vector<float> weights;
};

// What is compiled in for weights of this SHA-256; one without weights for others. kDataLoss when
// the file is not what it should be.
absl::StatusOr<TokenHead> TokenHeadFor(std::string_view sha256, size_t hidden);

class BertTokenEncoder : public text::TokenEncoder {
 public:
  // REQUIRES: 2 <= spec.max_tokens <= positions, ids of the tokenizer are rows of the embedding, a
  // head of the model's hidden size.
  BertTokenEncoder(EncoderSpec spec, std::unique_ptr<const Tokenizer> tokenizer,
                   std::unique_ptr<const Bert> bert, TokenHead head = {});

  int dimensions() const override { return static_cast<int>(dimensions_); }
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
  TokenHead head_;
  tensor::Matrix matrix_;  // of the head
  size_t dimensions_;
};

}  // namespace weir::model
