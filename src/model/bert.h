// The BERT encoder stack over ragged batches: sequences lie one after another, without padding.
//   x = LayerNorm(word + type + position)
//   per layer: x = LayerNorm(x + Wo attention(Wq x, Wk x, Wv x)); x = LayerNorm(x + W2 gelu(W1 x))
// and the masked-language head, when asked for: logits = E LayerNorm(gelu(W x)) + b, with E the
// word embeddings.
// Weights are immutable; Run is thread-safe. A row of the result depends on its own sequence only,
// bit for bit, because the products and the attention below do (tensor/matmul.h).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/threads.h"
#include "model/encoder.h"
#include "model/weights.h"
#include "tensor/int8_matrix.h"
#include "tensor/matmul.h"

namespace weir::model {

struct BertShape {
  int hidden = 0, layers = 0, heads = 0, ffn = 0;
  int64_t vocabulary = 0, positions = 0;
  float epsilon = 1e-12f;  // of the norms; the value of BERT's own configuration
};

class Bert {
 public:
  static constexpr int kLayers = 512;
  static constexpr int64_t kWidth = 1 << 16;  // of hidden and ffn

  // heads and epsilon cannot be read from weights; `heads` must divide the hidden size. Layers
  // whose widths are not multiples of 16 stay f32. `head`: whether Terms will be called.
  static absl::StatusOr<std::unique_ptr<const Bert>> Load(const WeightFile& file, int heads,
                                                          float epsilon, Arithmetic arithmetic,
                                                          Threads* threads, bool head = false);
  const BertShape& shape() const { return shape_; }
  size_t bytes() const;

  // Working memory of one Run, grown as needed and reused.
  struct Workspace {
    std::vector<float> qkv, attended, projected, inner, logits;
    tensor::Int8Matrix::Workspace int8;
  };
  // ids: all sequences; sequence s is [offsets[s], offsets[s+1]). out: [ids, hidden] f32, last
  // layer. REQUIRES: 0 <= id < vocabulary, each sequence at most `positions` long. `first_parts`:
  // how many tokens of each sequence have type 0, those behind them have type 1; empty: all have 0.
  void Run(std::span<const int32_t> ids, std::span<const int64_t> offsets, float* out,
           Workspace& workspace, Threads* threads,
           std::span<const int64_t> first_parts = {}) const;
  // peaks: [sequences, vocabulary] the largest of 0 and the head's logits over a sequence's rows,
  // which are those of Run and are overwritten. All logits are never stored at once.
  void Terms(float* rows, std::span<const int64_t> offsets, float* peaks, Workspace& workspace,
             Threads* threads) const;

 private:
  // y = x W^T + bias, in one of two arithmetics.
  struct Dense {
    tensor::Matrix matrix;
    std::vector<float> bias;
    tensor::Int8Matrix int8;  // with the bias; in use if it has rows

    void Multiply(const float* x, size_t n, float* y, Workspace& w, Threads* threads) const;
    size_t bytes() const { return int8.rows() > 0 ? int8.bytes() : matrix.bytes(); }
  };
  struct Norm {
    std::vector<float> weight, bias;
  };
  struct Layer {
    Dense qkv;  // query, key and value, one after the other
    Dense output, up, down;
    Norm attention_norm, output_norm;
  };
  struct Head {
    Dense transform;
    Norm norm;
    Dense words;  // [vocabulary, hidden]
  };
  class Loader;

  void Embed(std::span<const int32_t> ids, std::span<const int64_t> offsets,
             std::span<const int64_t> first_parts, float* x) const;
  void RunLayer(const Layer& layer, std::span<const int64_t> offsets, float* x, Workspace& w,
                Threads* threads) const;

  BertShape shape_;
  WeightRows words_;
  std::vector<float> positions_;  // [positions, hidden]
  std::vector<float> types_;      // [2, hidden]; of a file with one type, that one twice
  Norm embedding_norm_;
  std::vector<Layer> layers_;
  Head head_;  // empty unless it was asked for
};

}  // namespace weir::model
