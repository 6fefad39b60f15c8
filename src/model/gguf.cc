#include "model/gguf.h"

#include <utility>

#include "base/status.h"
#include "fmt/core.h"
#include "model/gguf_parser.h"
#include "model/quoted.h"

namespace weir::model {
namespace {

absl::Status WrongType(std::string_view key, std::string_view expected) {
  return absl::DataLossError(
      fmt::format("GGUF metadata {}: wrong type; expected {}", Quoted(key), expected));
}

}  // namespace

tensor::MatrixView GgufTensor::Matrix() const {
  size_t rows = 1;
  for (size_t i = 1; i < shape.size(); ++i)
    rows *= shape[i];  // bounded by the file's size in Parse
  return {type, data.data(), rows, static_cast<size_t>(shape[0])};
}

absl::StatusOr<std::shared_ptr<const GgufFile>> GgufFile::Open(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> map, MappedFile::Open(path));
  std::shared_ptr<GgufFile> file(new GgufFile());
  file->path_ = path;
  file->map_ = map;
  absl::Status status = GgufParser(map->bytes(), *file).Run();
  if (!status.ok()) return Annotate(status, path);
  return file;
}

absl::StatusOr<std::shared_ptr<const GgufFile>> GgufFile::Parse(std::span<const std::byte> bytes) {
  std::shared_ptr<GgufFile> file(new GgufFile());
  WEIR_RETURN_IF_ERROR(GgufParser(bytes, *file).Run());
  return file;
}

namespace {

absl::StatusOr<const GgufValue*> Find(
    const absl::flat_hash_map<std::string_view, GgufValue>& metadata, std::string_view key) {
  auto it = metadata.find(key);
  if (it == metadata.end()) {
    return absl::NotFoundError(fmt::format("GGUF metadata {}: absent", Quoted(key)));
  }
  return &it->second;
}

absl::StatusOr<const GgufArray*> FindArray(
    const absl::flat_hash_map<std::string_view, GgufValue>& metadata, std::string_view key) {
  WEIR_ASSIGN_OR_RETURN(const GgufValue* value, Find(metadata, key));
  const auto* array = std::get_if<std::shared_ptr<const GgufArray>>(value);
  if (array == nullptr) return WrongType(key, "an array");
  return array->get();
}

}  // namespace

absl::StatusOr<uint64_t> GgufFile::Unsigned(std::string_view key) const {
  WEIR_ASSIGN_OR_RETURN(const GgufValue* value, Find(metadata_, key));
  if (const auto* u = std::get_if<uint64_t>(value)) return *u;
  // Writers store some counts as int32; a value that is not negative means the same number.
  if (const auto* i = std::get_if<int64_t>(value); i != nullptr && *i >= 0) {
    return static_cast<uint64_t>(*i);
  }
  return WrongType(key, "an integer that is not negative");
}

absl::StatusOr<double> GgufFile::Number(std::string_view key) const {
  WEIR_ASSIGN_OR_RETURN(const GgufValue* value, Find(metadata_, key));
  if (const auto* d = std::get_if<double>(value)) return *d;
  return WrongType(key, "a float");
}

absl::StatusOr<bool> GgufFile::Bool(std::string_view key) const {
  WEIR_ASSIGN_OR_RETURN(const GgufValue* value, Find(metadata_, key));
  if (const auto* b = std::get_if<bool>(value)) return *b;
  return WrongType(key, "a bool");
}

absl::StatusOr<std::string_view> GgufFile::String(std::string_view key) const {
  WEIR_ASSIGN_OR_RETURN(const GgufValue* value, Find(metadata_, key));
  if (const auto* s = std::get_if<std::string_view>(value)) return *s;
  return WrongType(key, "a string");
}

absl::StatusOr<std::span<const std::string_view>> GgufFile::Strings(std::string_view key) const {
  WEIR_ASSIGN_OR_RETURN(const GgufArray* array, FindArray(metadata_, key));
  const auto* strings = std::get_if<std::vector<std::string_view>>(&array->values);
  if (strings == nullptr) return WrongType(key, "an array of strings");
  return std::span<const std::string_view>(*strings);
}

absl::StatusOr<std::span<const double>> GgufFile::Numbers(std::string_view key) const {
  WEIR_ASSIGN_OR_RETURN(const GgufArray* array, FindArray(metadata_, key));
  const auto* numbers = std::get_if<std::vector<double>>(&array->values);
  if (numbers == nullptr) return WrongType(key, "an array of floats");
  return std::span<const double>(*numbers);
}

absl::StatusOr<std::vector<int64_t>> GgufFile::Integers(std::string_view key) const {
  WEIR_ASSIGN_OR_RETURN(const GgufArray* array, FindArray(metadata_, key));
  if (const auto* i = std::get_if<std::vector<int64_t>>(&array->values)) return *i;
  const auto* u = std::get_if<std::vector<uint64_t>>(&array->values);
  if (u == nullptr) return WrongType(key, "an array of integers");
  std::vector<int64_t> out;
  out.reserve(u->size());
  for (uint64_t value : *u) {
    if (!std::in_range<int64_t>(value)) return WrongType(key, "integers below 2^63");
    out.push_back(static_cast<int64_t>(value));
  }
  return out;
}

absl::StatusOr<const GgufTensor*> GgufFile::Tensor(std::string_view name) const {
  auto it = tensor_index_.find(name);
  if (it == tensor_index_.end()) {
    return absl::NotFoundError(fmt::format("GGUF tensor {}: absent", Quoted(name)));
  }
  return &tensors_[it->second];
}

absl::Status GgufFile::Release(const GgufTensor& tensor) const {
  return map_ == nullptr ? absl::OkStatus() : map_->Release(tensor.data);
}

}  // namespace weir::model
