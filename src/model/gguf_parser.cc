#include "model/gguf_parser.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/status.h"
#include "fmt/core.h"
#include "model/quoted.h"

namespace weir::model {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is read in place");

// The smallest entries the format allows; they bound the counts by the bytes that are left.
constexpr uint64_t kMinMetadataBytes = 8 + 1 + 4 + 1;  // key length, key, type, value
constexpr uint64_t kMinTensorBytes =
    8 + 1 + 4 + 8 + 4 + 8;  // name, dimensions, one size, type, offset

}  // namespace

absl::Status GgufParser::Malformed(std::string_view message) const {
  return absl::DataLossError(fmt::format("GGUF: {} (at byte {})", message, at_));
}

absl::Status GgufParser::TooMuch(std::string_view what, uint64_t value, uint64_t limit) const {
  return absl::DataLossError(
      fmt::format("GGUF: {}: {}; at most {} (at byte {})", what, value, limit, at_));
}

template <class T>
absl::StatusOr<T> GgufParser::Read(std::string_view what) {
  if (left() < sizeof(T)) return Malformed(fmt::format("the file ends inside {}", what));
  T value;
  std::memcpy(&value, bytes_.data() + at_, sizeof(T));
  at_ += sizeof(T);
  return value;
}

absl::StatusOr<std::string_view> GgufParser::ReadString(std::string_view what, uint64_t limit) {
  WEIR_ASSIGN_OR_RETURN(uint64_t length, Read<uint64_t>(what));
  if (length > left()) {
    return Malformed(fmt::format("{}: length {}; {} bytes are left", what, length, left()));
  }
  if (length > limit) return TooMuch(fmt::format("{} bytes", what), length, limit);
  std::string_view out(reinterpret_cast<const char*>(bytes_.data() + at_), length);
  at_ += length;
  return out;
}

absl::Status GgufParser::Run() {
  WEIR_RETURN_IF_ERROR(Header());
  WEIR_RETURN_IF_ERROR(Metadata());
  return TensorTable();
}

absl::Status GgufParser::Header() {
  if (left() < 4 || std::memcmp(bytes_.data(), "GGUF", 4) != 0) {
    return Malformed("not a GGUF file; expected it to start with 'GGUF'");
  }
  at_ = 4;
  WEIR_ASSIGN_OR_RETURN(uint32_t version, Read<uint32_t>("the version"));
  if (version != 0 && (version & 0xffff) == 0) {
    return absl::UnimplementedError("GGUF: a big-endian file; expected little-endian");
  }
  if (version != 2 && version != 3) {  // 2 differs from 3 only in never being big-endian
    return absl::UnimplementedError(fmt::format("GGUF: version {}; expected 2 or 3", version));
  }
  WEIR_ASSIGN_OR_RETURN(tensor_count_, Read<uint64_t>("the tensor count"));
  WEIR_ASSIGN_OR_RETURN(metadata_count_, Read<uint64_t>("the metadata count"));
  if (tensor_count_ > GgufLimits::kTensors) {
    return TooMuch("tensors", tensor_count_, GgufLimits::kTensors);
  }
  if (metadata_count_ > GgufLimits::kMetadata) {
    return TooMuch("metadata keys", metadata_count_, GgufLimits::kMetadata);
  }
  // Both are below 2^16, so the sum of products cannot overflow.
  if (tensor_count_ * kMinTensorBytes + metadata_count_ * kMinMetadataBytes > left()) {
    return Malformed(fmt::format("{} tensors and {} metadata keys do not fit into {} bytes",
                                 tensor_count_, metadata_count_, left()));
  }
  return absl::OkStatus();
}

