// Named f32 weights from a safetensors or an ONNX file, in the layout of a linear layer: [out, in].
// Thread-safe; tensors keep their file alive.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::model {

struct FloatTensor {
  std::vector<uint64_t> shape;
  const float* data = nullptr;       // row-major; into `owned` or into `file`
  std::vector<float> owned;          // when converted, transposed or moved to an aligned place
  std::shared_ptr<const void> file;  // the mapping that `data` borrows from

  uint64_t size() const {
    uint64_t n = 1;
    for (uint64_t d : shape) n *= d;
    return n;
  }
};

class WeightFile {
 public:
  virtual ~WeightFile() = default;
  // By the file's first bytes. kDataLoss when it is neither format.
  static absl::StatusOr<std::unique_ptr<WeightFile>> Open(const std::string& path);

  virtual bool Has(std::string_view name) const = 0;
  virtual absl::StatusOr<FloatTensor> Tensor(std::string_view name) const = 0;
  // The matrix [out, in] of the layer whose bias is `layer`.bias.
  virtual absl::StatusOr<FloatTensor> Dense(std::string_view layer) const = 0;
};

}  // namespace weir::model
