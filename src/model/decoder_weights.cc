#include "model/decoder_weights.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "model/packed_file.h"

namespace weir::model {
namespace {

constexpr uint64_t kMaxVocabulary = 1 << 21;
// Gemma 3 27B, whose queries are divided by sqrt(hidden / heads), not by sqrt(head_dim).
constexpr int kWideHeadLayers = 62;

class WeightReader {
 public:
  // `packed` may be null: then matrices are packed into the arena.
  WeightReader(const GgufFile& file, const Context& context,
               std::shared_ptr<const PackedFile> packed, tensor::MatrixArena* arena,
               int64_t& bytes)
      : file_(file),
        context_(context),
        packed_(std::move(packed)),
        arena_(arena),
        bytes_(bytes) {}

  bool Has(std::string_view name) const { return file_.Tensor(name).ok(); }

  // The tensor, if its shape is the one expected (ggml order: columns first).
  absl::StatusOr<const GgufTensor*> Checked(std::string_view name,
                                            std::initializer_list<uint64_t> shape) {
    WEIR_ASSIGN_OR_RETURN(const GgufTensor* tensor, file_.Tensor(name));
    if (!std::equal(shape.begin(), shape.end(), tensor->shape.begin(), tensor->shape.end())) {
      return absl::DataLossError(absl::StrCat("tensor ", name, ": shape [",
                                              absl::StrJoin(tensor->shape, ", "), "]; expected [",
                                              absl::StrJoin(shape, ", "), "]"));
    }
    seen_.insert(tensor->name);
    return tensor;
  }

  absl::Status Matrix(std::string_view name, uint64_t rows, uint64_t columns, tensor::Matrix& out) {
    WEIR_RETURN_IF_ERROR(context_.CheckCancelled());
    WEIR_ASSIGN_OR_RETURN(const GgufTensor* tensor, Checked(name, {columns, rows}));
    absl::StatusOr<tensor::Matrix> packed =
        packed_ != nullptr ? PackedFile::Matrix(packed_, *tensor)
                           : tensor::Matrix::Pack(tensor->Matrix(), context_.threads, arena_);
    if (!packed.ok()) return Annotate(packed.status(), absl::StrCat("tensor ", name));
    out = *std::move(packed);
    WEIR_RETURN_IF_ERROR(file_.Release(*tensor));
    bytes_ += static_cast<int64_t>(out.bytes());
    return absl::OkStatus();
  }

  absl::Status Vector(std::string_view name, uint64_t size, std::vector<float>& out) {
    WEIR_ASSIGN_OR_RETURN(const GgufTensor* tensor, Checked(name, {size}));
    if (size % tensor::InfoOf(tensor->type).block_columns != 0) {
      return absl::DataLossError(absl::StrCat("tensor ", name, ": not whole blocks"));
    }
    out.resize(size);
    tensor::Dequantize(tensor->type, tensor->data.data(), out.data(), size);
    bytes_ += static_cast<int64_t>(4 * size);
    return absl::OkStatus();
  }

  absl::Status OptionalVector(std::string_view name, uint64_t size, std::vector<float>& out) {
    return Has(name) ? Vector(name, size, out) : absl::OkStatus();
  }

  // A tensor that nothing reads (an expert, an adapter) means another computation.
  absl::Status RequireAllRead() const {
    for (const GgufTensor& tensor : file_.tensors()) {
      if (seen_.contains(tensor.name)) continue;
      return absl::UnimplementedError(
          absl::StrCat("tensor ", tensor.name, ": not known to this architecture's decoder"));
    }
    return absl::OkStatus();
  }

