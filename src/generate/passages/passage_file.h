// The stored keys and values of one passage: computed once behind a fixed prompt head, alone, and
// read again in any prompt that begins with that head. Format page: docs/formats/passage-cache.md.
// Bytes are hostile: every size is checked against the file before anything is read or allocated.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/files.h"

namespace weir::generate {

// How a file's layers are stored.
enum class PassageForm : uint32_t {
  kBlocks = 1,  // int8 blocks of tensor/attention.h, mapped and copied as they are (hot)
  kCoded = 2,   // chunks of a KvCodec, keys as they would be at position 0 (cold)
};

// What a file must agree with: a digest of the model, the prompt head and the numerics.
using PassageFingerprint = std::array<uint8_t, 32>;

struct PassageHeader {
  PassageForm form = PassageForm::kBlocks;
  PassageFingerprint fingerprint{};
  int layers = 0, kv_heads = 0, head_dim = 0;
  int64_t position = 0;  // of the first token when it was computed
  uint64_t tables = 0;   // kCoded: checksum of the codec's tables
};

// A layer's tokens [first, tokens), the others lie before the layer's window: the first one at
// slot 0 of block 0.
struct PassageLayer {
  int64_t first = 0;
  std::span<const std::byte> bytes;
};

// At most kCodecTokens tokens of all layers.
struct PassageChunk {
  int64_t first = 0, tokens = 0;
  std::string_view bytes;
};

// Immutable, thread-safe.
class PassageFile {
 public:
  // Errors: kNotFound, kDataLoss (damaged: the message names file and part), kUnimplemented
  // (another version or form).
  static absl::StatusOr<std::shared_ptr<const PassageFile>> Open(const std::string& path);
  // The same over bytes that outlive the result.
  static absl::StatusOr<std::shared_ptr<const PassageFile>> FromBytes(
      std::span<const std::byte> bytes, std::string name);

  const PassageHeader& header() const { return header_; }
  std::span<const int32_t> tokens() const { return tokens_; }
  // Of kBlocks.
  const PassageLayer& layer(int index) const { return layers_[index]; }
  // Of kCoded.
  std::span<const PassageChunk> chunks() const { return chunks_; }
  // Compares a layer's (kBlocks) or a chunk's (kCoded) bytes with its checksum.
  absl::Status Verify(size_t part) const;
  int64_t bytes() const { return static_cast<int64_t>(bytes_.size()); }
  const std::string& name() const { return name_; }

 private:
  PassageFile() = default;
  absl::Status Parse();
  absl::Status ReadTable(uint64_t table, uint64_t rows, uint64_t payload);

  std::string name_;
  std::shared_ptr<const MappedFile> map_;
  std::span<const std::byte> bytes_;
  PassageHeader header_;
  std::vector<int32_t> tokens_;
  std::vector<PassageLayer> layers_;
  std::vector<PassageChunk> chunks_;
  std::vector<std::span<const std::byte>> parts_;
  std::vector<uint64_t> checksums_;
};

// The file's bytes. REQUIRES: header.layers layers, each of the size that Parse expects.
std::string EncodePassage(const PassageHeader& header, std::span<const int32_t> tokens,
                          std::span<const PassageLayer> layers);
// The same of form kCoded. REQUIRES: the chunks are those of ChunksOf(tokens.size()), in order.
std::string EncodeColdPassage(const PassageHeader& header, std::span<const int32_t> tokens,
                              std::span<const PassageChunk> chunks);
// How a passage of so many tokens is cut; `bytes` are empty.
std::vector<PassageChunk> ChunksOf(int64_t tokens);

}  // namespace weir::generate
