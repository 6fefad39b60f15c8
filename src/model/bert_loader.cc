#include <utility>

#include "base/status.h"
#include "fmt/core.h"
#include "model/bert.h"

namespace weir::model {

// Checks every shape against the sizes that the embeddings set, so Run needs no check.
class Bert::Loader {
 public:
  Loader(const WeightFile& file, Arithmetic arithmetic, Threads* threads)
      : file_(file), arithmetic_(arithmetic), threads_(threads) {
    if (!file.Has("embeddings.word_embeddings.weight")) prefix_ = "bert.";
  }

  absl::Status Load(Bert& bert, int heads, float epsilon) {
    WEIR_RETURN_IF_ERROR(Embeddings(bert));
    BertShape& shape = bert.shape_;
    if (heads < 1 || shape.hidden % heads != 0) {
      return absl::InvalidArgumentError(
          fmt::format("heads: {}; expected a divisor of the hidden size {}", heads, shape.hidden));
    }
    shape.heads = heads;
    shape.epsilon = epsilon;
    WEIR_ASSIGN_OR_RETURN(std::vector<float> inner,
                          Vector(prefix_ + "encoder.layer.0.intermediate.dense.bias", 0));
    shape.ffn = static_cast<int>(inner.size());
    for (int i = 0; file_.Has(LayerName(i) + "attention.self.query.bias"); ++i) {
      if (i == kLayers) {
        return absl::DataLossError(fmt::format("BERT: more than {} layers", kLayers));
      }
      WEIR_RETURN_IF_ERROR(OneLayer(LayerName(i), shape, bert.layers_.emplace_back()));
    }
    shape.layers = static_cast<int>(bert.layers_.size());
    return absl::OkStatus();
  }

  absl::Status LoadHead(Bert& bert) {
    const int hidden = bert.shape_.hidden;
    const std::string base = "cls.predictions.";
    Head& head = bert.head_;
    WEIR_RETURN_IF_ERROR(Dense({base + "transform.dense"}, hidden, hidden, head.transform));
    WEIR_RETURN_IF_ERROR(Norm(base + "transform.LayerNorm", hidden, head.norm));
    WEIR_ASSIGN_OR_RETURN(const FloatTensor words,  // the decoder is tied to them
                          file_.Tensor(prefix_ + "embeddings.word_embeddings.weight"));
    WEIR_ASSIGN_OR_RETURN(head.words.bias, Vector(base + "bias", bert.shape_.vocabulary));
    return Pack(std::span(words.data, words.size()), hidden, head.words);
  }

 private:
  std::string LayerName(int i) const { return fmt::format("{}encoder.layer.{}.", prefix_, i); }

  static absl::Status WrongShape(const std::string& name, const std::vector<uint64_t>& given) {
    std::string shape;
    for (uint64_t d : given) shape += fmt::format(" {}", d);
    return absl::DataLossError(fmt::format("BERT: {}: unexpected shape{}", name, shape));
  }

  // A vector of n floats; n = 0 takes any length up to kWidth.
  absl::StatusOr<std::vector<float>> Vector(const std::string& name, int64_t n) {
    WEIR_ASSIGN_OR_RETURN(FloatTensor t, file_.Tensor(name));
    const bool fits = t.shape.size() == 1 && t.shape[0] >= 1 &&
                      (n == 0 ? t.shape[0] <= kWidth : t.shape[0] == n);
    if (!fits) return WrongShape(name, t.shape);
    return std::vector<float>(t.data, t.data + t.size());
  }

  absl::Status Embeddings(Bert& bert) {
    const std::string base = prefix_ + "embeddings.";
    WEIR_ASSIGN_OR_RETURN(bert.words_, file_.Rows(base + "word_embeddings.weight"));
    const std::vector<uint64_t>& words = bert.words_.shape();
    if (words[0] < 1 || words[0] > (1 << 24) || words[1] < 1 || words[1] > kWidth) {
      return WrongShape("word_embeddings", words);
    }
    bert.shape_.vocabulary = static_cast<int64_t>(words[0]);
    bert.shape_.hidden = static_cast<int>(words[1]);
    WEIR_ASSIGN_OR_RETURN(FloatTensor positions, file_.Tensor(base + "position_embeddings.weight"));
    if (positions.shape.size() != 2 || positions.shape[0] < 1 ||
        positions.shape[1] != words[1]) {
      return WrongShape("position_embeddings", positions.shape);
    }
    bert.shape_.positions = static_cast<int64_t>(positions.shape[0]);
    bert.positions_.assign(positions.data, positions.data + positions.size());
    WEIR_ASSIGN_OR_RETURN(FloatTensor types, file_.Tensor(base + "token_type_embeddings.weight"));
    if (types.shape.size() != 2 || types.shape[0] < 1 || types.shape[1] != words[1]) {
      return WrongShape("token_type_embeddings", types.shape);
    }
    const float* second = types.data + (types.shape[0] > 1 ? bert.shape_.hidden : 0);
    bert.types_.assign(types.data, types.data + bert.shape_.hidden);
    bert.types_.insert(bert.types_.end(), second, second + bert.shape_.hidden);
    return Norm(base + "LayerNorm", bert.shape_.hidden, bert.embedding_norm_);
  }