 private:
  const GgufFile& file_;
  const Context& context_;
  std::shared_ptr<const PackedFile> packed_;
  tensor::MatrixArena* arena_;
  int64_t& bytes_;
  absl::flat_hash_set<std::string_view> seen_;
};

absl::Status LoadBiases(WeightReader& reader, const DecoderFamily& family, const std::string& p,
                        uint64_t q_rows, uint64_t kv_rows, DecoderLayer& layer) {
  if (family.needs_biases) {
    WEIR_RETURN_IF_ERROR(reader.Vector(p + "attn_q.bias", q_rows, layer.q_bias));
    WEIR_RETURN_IF_ERROR(reader.Vector(p + "attn_k.bias", kv_rows, layer.k_bias));
    return reader.Vector(p + "attn_v.bias", kv_rows, layer.v_bias);
  }
  WEIR_RETURN_IF_ERROR(reader.OptionalVector(p + "attn_q.bias", q_rows, layer.q_bias));
  WEIR_RETURN_IF_ERROR(reader.OptionalVector(p + "attn_k.bias", kv_rows, layer.k_bias));
  return reader.OptionalVector(p + "attn_v.bias", kv_rows, layer.v_bias);
}

absl::Status LoadInnerNorms(WeightReader& reader, const DecoderShape& s, const std::string& p,
                            DecoderLayer& layer) {
  WEIR_RETURN_IF_ERROR(reader.Vector(p + "attn_q_norm.weight", s.head_dim, layer.q_norm));
  WEIR_RETURN_IF_ERROR(reader.Vector(p + "attn_k_norm.weight", s.head_dim, layer.k_norm));
  WEIR_RETURN_IF_ERROR(
      reader.Vector(p + "post_attention_norm.weight", s.hidden, layer.post_attention_norm));
  WEIR_RETURN_IF_ERROR(reader.Vector(p + "post_ffw_norm.weight", s.hidden, layer.post_ffn_norm));
  // The KV port divides by sqrt(head_dim). The one Gemma 3 that is to be divided by another number
  // is known by its layers alone (llama.cpp does the same); the norm of its queries takes the rest.
  if (s.layers == kWideHeadLayers) {
    const float factor = std::sqrt(static_cast<float>(s.head_dim) * s.heads / s.hidden);
    for (float& w : layer.q_norm) w *= factor;
  }
  return absl::OkStatus();
}

absl::Status LoadLayer(WeightReader& reader, const DecoderWeights& w, int index,
                       DecoderLayer& layer) {
  const DecoderShape& s = w.shape;
  const std::string p = absl::StrCat("blk.", index, ".");
  const uint64_t q_rows = uint64_t(s.heads) * s.head_dim,
                 kv_rows = uint64_t(s.kv_heads) * s.head_dim;
  WEIR_RETURN_IF_ERROR(reader.Vector(p + "attn_norm.weight", s.hidden, layer.attention_norm));
  WEIR_RETURN_IF_ERROR(reader.Vector(p + "ffn_norm.weight", s.hidden, layer.ffn_norm));
  WEIR_RETURN_IF_ERROR(reader.Matrix(p + "attn_q.weight", q_rows, s.hidden, layer.q));
  WEIR_RETURN_IF_ERROR(reader.Matrix(p + "attn_k.weight", kv_rows, s.hidden, layer.k));
  WEIR_RETURN_IF_ERROR(reader.Matrix(p + "attn_v.weight", kv_rows, s.hidden, layer.v));
  WEIR_RETURN_IF_ERROR(reader.Matrix(p + "attn_output.weight", s.hidden, q_rows, layer.output));
  WEIR_RETURN_IF_ERROR(reader.Matrix(p + "ffn_gate.weight", s.ffn, s.hidden, layer.gate));
  WEIR_RETURN_IF_ERROR(reader.Matrix(p + "ffn_up.weight", s.ffn, s.hidden, layer.up));
  WEIR_RETURN_IF_ERROR(reader.Matrix(p + "ffn_down.weight", s.hidden, s.ffn, layer.down));
  WEIR_RETURN_IF_ERROR(LoadBiases(reader, *w.family, p, q_rows, kv_rows, layer));
  return w.family->inner_norms ? LoadInnerNorms(reader, s, p, layer) : absl::OkStatus();
}

// Frequency divisors: a tensor (Llama 3.1) and a linear scale; any other kind of scaling is
// refused. They are of the file's own base: layers with a window turn unscaled.
absl::Status LoadRotary(const GgufFile& file, WeightReader& reader, DecoderWeights& w) {
  const std::string prefix = absl::StrCat(w.shape.architecture, ".rope.scaling.");
  std::string_view kind = "none";
  if (file.Has(prefix + "type")) {
    WEIR_ASSIGN_OR_RETURN(kind, file.String(prefix + "type"));
  }
  double scale = 1;
  if (kind == "linear") {
    WEIR_ASSIGN_OR_RETURN(scale, file.Number(prefix + "factor"));
    if (!(scale >= 1e-3 && scale <= 1e3))
      return absl::DataLossError(absl::StrCat(prefix, "factor: ", scale));
  } else if (kind != "none") {
    return absl::UnimplementedError(
        absl::StrCat(prefix, "type: '", kind, "'; expected none or linear"));
  }
  const int half = w.shape.head_dim / 2;
  w.rotary_factors.resize(w.shape.rope_bases.size());
  std::vector<float>& factors = w.rotary_factors[0];
  // With a window it would be unclear which bases it divides: refused as a tensor not known.
  if (w.shape.rope_bases.size() == 1 && reader.Has("rope_freqs.weight")) {
    WEIR_RETURN_IF_ERROR(reader.Vector("rope_freqs.weight", half, factors));
    for (float f : factors) {
      if (!(std::isfinite(f) && f > 0))
        return absl::DataLossError("tensor rope_freqs.weight: a factor that is not positive");
    }
  }
  if (scale != 1) {
    factors.resize(half, 1.0f);
    for (float& f : factors) f *= static_cast<float>(scale);
  }
  return absl::OkStatus();
}

// Pairs of channels that turn by less than this over kCenterTokens are taken as standing still.
constexpr double kCenterAngle = 1.0;  // radians
constexpr double kCenterTokens = 4096;

void CenterKeys(DecoderWeights& w, int index) {
  DecoderLayer& layer = w.layers[index];
  if (layer.k_bias.empty() || !layer.k_norm.empty()) return;
  const int dim = w.shape.head_dim, half = dim / 2;
  const int rotary = w.shape.per_layer[index].rotary;
  const std::vector<float>& factors = w.rotary_factors[rotary];
  layer.key_center.assign(layer.k_bias.size(), 0.0f);
  for (int i = 0; i < half; ++i) {
    double frequency =
        std::pow(static_cast<double>(w.shape.rope_bases[rotary]), -2.0 * i / dim);
    if (!factors.empty()) frequency /= factors[i];
    if (frequency * kCenterTokens > kCenterAngle) continue;
    const bool halves = w.family->rotary_halves;
    const int first = halves ? i : 2 * i, second = halves ? i + half : 2 * i + 1;
    for (int h = 0; h < w.shape.kv_heads; ++h) {
      layer.key_center[h * dim + first] = layer.k_bias[h * dim + first];
      layer.key_center[h * dim + second] = layer.k_bias[h * dim + second];
    }
  }
}

absl::Status LoadEmbedding(const GgufFile& file, WeightReader& reader, DecoderWeights& w) {
  WEIR_ASSIGN_OR_RETURN(const GgufTensor* any, file.Tensor("token_embd.weight"));
  if (any->shape.size() != 2 || any->shape[1] == 0 || any->shape[1] > kMaxVocabulary) {
    return absl::DataLossError("tensor token_embd.weight: expected [embedding_length, vocabulary]");
  }
  const uint64_t vocabulary = any->shape[1], hidden = w.shape.hidden;
  if (file.Has("tokenizer.ggml.tokens")) {
    WEIR_ASSIGN_OR_RETURN(const auto tokens, file.Strings("tokenizer.ggml.tokens"));
    if (tokens.size() != vocabulary) {
      return absl::DataLossError(absl::StrCat("tensor token_embd.weight: ", vocabulary,
                                              " rows; the tokenizer has ", tokens.size(),
                                              " tokens"));
    }
  }
  w.shape.vocabulary = static_cast<int>(vocabulary);
  WEIR_ASSIGN_OR_RETURN(const GgufTensor* embedding,
                        reader.Checked("token_embd.weight", {hidden, vocabulary}));
  if (hidden % tensor::InfoOf(embedding->type).block_columns != 0) {
    return absl::DataLossError("tensor token_embd.weight: rows are not whole blocks");
  }
  w.embedding = embedding->Matrix();
  const char* head = reader.Has("output.weight") ? "output.weight" : "token_embd.weight";
  WEIR_RETURN_IF_ERROR(reader.Vector("output_norm.weight", hidden, w.output_norm));
  return reader.Matrix(head, vocabulary, hidden, w.head);
}

// What lies packed beside the file, or null: then the weights are packed now, which is as good and
// only takes longer. So a damaged or outdated file is no error here.
std::shared_ptr<const PackedFile> FindPacked(const GgufFile& file, const Context& context) {
  if (file.path().empty()) return nullptr;
  absl::StatusOr<std::shared_ptr<const PackedFile>> packed =
      PackedFile::Open(PackedPathOf(file.path()), file, context);
  return packed.ok() ? *std::move(packed) : nullptr;
}

size_t PackedBytes(const GgufFile& file) {
  size_t bytes = 0;
  for (const GgufTensor* tensor : PackableMatrices(file)) {
    bytes += tensor::Matrix::PackedBytes(tensor->Matrix());
  }
  return bytes;
}

}  // namespace

absl::StatusOr<DecoderWeights> LoadDecoderWeights(std::shared_ptr<const GgufFile> file,
                                                  const Context& context) {
  DecoderWeights w;
  WEIR_ASSIGN_OR_RETURN(w.shape, ReadDecoderShape(*file));
  w.family = FindDecoderFamily(w.shape.architecture);
  // Cheaper than finding out after packing half of the layers.
  if (!file->Tensor(absl::StrCat("blk.", w.shape.layers - 1, ".ffn_down.weight")).ok()) {
    return absl::DataLossError(
        absl::StrCat("block_count: ", w.shape.layers, ", but the last layer is not there"));
  }
  std::shared_ptr<const PackedFile> packed = FindPacked(*file, context);
  WEIR_ASSIGN_OR_RETURN(tensor::MatrixArena arena,
                        tensor::MatrixArena::Make(packed == nullptr ? PackedBytes(*file) : 0));
  WeightReader reader(*file, context, std::move(packed), &arena, w.bytes);
  WEIR_RETURN_IF_ERROR(LoadEmbedding(*file, reader, w));
  WEIR_RETURN_IF_ERROR(LoadRotary(*file, reader, w));
  w.layers.resize(w.shape.layers);
  for (int i = 0; i < w.shape.layers; ++i) {
    WEIR_RETURN_IF_ERROR(LoadLayer(reader, w, i, w.layers[i]));
    CenterKeys(w, i);
  }
  WEIR_RETURN_IF_ERROR(reader.RequireAllRead());
  w.file = std::move(file);
  return w;
}

}  // namespace weir::model
