// The packed weights of a GGUF file, kept beside it as FILE.packed: the next start maps them and
// packs nothing. docs/formats/packed-weights.md has the layout; the bytes of a matrix are those of
// tensor/packed.h, which all CPU targets read.
//
// A packed file belongs to the tensors it was made from: their names, types, shapes and samples of
// their bytes are fingerprinted, so that a replaced model is noticed. Every byte is checked (XXH3)
// when the file is opened.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/context.h"
#include "base/files.h"
#include "model/catalogue.h"
#include "model/gguf.h"
#include "tensor/matmul.h"

namespace weir::model {

std::string PackedPathOf(const std::string& gguf_path);

// The matrices that a decoder multiplies with, in the file's order. An embedding that is only
// looked up is none, nor is what no product takes: the decoder says what is wrong with that.
std::vector<const GgufTensor*> PackableMatrices(const GgufFile& source);

// Immutable; thread-safe.
class PackedFile {
 public:
  // Errors: kNotFound (no such file), kFailedPrecondition (made from other tensors or by another
  // version), kDataLoss (damaged).
  static absl::StatusOr<std::shared_ptr<const PackedFile>> Open(const std::string& path,
                                                                const GgufFile& source,
                                                                const Context& context);
  // Over bytes that outlive the result and begin at a multiple of 64 (tests, fuzzing).
  static absl::StatusOr<std::shared_ptr<const PackedFile>> Parse(std::span<const std::byte> bytes,
                                                                 const GgufFile& source,
                                                                 const Context& context);

  // The matrix borrows from the file and keeps it alive. kNotFound when it is not there.
  static absl::StatusOr<tensor::Matrix> Matrix(std::shared_ptr<const PackedFile> file,
                                               const GgufTensor& tensor);

 private:
  PackedFile() = default;
  std::shared_ptr<const MappedFile> map_;
  absl::flat_hash_map<std::string, std::span<const std::byte>> matrices_;  // by tensor name
};

// Packs all matrices of `source` into `path`, atomically. Reports progress in bytes; cancelling
// leaves what was there before. Errors: those of writing.
absl::Status WritePackedFile(const GgufFile& source, const std::string& path,
                             const Context& context);

// Makes the packed file of an installed decoder unless one that fits is there; returns its path.
absl::StatusOr<std::string> PackModel(const ModelRecord& record, const Context& context);

}  // namespace weir::model
