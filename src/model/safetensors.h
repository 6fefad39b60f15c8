// Safetensors files, mapped read-only: 8 bytes of header length, a JSON header, then the data. The
// header is hostile: its length is checked first, it is read by a streaming parser that keeps only
// names, types, shapes and offsets, and the tensors must cover the data exactly: no hole, no
// overlap. Format page: docs/formats/safetensors.md. Errors: kDataLoss (malformed or above a
// limit), kUnimplemented (element type), kNotFound (no such tensor). Immutable, thread-safe.
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

struct SafeTensor {
  std::string name;
  std::string type;             // "F32", "F16", "BF16", "I64", ... as the file names it
  std::vector<uint64_t> shape;  // outermost first; empty for a scalar
  std::span<const std::byte> data;

  // The element type of a float tensor; kUnimplemented for the others.
  absl::StatusOr<tensor::DType> FloatType() const;
};

class SafetensorsFile {
 public:
  static constexpr uint64_t kHeaderBytes = 100'000'000;  // the limit the format's authors set
  static constexpr size_t kTensors = 1 << 16;
  static constexpr size_t kDimensions = 8;
  static constexpr size_t kNameBytes = 1 << 10;

  static absl::StatusOr<std::shared_ptr<const SafetensorsFile>> Open(const std::string& path);
  // Parses bytes that outlive the result (fuzzing, tests).
  static absl::StatusOr<std::shared_ptr<const SafetensorsFile>> Parse(
      std::span<const std::byte> bytes);

  const std::vector<SafeTensor>& tensors() const { return tensors_; }  // in order of their data
  absl::StatusOr<const SafeTensor*> Tensor(std::string_view name) const;

 private:
  absl::Status Read(std::span<const std::byte> bytes);

  std::shared_ptr<const MappedFile> map_;
  std::vector<SafeTensor> tensors_;
  absl::flat_hash_map<std::string_view, size_t> index_;
};

}  // namespace weir::model
