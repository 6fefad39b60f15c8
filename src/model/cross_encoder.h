// The cross-encoder of the reranking stage `cross` (retrieve/cross.h).
// Source: Nogueira and Cho, Passage Re-ranking with BERT, 2019, arXiv 1901.04085; the adapter: Hu
//   et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022
// A BERT that reads a query and a passage together, so that their words attend to each other:
//   tokens  [CLS] query [SEP] passage [SEP], token types 0 up to the first [SEP], 1 behind it
//   score = <head.mean, mean of the last layer's rows> + <head.cls, its first row>
// minilm-l6 with an adapter of rank 8 (model/adapter.h), which is compiled in: models/README.md
// says what it was trained on and how.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/bert.h"
#include "model/encoder.h"
#include "model/safetensors.h"
#include "model/tokenizer.h"
#include "text/ports.h"

namespace weir::model {

class CrossEncoder : public text::PairScorer {
 public:
  struct Head {
    std::vector<float> mean, first;  // [hidden] each
  };
  // `bert` is loaded with the adapter. REQUIRES: heads of its hidden size, 8 <= max_tokens <=
  // positions, ids of the tokenizer are rows of the embedding.
  CrossEncoder(EncoderSpec spec, std::unique_ptr<const Tokenizer> tokenizer,
               std::unique_ptr<const Bert> bert, Head head);

  std::string name() const override { return spec_.name; }
  std::string fingerprint() const override;
  // A query takes at most half of the window.
  absl::Status Score(std::string_view query, std::span<const std::string_view> passages,
                     std::span<float> scores, const Context& context) const override;

 private:
  EncoderSpec spec_;
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const Bert> bert_;
  Head head_;
};

inline constexpr std::string_view kCrossBase = "minilm-l6";  // the encoder that it changes
inline constexpr std::string_view kCrossName = "minilm-cross";

// `base`: the encoder's spec, whose weights must be those that the adapter was trained on
// (kFailedPrecondition otherwise, by SHA-256). Other errors: those of LoadEncoder, kDataLoss for an
// adapter that does not fit.
absl::StatusOr<std::unique_ptr<text::PairScorer>> LoadCrossEncoder(EncoderSpec base,
                                                                   const Context& context);

}  // namespace weir::model
