// Weights of a decoder, read from a GGUF file whose every shape is checked first.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "model/decoder.h"
#include "model/decoder_family.h"
#include "model/gguf.h"
#include "tensor/matmul.h"

namespace weir::model {

// Biases and the family's inner norms are empty where the file has none.
struct DecoderLayer {
  std::vector<float> attention_norm, ffn_norm;            // [hidden]
  std::vector<float> post_attention_norm, post_ffn_norm;  // [hidden]
  std::vector<float> q_norm, k_norm;                      // [head_dim]
  tensor::Matrix q, k, v;                       // [heads|kv_heads * head_dim, hidden]
  std::vector<float> q_bias, k_bias, v_bias;
  // [kv_heads * head_dim], subtracted from every key after RoPE, or empty: the part of the key bias
  // that hardly rotates. The same vector for all keys shifts all scores of a query alike, which
  // softmax does not notice; what is cached then has no large constant that would cost a quantised
  // format its precision (Qwen2.5 has biases of 350 beside keys of 1).
  std::vector<float> key_center;
  tensor::Matrix output;    // [hidden, heads * head_dim]
  tensor::Matrix gate, up;  // [ffn, hidden]
  tensor::Matrix down;      // [hidden, ffn]
};

struct DecoderWeights {
  DecoderShape shape;
  const DecoderFamily* family = nullptr;
  // For each of the shape's bases [head_dim / 2] divisors of the frequencies; empty: all 1.
  std::vector<std::vector<float>> rotary_factors;
  tensor::MatrixView embedding;  // [vocabulary, hidden], in the mapped file
  std::vector<DecoderLayer> layers;
  std::vector<float> output_norm;  // [hidden]
  tensor::Matrix head;             // [vocabulary, hidden]; packed from the embedding when tied
  int64_t bytes = 0;
  std::shared_ptr<const GgufFile> file;  // what the views borrow from
};

// Errors: kUnimplemented (architecture, rotary scaling or tensor this decoder does not know),
// kDataLoss (missing or contradicting metadata, wrong shapes, above a limit).
absl::StatusOr<DecoderShape> ReadDecoderShape(const GgufFile& file);
absl::StatusOr<DecoderWeights> LoadDecoderWeights(std::shared_ptr<const GgufFile> file,
                                                  const Context& context);

}  // namespace weir::model
