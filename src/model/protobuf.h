// The protobuf wire format, read field by field from a bounded span. A message is never copied; a
// length beyond the span is refused before it is used.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"

namespace weir::model {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct ProtobufField {
  uint32_t number = 0;
  WireType type = WireType::kVarint;
  uint64_t value = 0;                // kVarint, kFixed32, kFixed64
  std::span<const std::byte> bytes;  // kBytes

  std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

class ProtobufReader {
 public:
  explicit ProtobufReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  bool done() const { return at_ == bytes_.size(); }
  // kDataLoss: an overlong number, a length past the end, a field number of 0 or a group.
  absl::StatusOr<ProtobufField> Next();
  // One number of a packed field.
  absl::StatusOr<uint64_t> Varint();

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

}  // namespace weir::model