absl::Status GgufParser::Metadata() {
  file_.metadata_.reserve(metadata_count_);
  for (uint64_t i = 0; i < metadata_count_; ++i) {
    WEIR_ASSIGN_OR_RETURN(std::string_view key, ReadString("a key", GgufLimits::kKeyBytes));
    if (key.empty()) return Malformed("an empty key");
    WEIR_ASSIGN_OR_RETURN(Type type, ReadType());
    absl::StatusOr<GgufValue> value = type == Type::kArray ? ReadArray() : ReadScalar(type);
    if (!value.ok()) return Annotate(value.status(), fmt::format("metadata {}", Quoted(key)));
    if (key == "general.alignment") {
      const auto* alignment = std::get_if<uint64_t>(&*value);
      if (alignment == nullptr || type != Type::kUint32) {
        return Malformed("general.alignment: wrong type; expected uint32");
      }
      if (*alignment < 8 || *alignment > GgufLimits::kAlignmentMax ||
          !std::has_single_bit(*alignment)) {
        return Malformed(fmt::format("general.alignment: {}; expected a power of two from 8 to {}",
                                     *alignment, GgufLimits::kAlignmentMax));
      }
      alignment_ = *alignment;
    }
    if (!file_.metadata_.try_emplace(key, *std::move(value)).second) {
      return Malformed(fmt::format("metadata {}: given twice", Quoted(key)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<GgufParser::Type> GgufParser::ReadType() {
  WEIR_ASSIGN_OR_RETURN(uint32_t type, Read<uint32_t>("a value's type"));
  if (type >= kTypes) return Malformed(fmt::format("value type {}; expected 0 to 12", type));
  return static_cast<Type>(type);
}

absl::StatusOr<GgufValue> GgufParser::ReadScalar(Type type) {
  auto as = [&]<class T, class Stored>(T, Stored) -> absl::StatusOr<GgufValue> {
    WEIR_ASSIGN_OR_RETURN(T value, Read<T>("a value"));
    return GgufValue(static_cast<Stored>(value));
  };
  switch (type) {
    case Type::kUint8:
      return as(uint8_t{}, uint64_t{});
    case Type::kInt8:
      return as(int8_t{}, int64_t{});
    case Type::kUint16:
      return as(uint16_t{}, uint64_t{});
    case Type::kInt16:
      return as(int16_t{}, int64_t{});
    case Type::kUint32:
      return as(uint32_t{}, uint64_t{});
    case Type::kInt32:
      return as(int32_t{}, int64_t{});
    case Type::kFloat32:
      return as(float{}, double{});
    case Type::kUint64:
      return as(uint64_t{}, uint64_t{});
    case Type::kInt64:
      return as(int64_t{}, int64_t{});
    case Type::kFloat64:
      return as(double{}, double{});
    case Type::kBool: {
      WEIR_ASSIGN_OR_RETURN(uint8_t value, Read<uint8_t>("a bool"));
      if (value > 1) return Malformed(fmt::format("bool {}; expected 0 or 1", value));
      return GgufValue(value == 1);
    }
    case Type::kString: {
      WEIR_ASSIGN_OR_RETURN(std::string_view value,
                            ReadString("a string", GgufLimits::kStringBytes));
      return GgufValue(value);
    }
    case Type::kArray:
      break;  // read by ReadArray
  }
  return absl::InternalError("GGUF: unreachable value type");
}

absl::StatusOr<GgufValue> GgufParser::ReadArray() {
  WEIR_ASSIGN_OR_RETURN(Type type, ReadType());
  WEIR_ASSIGN_OR_RETURN(uint64_t count, Read<uint64_t>("an array's length"));
  if (type == Type::kArray) return absl::UnimplementedError("GGUF: an array of arrays");
  static constexpr uint64_t kElementBytes[kTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8};
  const uint64_t element_bytes = kElementBytes[static_cast<uint32_t>(type)];
  if (count > left() / element_bytes) {
    return Malformed(fmt::format("an array of {} elements; {} bytes are left", count, left()));
  }
  if (count > GgufLimits::kArrayElements) {
    return TooMuch("array elements", count, GgufLimits::kArrayElements);
  }
  elements_ += count;
  if (elements_ > GgufLimits::kAllElements) {
    return TooMuch("elements of all arrays", elements_, GgufLimits::kAllElements);
  }
  switch (type) {
    case Type::kUint8:
      return ReadNumbers<uint8_t, uint64_t>(count);
    case Type::kInt8:
      return ReadNumbers<int8_t, int64_t>(count);
    case Type::kUint16:
      return ReadNumbers<uint16_t, uint64_t>(count);
    case Type::kInt16:
      return ReadNumbers<int16_t, int64_t>(count);
    case Type::kUint32:
      return ReadNumbers<uint32_t, uint64_t>(count);
    case Type::kInt32:
      return ReadNumbers<int32_t, int64_t>(count);
    case Type::kFloat32:
      return ReadNumbers<float, double>(count);
    case Type::kUint64:
      return ReadNumbers<uint64_t, uint64_t>(count);
    case Type::kInt64:
      return ReadNumbers<int64_t, int64_t>(count);
    case Type::kFloat64:
      return ReadNumbers<double, double>(count);
    case Type::kBool:
      return ReadBools(count);
    case Type::kString:
      return ReadStrings(count);
    case Type::kArray:
      break;
  }
  return absl::InternalError("GGUF: unreachable element type");
}

// REQUIRES: count * sizeof(T) <= left(), as ReadArray has checked.
template <class T, class Stored>
absl::StatusOr<GgufValue> GgufParser::ReadNumbers(uint64_t count) {
  std::vector<Stored> out(count);
  for (uint64_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, bytes_.data() + at_ + i * sizeof(T), sizeof(T));
    out[i] = static_cast<Stored>(value);
  }
  at_ += count * sizeof(T);
  auto array = std::make_shared<GgufArray>();
  array->values = std::move(out);
  return GgufValue(std::shared_ptr<const GgufArray>(std::move(array)));
}

absl::StatusOr<GgufValue> GgufParser::ReadBools(uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    if (const auto value = static_cast<uint8_t>(bytes_[at_ + i]); value > 1) {
      return Malformed(fmt::format("bool {} in an array; expected 0 or 1", value));
    }
  }
  return ReadNumbers<uint8_t, uint64_t>(count);
}

absl::StatusOr<GgufValue> GgufParser::ReadStrings(uint64_t count) {
  std::vector<std::string_view> out;
  out.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    WEIR_ASSIGN_OR_RETURN(std::string_view value,
                          ReadString("a string of an array", GgufLimits::kArrayStringBytes));
    out.push_back(value);
  }
  auto array = std::make_shared<GgufArray>();
  array->values = std::move(out);
  return GgufValue(std::shared_ptr<const GgufArray>(std::move(array)));
}

absl::Status GgufParser::TensorTable() {
  std::vector<Placement> placements;
  placements.reserve(tensor_count_);
  file_.tensors_.reserve(tensor_count_);
  file_.tensor_index_.reserve(tensor_count_);
  for (uint64_t i = 0; i < tensor_count_; ++i) WEIR_RETURN_IF_ERROR(OneTensor(placements));
  return TensorData(placements);
}

absl::Status GgufParser::OneTensor(std::vector<Placement>& placements) {
  WEIR_ASSIGN_OR_RETURN(std::string_view name,
                        ReadString("a tensor's name", GgufLimits::kTensorNameBytes));
  if (name.empty()) return Malformed("a tensor without a name");
  const std::string where = fmt::format("tensor {}", Quoted(name));
  WEIR_ASSIGN_OR_RETURN(uint32_t dimensions, Read<uint32_t>(where));
  if (dimensions < 1 || dimensions > GgufLimits::kDimensions) {
    return Malformed(fmt::format("{}: {} dimensions; expected 1 to 4", where, dimensions));
  }
  GgufTensor tensor{.name = name, .type = tensor::DType::kF32, .shape = {}, .data = {}};
  uint64_t rows = 1;
  for (uint32_t d = 0; d < dimensions; ++d) {
    WEIR_ASSIGN_OR_RETURN(uint64_t size, Read<uint64_t>(where));
    if (size == 0) return Malformed(fmt::format("{}: a dimension of 0", where));
    tensor.shape.push_back(size);
    if (d > 0 && __builtin_mul_overflow(rows, size, &rows)) {
      return Malformed(fmt::format("{}: the product of its dimensions overflows", where));
    }
  }
  WEIR_ASSIGN_OR_RETURN(uint32_t type, Read<uint32_t>(where));
  WEIR_ASSIGN_OR_RETURN(uint64_t offset, Read<uint64_t>(where));
  absl::StatusOr<tensor::DType> dtype = tensor::DTypeFromGguf(type);
  if (!dtype.ok()) return Annotate(dtype.status(), fmt::format("GGUF: {}", where));
  tensor.type = *dtype;
  const tensor::DTypeInfo& info = tensor::InfoOf(*dtype);
  if (tensor.shape[0] % info.block_columns != 0) {
    return Malformed(fmt::format("{}: rows of {} elements; {} needs a multiple of {}", where,
                                 tensor.shape[0], info.name, info.block_columns));
  }
  uint64_t size = 0;
  if (__builtin_mul_overflow(tensor.shape[0] / info.block_columns, uint64_t{info.block_bytes},
                             &size) ||
      __builtin_mul_overflow(size, rows, &size) || size > bytes_.size()) {
    return Malformed(fmt::format("{}: larger than the file", where));
  }
  placements.push_back({offset, size, file_.tensors_.size()});
  if (!file_.tensor_index_.try_emplace(name, file_.tensors_.size()).second) {
    return Malformed(fmt::format("{}: given twice", where));
  }
  file_.tensors_.push_back(std::move(tensor));
  return absl::OkStatus();
}

absl::Status GgufParser::TensorData(std::vector<Placement>& placements) {
  if (placements.empty()) return absl::OkStatus();
  const uint64_t start = (at_ + alignment_ - 1) & ~(alignment_ - 1);  // both far below 2^63
  if (start > bytes_.size()) return Malformed("the file ends before the tensor data");
  const uint64_t available = bytes_.size() - start;
  for (const Placement& p : placements) {
    GgufTensor& tensor = file_.tensors_[p.tensor];
    if (p.offset % alignment_ != 0) {
      return Malformed(fmt::format("tensor {}: offset {} is not a multiple of the alignment {}",
                                   Quoted(tensor.name), p.offset, alignment_));
    }
    if (p.offset > available || p.bytes > available - p.offset) {
      return Malformed(fmt::format("tensor {}: {} bytes at offset {}; the data section has {}",
                                   Quoted(tensor.name), p.bytes, p.offset, available));
    }
    tensor.data = bytes_.subspan(start + p.offset, p.bytes);
  }
  // Tensors that share bytes would let a small file ask for much memory once they are unpacked.
  std::sort(placements.begin(), placements.end(),
            [](const Placement& a, const Placement& b) { return a.offset < b.offset; });
  for (size_t i = 1; i < placements.size(); ++i) {
    const Placement& before = placements[i - 1];
    if (placements[i].offset - before.offset < before.bytes) {
      return Malformed(fmt::format("tensors {} and {} overlap",
                                   Quoted(file_.tensors_[before.tensor].name),
                                   Quoted(file_.tensors_[placements[i].tensor].name)));
    }
  }
  return absl::OkStatus();
}

}  // namespace weir::model
