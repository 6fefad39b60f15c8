#include "model/onnx.h"

#include <utility>

#include "base/status.h"
#include "fmt/core.h"
#include "model/protobuf.h"
#include "model/quoted.h"

namespace weir::model {

// Field numbers are those of onnx.proto: ModelProto.graph 7; GraphProto.node 1, initializer 5;
// NodeProto.input 1, output 2, op_type 4; TensorProto.dims 1, data_type 2, float_data 4, name 8,
// raw_data 9, data_location 14.
class OnnxParser {
 public:
  explicit OnnxParser(OnnxFile& file) : file_(file) {}

  absl::Status Model(std::span<const std::byte> bytes) {
    int graphs = 0;
    for (ProtobufReader reader(bytes); !reader.done();) {
      WEIR_ASSIGN_OR_RETURN(ProtobufField field, reader.Next());
      if (field.number != 7) continue;
      if (field.type != WireType::kBytes || ++graphs > 1) return Malformed("not one graph");
      WEIR_RETURN_IF_ERROR(Graph(field.bytes));
    }
    if (graphs == 0) return Malformed("no graph; expected an ONNX model");
    return file_.Index();
  }

 private:
  static absl::Status Malformed(std::string_view message) {
    return absl::DataLossError(fmt::format("ONNX: {}", message));
  }
  static absl::Status TooMany(std::string_view what, size_t limit) {
    return absl::DataLossError(fmt::format("ONNX: more than {} {}", limit, what));
  }

  absl::Status Graph(std::span<const std::byte> bytes) {
    for (ProtobufReader reader(bytes); !reader.done();) {
      WEIR_ASSIGN_OR_RETURN(ProtobufField field, reader.Next());
      if (field.number != 1 && field.number != 5) continue;
      if (field.type != WireType::kBytes) return Malformed("a node or tensor of a wrong wire type");
      WEIR_RETURN_IF_ERROR(field.number == 1 ? Node(field.bytes) : Initializer(field.bytes));
    }
    return absl::OkStatus();
  }

  absl::Status Node(std::span<const std::byte> bytes) {
    if (file_.nodes_.size() == OnnxFile::kNodes) return TooMany("nodes", OnnxFile::kNodes);
    OnnxNode node;
    for (ProtobufReader reader(bytes); !reader.done();) {
      WEIR_ASSIGN_OR_RETURN(ProtobufField field, reader.Next());
      if (field.number != 1 && field.number != 2 && field.number != 4) continue;
      if (field.type != WireType::kBytes) return Malformed("a node's name of a wrong wire type");
      if (field.number == 4) {
        node.operation = field.text();
        continue;
      }
      if (++ends_ > OnnxFile::kEnds) return TooMany("inputs and outputs", OnnxFile::kEnds);
      (field.number == 1 ? node.inputs : node.outputs).push_back(field.text());
    }
    file_.nodes_.push_back(std::move(node));
    return absl::OkStatus();
  }

  absl::Status Initializer(std::span<const std::byte> bytes) {
    if (file_.tensors_.size() == OnnxFile::kTensors) return TooMany("tensors", OnnxFile::kTensors);
    OnnxTensor tensor;
    int data_fields = 0;
    for (ProtobufReader reader(bytes); !reader.done();) {
      WEIR_ASSIGN_OR_RETURN(ProtobufField field, reader.Next());
      const bool is_bytes = field.type == WireType::kBytes;
      switch (field.number) {
        case 1:
          WEIR_RETURN_IF_ERROR(Dimensions(field, tensor));
          break;
        case 2:
          if (field.type != WireType::kVarint) return Malformed("a data type's wire type");
          tensor.type = static_cast<int32_t>(field.value);
          break;
        case 4:  // packed floats have the layout of raw_data
        case 9:
          if (!is_bytes || ++data_fields > 1) {
            return absl::UnimplementedError("ONNX: tensor data in more than one piece");
          }
          tensor.data = field.bytes;
          break;
        case 8:
          if (!is_bytes) return Malformed("a tensor name's wire type");
          tensor.name = field.text();
          break;
        case 14:
          if (field.value != 0) return absl::UnimplementedError("ONNX: data in another file");
          break;
        default:
          break;
      }
    }
    file_.tensors_.push_back(std::move(tensor));
    return absl::OkStatus();
  }

