// The shape of a decoder from a file's metadata. Nothing here is trusted: each number has a limit,
// and keys that change the computation in a way this decoder does not know are refused, not
// ignored.
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "model/decoder_family.h"
#include "model/decoder_weights.h"

namespace weir::model {
namespace {

constexpr int kMaxLayers = 512;
constexpr int kMaxHidden = 1 << 16;
constexpr int kMaxHeads = 1024;
constexpr int kMaxHeadDim = 512;
constexpr int kMaxFfn = 1 << 19;
constexpr int64_t kMaxContext = 1 << 24;

class ShapeReader {
 public:
  ShapeReader(const GgufFile& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

  absl::StatusOr<int64_t> Whole(std::string_view key, int64_t limit) const {
    WEIR_ASSIGN_OR_RETURN(const uint64_t value, file_.Unsigned(absl::StrCat(prefix_, key)));
    if (value == 0 || value > static_cast<uint64_t>(limit)) {
      return absl::DataLossError(
          absl::StrCat(prefix_, key, ": ", value, "; expected 1 to ", limit));
    }
    return static_cast<int64_t>(value);
  }
  absl::StatusOr<int64_t> WholeOr(std::string_view key, int64_t limit, int64_t otherwise) const {
    if (!file_.Has(absl::StrCat(prefix_, key))) return otherwise;
    return Whole(key, limit);
  }
  absl::StatusOr<double> NumberOr(std::string_view key, double otherwise) const {
    if (!file_.Has(absl::StrCat(prefix_, key))) return otherwise;
    WEIR_ASSIGN_OR_RETURN(const double value, file_.Number(absl::StrCat(prefix_, key)));
    if (!std::isfinite(value))
      return absl::DataLossError(absl::StrCat(prefix_, key, ": not finite"));
    return value;
  }
  // A key, whole or fractional, that means another computation unless its value is 0.
  absl::Status RequireAbsentOrZero(std::string_view key) const {
    const std::string name = absl::StrCat(prefix_, key);
    if (!file_.Has(name)) return absl::OkStatus();
    absl::StatusOr<double> value = file_.Number(name);
    if (!value.ok()) {
      WEIR_ASSIGN_OR_RETURN(value, file_.Unsigned(name));
    }
    if (*value == 0) return absl::OkStatus();
    return absl::UnimplementedError(absl::StrCat(name, ": ", *value, " is not supported"));
  }

 private:
  const GgufFile& file_;
  std::string prefix_;
};

absl::Status ReadHeads(const GgufFile& file, const ShapeReader& reader, DecoderShape& shape) {
  WEIR_ASSIGN_OR_RETURN(shape.heads, reader.Whole("attention.head_count", kMaxHeads));
  WEIR_ASSIGN_OR_RETURN(shape.kv_heads,
                        reader.WholeOr("attention.head_count_kv", kMaxHeads, shape.heads));
  if (shape.heads % shape.kv_heads != 0) {
    return absl::DataLossError(absl::StrCat("attention.head_count: ", shape.heads,
                                            " is no multiple of head_count_kv ", shape.kv_heads));
  }
  if (shape.hidden % shape.heads != 0 &&
      !file.Has(absl::StrCat(shape.architecture, ".attention.key_length"))) {
    return absl::DataLossError(absl::StrCat("embedding_length: ", shape.hidden,
                                            " is no multiple of head_count ", shape.heads));
  }
  WEIR_ASSIGN_OR_RETURN(shape.head_dim, reader.WholeOr("attention.key_length", kMaxHeadDim,
                                                       shape.hidden / shape.heads));
  WEIR_ASSIGN_OR_RETURN(const int64_t value_dim,
                        reader.WholeOr("attention.value_length", kMaxHeadDim, shape.head_dim));
  WEIR_ASSIGN_OR_RETURN(const int64_t rotary,
                        reader.WholeOr("rope.dimension_count", kMaxHeadDim, shape.head_dim));
  if (shape.head_dim > kMaxHeadDim || shape.head_dim % 16 != 0 || value_dim != shape.head_dim ||
      rotary != shape.head_dim) {
    return absl::UnimplementedError(
        absl::StrCat("attention.key_length ", shape.head_dim, ", value_length ", value_dim,
                     ", rope.dimension_count ", rotary, "; expected the same multiple of 16 up to ",
                     kMaxHeadDim));
  }
  return absl::OkStatus();
}

absl::StatusOr<float> ReadBase(const ShapeReader& reader, std::string_view key, double otherwise) {
  WEIR_ASSIGN_OR_RETURN(const double base, reader.NumberOr(key, otherwise));
  if (base > 1 && base < 1e12) return static_cast<float>(base);
  return absl::DataLossError(absl::StrCat(key, ": ", base, " is out of range"));
}

// Which layers see a window only, and the bases they turn by. As llama.cpp reads a file: the last
// of every `sliding_window_pattern` layers sees all tokens, the others turn by freq_base_swa.
absl::Status ReadLayers(const ShapeReader& reader, const DecoderFamily& family,
                        DecoderShape& shape) {
  WEIR_ASSIGN_OR_RETURN(const float base, ReadBase(reader, "rope.freq_base", 10000));
  shape.rope_bases = {base};
  shape.per_layer.resize(shape.layers);
  if (family.full_attention_every == 0) {
    return reader.RequireAbsentOrZero("attention.sliding_window");
  }
  if (reader.RequireAbsentOrZero("attention.sliding_window").ok()) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(const int64_t window,
                        reader.Whole("attention.sliding_window", kMaxContext));
  WEIR_ASSIGN_OR_RETURN(const int64_t every,
                        reader.WholeOr("attention.sliding_window_pattern", kMaxLayers,
                                       family.full_attention_every));
  WEIR_ASSIGN_OR_RETURN(const float windowed_base,
                        ReadBase(reader, "rope.freq_base_swa", family.windowed_rope_base));
  shape.rope_bases.push_back(windowed_base);
  for (int i = 0; i < shape.layers; ++i) {
    if (i % every != every - 1) shape.per_layer[i] = {.window = window, .rotary = 1};
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DecoderShape> ReadDecoderShape(const GgufFile& file) {
  DecoderShape shape;
  WEIR_ASSIGN_OR_RETURN(const std::string_view architecture, file.String("general.architecture"));
  shape.architecture = std::string(architecture);
  const DecoderFamily* family = FindDecoderFamily(architecture);
  if (family == nullptr) {
    return absl::UnimplementedError(absl::StrCat("general.architecture: '", architecture,
                                                 "'; this build runs ", DecoderFamilyNames(),
                                                 " decoders"));
  }
  const ShapeReader reader(file, absl::StrCat(architecture, "."));
  for (const char* key : {"expert_count", "attn_logit_softcapping", "final_logit_softcapping"}) {
    WEIR_RETURN_IF_ERROR(reader.RequireAbsentOrZero(key));
  }
  WEIR_ASSIGN_OR_RETURN(shape.layers, reader.Whole("block_count", kMaxLayers));
  WEIR_ASSIGN_OR_RETURN(shape.hidden, reader.Whole("embedding_length", kMaxHidden));
  WEIR_ASSIGN_OR_RETURN(shape.ffn, reader.Whole("feed_forward_length", kMaxFfn));
  WEIR_RETURN_IF_ERROR(ReadHeads(file, reader, shape));
  WEIR_ASSIGN_OR_RETURN(shape.context, reader.Whole("context_length", kMaxContext));
  WEIR_RETURN_IF_ERROR(ReadLayers(reader, *family, shape));
  WEIR_ASSIGN_OR_RETURN(const double epsilon,
                        reader.NumberOr("attention.layer_norm_rms_epsilon", 1e-5));
  if (!(epsilon > 0 && epsilon < 1)) {
    return absl::DataLossError(
        absl::StrCat("attention.layer_norm_rms_epsilon: ", epsilon, " is out of range"));
  }
  shape.norm_epsilon = static_cast<float>(epsilon);
  return shape;
}

}  // namespace weir::model
