// Low-rank changes to the weights of another file: LoRA (Hu et al., ICLR 2022, equation 3),
//   W'[out, in] = W + up[out, r] down[r, in],
// so that a small file turns a published encoder into one for another task. The sum is made once,
// when the weights are read; what runs afterwards is as fast as the base.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/safetensors.h"
#include "model/weights.h"

namespace weir::model {

// A BERT's weights with an adapter of these tensors (f32 or f16), all of which may be absent:
//   layer.N.NAME.down [r, in], layer.N.NAME.up [out, r]   for the matrix encoder.layer.N.NAME
//   types [2, hidden]                                     added to the token type embeddings
// Thread-safe. Borrows both. Errors of Dense and Tensor: those of the base, kDataLoss when the
// adapter's shapes do not fit it.
class AdaptedWeights : public WeightFile {
 public:
  static constexpr uint64_t kRank = 1024;  // at most

  AdaptedWeights(const WeightFile& base, const SafetensorsFile& adapter)
      : base_(base), adapter_(adapter) {}
  bool Has(std::string_view name) const override { return base_.Has(name); }
  absl::StatusOr<FloatTensor> Tensor(std::string_view name) const override;
  absl::StatusOr<FloatTensor> Dense(std::string_view layer) const override;
  std::vector<WeightInfo> Infos() const override { return base_.Infos(); }

 private:
  const WeightFile& base_;
  const SafetensorsFile& adapter_;
};

// A float tensor of a safetensors file as f32.
absl::StatusOr<std::vector<float>> ReadFloats(const SafeTensor& tensor);

}  // namespace weir::model