  // dims is a repeated int64: one number a field, or packed.
  static absl::Status Dimensions(const ProtobufField& field, OnnxTensor& tensor) {
    auto add = [&](uint64_t size) -> absl::Status {
      if (tensor.shape.size() == OnnxFile::kDimensions) {
        return TooMany("dimensions", OnnxFile::kDimensions);
      }
      if (size >> 63) return Malformed("a negative dimension");
      tensor.shape.push_back(size);
      return absl::OkStatus();
    };
    if (field.type == WireType::kVarint) return add(field.value);
    if (field.type != WireType::kBytes) return Malformed("a dimension's wire type");
    for (ProtobufReader packed(field.bytes); !packed.done();) {
      WEIR_ASSIGN_OR_RETURN(uint64_t size, packed.Varint());
      WEIR_RETURN_IF_ERROR(add(size));
    }
    return absl::OkStatus();
  }

  OnnxFile& file_;
  size_t ends_ = 0;
};

absl::StatusOr<tensor::DType> OnnxTensor::FloatType() const {
  tensor::DType out;
  switch (type) {
    case 1:
      out = tensor::DType::kF32;
      break;
    case 10:
      out = tensor::DType::kF16;
      break;
    case 16:
      out = tensor::DType::kBF16;
      break;
    default:
      return absl::UnimplementedError(
          fmt::format("ONNX: tensor {}: data type {}; expected float", Quoted(name), type));
  }
  uint64_t size = tensor::InfoOf(out).block_bytes;
  for (uint64_t d : shape) {
    if (__builtin_mul_overflow(size, d, &size)) size = ~uint64_t{0};
  }
  if (size != data.size()) {
    return absl::DataLossError(fmt::format("ONNX: tensor {}: {} bytes; its shape needs {}",
                                           Quoted(name), data.size(), size));
  }
  return out;
}

absl::StatusOr<std::shared_ptr<const OnnxFile>> OnnxFile::Open(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> map, MappedFile::Open(path));
  auto file = std::make_shared<OnnxFile>();
  file->map_ = map;
  absl::Status status = OnnxParser(*file).Model(map->bytes());
  if (!status.ok()) return Annotate(status, path);
  return file;
}

absl::StatusOr<std::shared_ptr<const OnnxFile>> OnnxFile::Parse(std::span<const std::byte> bytes) {
  auto file = std::make_shared<OnnxFile>();
  WEIR_RETURN_IF_ERROR(OnnxParser(*file).Model(bytes));
  return file;
}

absl::Status OnnxFile::Index() {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (!tensor_index_.try_emplace(tensors_[i].name, i).second) {
      return absl::DataLossError(
          fmt::format("ONNX: tensor {}: given twice", Quoted(tensors_[i].name)));
    }
  }
  for (const OnnxNode& node : nodes_) {
    if (node.inputs.size() != 2 || node.outputs.size() != 1) continue;
    if (node.operation == "MatMul" && tensor_index_.contains(node.inputs[1])) {
      matmul_weight_.try_emplace(node.outputs[0], node.inputs[1]);
    } else if (node.operation == "Add") {
      for (int bias : {0, 1}) {
        if (tensor_index_.contains(node.inputs[bias])) {
          bias_product_.try_emplace(node.inputs[bias], node.inputs[1 - bias]);
        }
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<const OnnxTensor*> OnnxFile::Tensor(std::string_view name) const {
  auto it = tensor_index_.find(name);
  if (it == tensor_index_.end()) {
    return absl::NotFoundError(fmt::format("ONNX: tensor {}: absent", Quoted(name)));
  }
  return &tensors_[it->second];
}

absl::StatusOr<const OnnxTensor*> OnnxFile::WeightOfBias(std::string_view bias) const {
  auto product = bias_product_.find(bias);
  if (product != bias_product_.end()) {
    auto weight = matmul_weight_.find(product->second);
    if (weight != matmul_weight_.end()) return Tensor(weight->second);
  }
  return absl::NotFoundError(
      fmt::format("ONNX: no MatMul whose result is added to {}", Quoted(bias)));
}

}  // namespace weir::model
