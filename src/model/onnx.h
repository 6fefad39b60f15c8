// The weights inside an ONNX file: a bounded reader of the few protobuf fields that name
// initialisers and tie matrices to biases. Nothing is executed. The file is mapped; tensors borrow
// from it. Exporters name a BERT's biases, norms and embeddings but call its matrices
// "onnx::MatMul_N" and store them transposed ([in, out]); the Add whose bias has a name says whose
// matrix it is (WeightOfBias). Format page: docs/formats/onnx.md. Errors: kDataLoss (bad, too big),
// kUnimplemented (data elsewhere, other types), kNotFound. Immutable, thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/files.h"
#include "tensor/dtype.h"

namespace weir::model {

struct OnnxTensor {
  std::string_view name;
  int32_t type = 0;  // TensorProto.DataType: 1 float, 10 float16, 16 bfloat16, ...
  std::vector<uint64_t> shape;
  std::span<const std::byte> data;  // any alignment

  // The element type of a float tensor whose data has the size its shape asks for.
  absl::StatusOr<tensor::DType> FloatType() const;
};

struct OnnxNode {
  std::string_view operation;  // "MatMul"
  std::vector<std::string_view> inputs, outputs;
};

class OnnxFile {
 public:
  static constexpr size_t kTensors = 1 << 16;
  static constexpr size_t kNodes = 1 << 17;
  static constexpr size_t kEnds = 1 << 19;  // inputs and outputs of all nodes
  static constexpr size_t kDimensions = 8;

  static absl::StatusOr<std::shared_ptr<const OnnxFile>> Open(const std::string& path);
  // Parses bytes that outlive the result (fuzzing, tests).
  static absl::StatusOr<std::shared_ptr<const OnnxFile>> Parse(std::span<const std::byte> bytes);

  const std::vector<OnnxTensor>& tensors() const { return tensors_; }
  const std::vector<OnnxNode>& nodes() const { return nodes_; }
  absl::StatusOr<const OnnxTensor*> Tensor(std::string_view name) const;
  // The initialiser W [in, out] of the MatMul(x, W) whose result is added to the tensor `bias`.
  absl::StatusOr<const OnnxTensor*> WeightOfBias(std::string_view bias) const;

 private:
  friend class OnnxParser;
  absl::Status Index();

  std::shared_ptr<const MappedFile> map_;
  std::vector<OnnxTensor> tensors_;
  std::vector<OnnxNode> nodes_;
  absl::flat_hash_map<std::string_view, size_t> tensor_index_;
  absl::flat_hash_map<std::string_view, std::string_view> matmul_weight_;  // result -> weight
  absl::flat_hash_map<std::string_view, std::string_view> bias_product_;   // bias -> result
};

}  // namespace weir::model
