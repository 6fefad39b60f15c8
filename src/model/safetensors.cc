#include "model/safetensors.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/status.h"
#include "fmt/core.h"
#include "model/quoted.h"
#include "model/safetensors_header.h"

namespace weir::model {
namespace {

struct ElementType {
  std::string_view name;
  uint64_t bytes;
};
constexpr ElementType kElementTypes[] = {
    {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8}, {"U64", 8},  {"I32", 4},
    {"U32", 4}, {"I16", 2}, {"U16", 2}, {"I8", 1},   {"U8", 1},  {"BOOL", 1},
};

absl::Status Malformed(const std::string& message) {
  return absl::DataLossError("safetensors: " + message);
}

// The bytes that type and shape ask for.
absl::StatusOr<uint64_t> Size(const SafetensorsEntry& entry) {
  const auto* type = std::find_if(std::begin(kElementTypes), std::end(kElementTypes),
                                  [&](const ElementType& t) { return t.name == entry.type; });
  if (type == std::end(kElementTypes)) {
    return absl::UnimplementedError(
        fmt::format("safetensors: tensor {}: type {}", Quoted(entry.name), Quoted(entry.type)));
  }
  uint64_t size = type->bytes;
  for (uint64_t d : entry.shape) {
    if (__builtin_mul_overflow(size, d, &size)) {
      return Malformed(fmt::format("tensor {}: its size overflows", Quoted(entry.name)));
    }
  }
  return size;
}

}  // namespace

absl::StatusOr<tensor::DType> SafeTensor::FloatType() const {
  if (type == "F32") return tensor::DType::kF32;
  if (type == "F16") return tensor::DType::kF16;
  if (type == "BF16") return tensor::DType::kBF16;
  return absl::UnimplementedError(fmt::format(
      "safetensors: tensor {}: type {}; expected F32, F16 or BF16", Quoted(name), type));
}

absl::StatusOr<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::Open(
    const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> map, MappedFile::Open(path));
  auto file = std::make_shared<SafetensorsFile>();
  file->map_ = map;
  if (absl::Status status = file->Read(map->bytes()); !status.ok()) return Annotate(status, path);
  return file;
}

absl::StatusOr<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::Parse(
    std::span<const std::byte> bytes) {
  auto file = std::make_shared<SafetensorsFile>();
  WEIR_RETURN_IF_ERROR(file->Read(bytes));
  return file;
}

absl::Status SafetensorsFile::Read(std::span<const std::byte> bytes) {
  uint64_t header = 0;
  if (bytes.size() < sizeof(header)) return Malformed("the file ends inside the header's length");
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header > bytes.size() - sizeof(header)) {
    return Malformed(fmt::format("a header of {} bytes in a file of {}", header, bytes.size()));
  }
  if (header > kHeaderBytes) {
    return absl::DataLossError(
        fmt::format("safetensors: a header of {} bytes; at most {}", header, kHeaderBytes));
  }
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + sizeof(header), header);
  if (!json.starts_with('{')) return Malformed("not a safetensors file; expected a JSON header");
  WEIR_ASSIGN_OR_RETURN(std::vector<SafetensorsEntry> entries, ParseSafetensorsHeader(json));

  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  const std::span<const std::byte> data = bytes.subspan(sizeof(header) + header);
  uint64_t at = 0;
  tensors_.reserve(entries.size());
  for (SafetensorsEntry& entry : entries) {
    WEIR_ASSIGN_OR_RETURN(uint64_t size, Size(entry));
    if (entry.begin != at) {
      return Malformed(fmt::format("tensor {}: starts at {}; expected {}, without hole or overlap",
                                   Quoted(entry.name), entry.begin, at));
    }
    if (entry.end < entry.begin || entry.end > data.size() || entry.end - entry.begin != size) {
      return Malformed(fmt::format("tensor {}: offsets {} to {}; its shape needs {} of {} bytes",
                                   Quoted(entry.name), entry.begin, entry.end, size, data.size()));
    }
    at = entry.end;
    tensors_.push_back({std::move(entry.name), std::move(entry.type), std::move(entry.shape),
                        data.subspan(entry.begin, size)});
  }
  if (at != data.size()) {
    return Malformed(fmt::format("{} bytes after the last tensor", data.size() - at));
  }
  for (size_t i = 0; i < tensors_.size(); ++i) index_.try_emplace(tensors_[i].name, i);
  return absl::OkStatus();
}

absl::StatusOr<const SafeTensor*> SafetensorsFile::Tensor(std::string_view name) const {
  auto it = index_.find(name);
  if (it == index_.end()) {
    return absl::NotFoundError(fmt::format("safetensors: tensor {}: absent", Quoted(name)));
  }
  return &tensors_[it->second];
}

}  // namespace weir::model