  absl::Status Norm(const std::string& name, int hidden, Bert::Norm& norm) {
    const bool old = file_.Has(name + ".gamma");  // as the first BERT files name them
    WEIR_ASSIGN_OR_RETURN(norm.weight, Vector(name + (old ? ".gamma" : ".weight"), hidden));
    WEIR_ASSIGN_OR_RETURN(norm.bias, Vector(name + (old ? ".beta" : ".bias"), hidden));
    return absl::OkStatus();
  }

  // The matrices of `names`, each [out, in], one after the other.
  absl::Status Dense(const std::vector<std::string>& names, int out, int in, Bert::Dense& dense) {
    std::vector<float> weights;
    for (const std::string& name : names) {
      WEIR_ASSIGN_OR_RETURN(const FloatTensor w, file_.Dense(name));
      if (w.shape.size() != 2 || w.shape[0] != out || w.shape[1] != in)
        return WrongShape(name, w.shape);
      weights.insert(weights.end(), w.data, w.data + w.size());
      WEIR_ASSIGN_OR_RETURN(const std::vector<float> bias, Vector(name + ".bias", out));
      dense.bias.insert(dense.bias.end(), bias.begin(), bias.end());
    }
    return Pack(weights, in, dense);
  }

  // REQUIRES: the bias is there.
  absl::Status Pack(std::span<const float> weights, int in, Bert::Dense& dense) {
    if (arithmetic_ == Arithmetic::kInt8 && in % 16 == 0) {
      WEIR_ASSIGN_OR_RETURN(dense.int8, tensor::Int8Matrix::Pack(weights, dense.bias, in));
      return absl::OkStatus();
    }
    const tensor::MatrixView view{tensor::DType::kF32,
                                  reinterpret_cast<const std::byte*>(weights.data()),
                                  dense.bias.size(), static_cast<size_t>(in)};
    WEIR_ASSIGN_OR_RETURN(dense.matrix, tensor::Matrix::Pack(view, threads_));
    return absl::OkStatus();
  }

  absl::Status OneLayer(const std::string& name, const BertShape& s, Layer& layer) {
    const std::string self = name + "attention.self.";
    WEIR_RETURN_IF_ERROR(
        Dense({self + "query", self + "key", self + "value"}, s.hidden, s.hidden, layer.qkv));
    WEIR_RETURN_IF_ERROR(
        Dense({name + "attention.output.dense"}, s.hidden, s.hidden, layer.output));
    WEIR_RETURN_IF_ERROR(Norm(name + "attention.output.LayerNorm", s.hidden, layer.attention_norm));
    WEIR_RETURN_IF_ERROR(Dense({name + "intermediate.dense"}, s.ffn, s.hidden, layer.up));
    WEIR_RETURN_IF_ERROR(Dense({name + "output.dense"}, s.hidden, s.ffn, layer.down));
    return Norm(name + "output.LayerNorm", s.hidden, layer.output_norm);
  }

  const WeightFile& file_;
  const Arithmetic arithmetic_;
  Threads* threads_;
  std::string prefix_;
};

absl::StatusOr<std::unique_ptr<const Bert>> Bert::Load(const WeightFile& file, int heads,
                                                       float epsilon, Arithmetic arithmetic,
                                                       Threads* threads, bool head) {
  auto bert = std::make_unique<Bert>();
  Loader loader(file, arithmetic, threads);
  WEIR_RETURN_IF_ERROR(loader.Load(*bert, heads, epsilon));
  if (head) WEIR_RETURN_IF_ERROR(loader.LoadHead(*bert));
  return bert;
}

size_t Bert::bytes() const {
  size_t total = words_.bytes();
  total += head_.transform.bytes() + head_.words.bytes();
  for (const Layer& l : layers_) {
    for (const Dense* d : {&l.qkv, &l.output, &l.up, &l.down}) total += d->bytes();
  }
  return total;
}

}  // namespace weir::model
