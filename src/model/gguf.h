// GGUF v3 files, mapped read-only. Everything in the file is hostile: counts, lengths, offsets and
// dimensions are checked against the file's size and fixed limits before anything is allocated.
// Format page: docs/formats/gguf.md. Errors: kDataLoss (malformed), kUnimplemented (version, type).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/files.h"
#include "tensor/matmul.h"

namespace weir::model {

struct GgufArray;
using GgufValue = std::variant<uint64_t, int64_t, double, bool, std::string_view,
                               std::shared_ptr<const GgufArray>>;
struct GgufArray {
  std::variant<std::vector<uint64_t>, std::vector<int64_t>, std::vector<double>,
               std::vector<std::string_view>>
      values;
};

struct GgufTensor {
  std::string_view name;
  tensor::DType type;
  std::vector<uint64_t> shape;  // ggml order: shape[0] is the row length (columns)
  std::span<const std::byte> data;
  // [shape[1] * ..., shape[0]] as a matrix view.
  tensor::MatrixView Matrix() const;
};

class GgufFile {
 public:
  static absl::StatusOr<std::shared_ptr<const GgufFile>> Open(const std::string& path);
  // Parses bytes that outlive the result (fuzzing, tests).
  static absl::StatusOr<std::shared_ptr<const GgufFile>> Parse(std::span<const std::byte> bytes);

  // Typed metadata reads: kNotFound when absent, kDataLoss when of another type.
  absl::StatusOr<uint64_t> Unsigned(std::string_view key) const;
  absl::StatusOr<double> Number(std::string_view key) const;
  absl::StatusOr<bool> Bool(std::string_view key) const;
  absl::StatusOr<std::string_view> String(std::string_view key) const;
  absl::StatusOr<std::span<const std::string_view>> Strings(std::string_view key) const;
  absl::StatusOr<std::span<const double>> Numbers(std::string_view key) const;       // float arrays
  // any integer array
  absl::StatusOr<std::vector<int64_t>> Integers(std::string_view key) const;
  bool Has(std::string_view key) const { return metadata_.contains(key); }
  const absl::flat_hash_map<std::string_view, GgufValue>& metadata() const { return metadata_; }

  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  absl::StatusOr<const GgufTensor*> Tensor(std::string_view name) const;
  // Gives back the memory of a mapped tensor that has been packed; parsed bytes stay as they are.
  absl::Status Release(const GgufTensor& tensor) const;
  // Kept alive by everything that borrows from the file.
  const std::string& path() const { return path_; }

 private:
  friend class GgufParser;
  std::string path_;
  std::shared_ptr<const MappedFile> map_;
  absl::flat_hash_map<std::string_view, GgufValue> metadata_;
  std::vector<GgufTensor> tensors_;
  absl::flat_hash_map<std::string_view, size_t> tensor_index_;
};

}  // namespace weir::model
