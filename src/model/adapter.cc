#include "model/adapter.h"

#include <utility>
#include <vector>

#include "base/status.h"
#include "fmt/core.h"

namespace weir::model {
namespace {

// "bert.encoder.layer.3.output.dense" -> "layer.3.output.dense"; "" for other names.
std::string_view LayerName(std::string_view name) {
  constexpr std::string_view kModel = "bert.", kStack = "encoder.";
  if (name.starts_with(kModel)) name.remove_prefix(kModel.size());
  if (!name.starts_with(kStack)) return {};
  return name.substr(kStack.size());
}

absl::Status WrongShape(std::string_view name) {
  return absl::DataLossError(fmt::format("adapter: {}: its shape does not fit the base", name));
}

FloatTensor Copy(const FloatTensor& base) {
  FloatTensor out{.shape = base.shape, .data = nullptr, .owned = {}, .file = nullptr};
  out.owned.assign(base.data, base.data + base.size());
  out.data = out.owned.data();
  return out;
}

}  // namespace

absl::StatusOr<std::vector<float>> ReadFloats(const SafeTensor& tensor) {
  WEIR_ASSIGN_OR_RETURN(const tensor::DType type, tensor.FloatType());
  std::vector<float> out(tensor.data.size() / tensor::InfoOf(type).block_bytes);
  // into an aligned place: a safetensors file promises none
  const std::vector<std::byte> bytes(tensor.data.begin(), tensor.data.end());
  tensor::Dequantize(type, bytes.data(), out.data(), out.size());
  return out;
}

absl::StatusOr<FloatTensor> AdaptedWeights::Tensor(std::string_view name) const {
  WEIR_ASSIGN_OR_RETURN(FloatTensor base, base_.Tensor(name));
  if (!name.ends_with("embeddings.token_type_embeddings.weight")) return base;
  const auto found = adapter_.Tensor("types");
  if (!found.ok()) return base;
  if ((*found)->shape != base.shape) return WrongShape("types");
  WEIR_ASSIGN_OR_RETURN(const std::vector<float> added, ReadFloats(**found));
  FloatTensor sum = Copy(base);
  for (size_t i = 0; i < added.size(); ++i) sum.owned[i] += added[i];
  return sum;
}

absl::StatusOr<FloatTensor> AdaptedWeights::Dense(std::string_view layer) const {
  WEIR_ASSIGN_OR_RETURN(FloatTensor base, base_.Dense(layer));
  const std::string_view name = LayerName(layer);
  const auto up = adapter_.Tensor(fmt::format("{}.up", name));
  const auto down = adapter_.Tensor(fmt::format("{}.down", name));
  if (name.empty() || (!up.ok() && !down.ok())) return base;
  if (!up.ok()) return up.status();
  if (!down.ok()) return down.status();
  const std::vector<uint64_t>&u = (*up)->shape, &d = (*down)->shape;
  if (base.shape.size() != 2 || u.size() != 2 || d.size() != 2 || u[0] != base.shape[0] ||
      d[1] != base.shape[1] || u[1] != d[0] || d[0] < 1 || d[0] > kRank) {
    return WrongShape(name);
  }
  WEIR_ASSIGN_OR_RETURN(const std::vector<float> ups, ReadFloats(**up));
  WEIR_ASSIGN_OR_RETURN(const std::vector<float> downs, ReadFloats(**down));
  FloatTensor sum = Copy(base);
  const size_t rows = u[0], in = d[1], rank = d[0];
  for (size_t o = 0; o < rows; ++o) {
    float* row = sum.owned.data() + o * in;
    for (size_t r = 0; r < rank; ++r) {
      const float weight = ups[o * rank + r];
      for (size_t i = 0; i < in; ++i) row[i] += weight * downs[r * in + i];
    }
  }
  return sum;
}

}  // namespace weir::model
