// The shape of a decoder from a file's metadata. Nothing here is trusted: each number has a limit,
// and keys that change the computation in a way this decoder does not know are refused, not
// ignored.
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
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
  // A key that means another computation unless it has this value.
  absl::Status RequireAbsentOrZero(std::string_view key) const {
    const std::string name = absl::StrCat(prefix_, key);
    if (!file_.Has(name)) return absl::OkStatus();
    WEIR_ASSIGN_OR_RETURN(const uint64_t value, file_.Unsigned(name));
    if (value == 0) return absl::OkStatus();
    return absl::UnimplementedError(absl::StrCat(name, ": ", value, " is not supported"));
  }

 private:
  const GgufFile& file_;
  std::string prefix_;
};

}  // namespace

absl::StatusOr<DecoderShape> ReadDecoderShape(const GgufFile& file) {
  DecoderShape shape;
  WEIR_ASSIGN_OR_RETURN(const std::string_view architecture, file.String("general.architecture"));
  shape.architecture = std::string(architecture);
  if (architecture != "llama" && architecture != "qwen2") {
    return absl::UnimplementedError(absl::StrCat("general.architecture: '", architecture,
                                                 "'; this build runs llama and qwen2 decoders"));
  }
  const ShapeReader reader(file, absl::StrCat(architecture, "."));
  for (const char* key : {"expert_count", "attention.sliding_window"}) {
    WEIR_RETURN_IF_ERROR(reader.RequireAbsentOrZero(key));
  }
  WEIR_ASSIGN_OR_RETURN(shape.layers, reader.Whole("block_count", kMaxLayers));
  WEIR_ASSIGN_OR_RETURN(shape.hidden, reader.Whole("embedding_length", kMaxHidden));
  WEIR_ASSIGN_OR_RETURN(shape.ffn, reader.Whole("feed_forward_length", kMaxFfn));
  WEIR_ASSIGN_OR_RETURN(shape.heads, reader.Whole("attention.head_count", kMaxHeads));
  WEIR_ASSIGN_OR_RETURN(shape.kv_heads,
                        reader.WholeOr("attention.head_count_kv", kMaxHeads, shape.heads));
  WEIR_ASSIGN_OR_RETURN(shape.context, reader.Whole("context_length", kMaxContext));
  if (shape.heads % shape.kv_heads != 0) {
    return absl::DataLossError(absl::StrCat("attention.head_count: ", shape.heads,
                                            " is no multiple of head_count_kv ", shape.kv_heads));
  }
  if (shape.hidden % shape.heads != 0 &&
      !file.Has(absl::StrCat(architecture, ".attention.key_length"))) {
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
  WEIR_ASSIGN_OR_RETURN(const double base, reader.NumberOr("rope.freq_base", 10000));
  WEIR_ASSIGN_OR_RETURN(const double epsilon,
                        reader.NumberOr("attention.layer_norm_rms_epsilon", 1e-5));
  if (!(base > 1 && base < 1e12) || !(epsilon > 0 && epsilon < 1)) {
    return absl::DataLossError(absl::StrCat("rope.freq_base ", base, ", layer_norm_rms_epsilon ",
                                            epsilon, ": out of range"));
  }
  shape.rope_base = static_cast<float>(base);
  shape.norm_epsilon = static_cast<float>(epsilon);
  return shape;
}

}  // namespace weir::model
