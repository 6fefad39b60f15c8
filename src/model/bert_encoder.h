// Texts to vectors with a BERT: tokenise, pack, run, pool. LoadEncoder makes one from files; tests
// make one from parts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/bert.h"
#include "model/encoder.h"
#include "model/tokenizer.h"

namespace weir::model {

class BertEncoder : public text::Encoder {
 public:
  // REQUIRES: 2 <= spec.max_tokens <= positions, ids of the tokenizer are rows of the embedding.
  BertEncoder(EncoderSpec spec, std::unique_ptr<const Tokenizer> tokenizer,
              std::unique_ptr<const Bert> bert);

  int dimensions() const override { return bert_->shape().hidden; }
  std::string name() const override { return spec_.name; }
  std::string fingerprint() const override;
  absl::Status Encode(std::span<const std::string_view> texts, text::EncodeAs as,
                      std::span<float> out, const Context& context) const override;
  // The same from ids, as the tokenizer gives them with special tokens. Sequences longer than the
  // window keep their first tokens and their last one ([SEP]).
  absl::Status EncodeIds(std::vector<std::vector<int32_t>> sequences, std::span<float> out,
                         const Context& context) const;

 private:
  void Pool(const float* rows, int64_t n, float* out) const;

  EncoderSpec spec_;
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const Bert> bert_;
};

}  // namespace weir::model
