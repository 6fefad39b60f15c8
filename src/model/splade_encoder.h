// Texts to weighted terms with a BERT and its masked-language head (SPLADE: Formal et al., SIGIR
// 2021; max pooling of v2). The weight of term v in a text is
//   w_v = max over tokens of log(1 + relu(logit_v)),
// tokens being all of the sequence, [CLS] and [SEP] with them, as the models are trained.
// LoadSparseEncoder makes one from files; tests make one from parts.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/bert.h"
#include "model/encoder.h"
#include "model/word_pieces.h"

namespace weir::model {

class SpladeEncoder : public text::SparseEncoder {
 public:
  // REQUIRES: 2 <= spec.max_tokens <= positions, ids of the tokenizer are rows of the embedding,
  // the BERT has its head.
  SpladeEncoder(EncoderSpec spec, std::unique_ptr<const WordPieces> pieces,
                std::unique_ptr<const Bert> bert);

  int32_t vocabulary() const override {
    return static_cast<int32_t>(bert_->shape().vocabulary);
  }
  std::string name() const override { return spec_.name; }
  std::string fingerprint() const override { return pieces_->fingerprint(); }
  std::string Term(int32_t term) const override { return pieces_->Term(term); }
  std::vector<int32_t> Words(std::string_view text) const override { return pieces_->Words(text); }
  std::vector<int32_t> TermsOf(std::string_view word) const override {
    return pieces_->TermsOf(word);
  }
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs as,
                      std::span<text::SparseVector> out, const Context& context) const override;
  // The same from ids, as the tokenizer gives them with special tokens.
  absl::Status EncodeIds(std::vector<std::vector<int32_t>> sequences,
                         std::span<text::SparseVector> out, const Context& context) const;

 private:
  EncoderSpec spec_;
  std::unique_ptr<const WordPieces> pieces_;
  std::unique_ptr<const Bert> bert_;
};

}  // namespace weir::model
