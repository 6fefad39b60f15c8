// The reader behind GgufFile: one pass over header, metadata and tensor table, all of them hostile.
// Every length is compared with what is left of the file and with a fixed limit before it is used
// to advance or to allocate; sums and products are checked for overflow. Format:
// docs/formats/gguf.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/gguf.h"

namespace weir::model {

// Far above what real models need (the largest known: 1,100 keys, 50,000 tensors, 514,000 merges)
// and low enough that the most greedy file costs under 64 MB beside its mapping.
struct GgufLimits {
  static constexpr uint64_t kMetadata = 1 << 16;          // keys
  static constexpr uint64_t kTensors = 1 << 16;           // tensors
  static constexpr uint64_t kKeyBytes = 1 << 10;          // bytes of a key
  static constexpr uint64_t kTensorNameBytes = 64;        // bytes, from the format's own text
  static constexpr uint64_t kStringBytes = 1 << 26;       // bytes of a value, never copied
  static constexpr uint64_t kArrayStringBytes = 1 << 20;  // bytes of one string in an array
  static constexpr uint64_t kArrayElements = 1 << 20;     // elements of one array
  static constexpr uint64_t kAllElements = 3 << 20;  // elements of all arrays: at most 16 B each
  static constexpr uint64_t kDimensions = 4;
  static constexpr uint64_t kAlignmentMax = 1 << 20;  // bytes
};

class GgufParser {
 public:
  GgufParser(std::span<const std::byte> bytes, GgufFile& file) : bytes_(bytes), file_(file) {}
  absl::Status Run();

 private:
  // Metadata value types by their number in the file.
  enum class Type : uint32_t {
    kUint8,
    kInt8,
    kUint16,
    kInt16,
    kUint32,
    kInt32,
    kFloat32,
    kBool,
    kString,
    kArray,
    kUint64,
    kInt64,
    kFloat64
  };
  static constexpr uint32_t kTypes = 13;
  struct Placement {
    uint64_t offset;  // in the data section
    uint64_t bytes;
    size_t tensor;
  };

  absl::Status Header();
  absl::Status Metadata();
  absl::Status TensorTable();
  absl::Status OneTensor(std::vector<Placement>& placements);
  absl::Status TensorData(std::vector<Placement>& placements);

  template <class T>
  absl::StatusOr<T> Read(std::string_view what);
  absl::StatusOr<std::string_view> ReadString(std::string_view what, uint64_t limit);
  absl::StatusOr<Type> ReadType();
  absl::StatusOr<GgufValue> ReadScalar(Type type);
  absl::StatusOr<GgufValue> ReadArray();
  template <class T, class Stored>
  absl::StatusOr<GgufValue> ReadNumbers(uint64_t count);
  absl::StatusOr<GgufValue> ReadBools(uint64_t count);
  absl::StatusOr<GgufValue> ReadStrings(uint64_t count);

  uint64_t left() const { return bytes_.size() - at_; }
  absl::Status Malformed(std::string_view message) const;
  absl::Status TooMuch(std::string_view what, uint64_t value, uint64_t limit) const;

  std::span<const std::byte> bytes_;
  GgufFile& file_;
  uint64_t at_ = 0;  // next byte
  uint64_t tensor_count_ = 0;
  uint64_t metadata_count_ = 0;
  uint64_t elements_ = 0;  // of all arrays so far
  uint64_t alignment_ = 32;
};

}  // namespace weir::model
