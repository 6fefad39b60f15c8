#include "model/protobuf.h"

#include <cstring>

#include "base/status.h"
#include "fmt/core.h"

namespace weir::model {

absl::StatusOr<uint64_t> ProtobufReader::Varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (done()) return absl::DataLossError("protobuf: the message ends inside a number");
    const auto byte = static_cast<uint64_t>(bytes_[at_++]);
    if (shift == 63 && byte > 1) break;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return absl::DataLossError("protobuf: a number of more than 64 bits");
}

absl::StatusOr<ProtobufField> ProtobufReader::Next() {
  WEIR_ASSIGN_OR_RETURN(uint64_t tag, Varint());
  ProtobufField field;
  if (tag >> 3 == 0 || tag >> 3 >= (1u << 29)) {
    return absl::DataLossError(fmt::format("protobuf: field number {}", tag >> 3));
  }
  field.number = static_cast<uint32_t>(tag >> 3);
  field.type = static_cast<WireType>(tag & 7);
  size_t fixed = 0;
  switch (field.type) {
    case WireType::kVarint: {
      WEIR_ASSIGN_OR_RETURN(field.value, Varint());
      return field;
    }
    case WireType::kBytes: {
      WEIR_ASSIGN_OR_RETURN(uint64_t length, Varint());
      if (length > bytes_.size() - at_) {
        return absl::DataLossError(
            fmt::format("protobuf: a field of {} bytes; {} are left", length, bytes_.size() - at_));
      }
      field.bytes = bytes_.subspan(at_, length);
      at_ += length;
      return field;
    }
    case WireType::kFixed64:
      fixed = 8;
      break;
    case WireType::kFixed32:
      fixed = 4;
      break;
    default:
      return absl::DataLossError(fmt::format("protobuf: wire type {}", tag & 7));
  }
  if (fixed > bytes_.size() - at_) {
    return absl::DataLossError("protobuf: the message ends inside a number");
  }
  std::memcpy(&field.value, bytes_.data() + at_, fixed);
  at_ += fixed;
  return field;
}

}  // namespace weir::model
