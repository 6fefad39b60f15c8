// The cold form of stored passages: chunks of a KvCodec, a fraction of the blocks' size, decoded
// when they are read. The codec's tables are fitted once on a model's own passages and kept in
// their folder.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "generate/kv/policy.h"
#include "generate/passages/passage_file.h"
#include "generate/prompt_cache/kv_codec.h"
#include "model/decoder.h"

namespace weir::generate {

// Keys and values of some tokens, [layers][tokens][width]; keys as they would be at position 0.
struct PlacelessRows {
  int64_t tokens = 0;
  std::vector<float> k, v;
};

// Reads a chunk of a file of form kBlocks. Tokens that a layer does not hold are zeros.
absl::StatusOr<PlacelessRows> ReadRows(const PassageFile& file, const PassageChunk& chunk,
                                       const KvShape& shape, const KvFormat& format,
                                       const model::Decoder& decoder);

// Immutable, thread-safe.
class ColdTables {
 public:
  // Fits on the passages given, at least one of which must have a token.
  static absl::StatusOr<ColdTables> Fit(std::span<const std::shared_ptr<const PassageFile>> files,
                                        const KvShape& shape, const KvFormat& format,
                                        const model::Decoder& decoder, Threads* threads);
  // kNotFound, kDataLoss (damaged, or of another shape).
  static absl::StatusOr<ColdTables> Load(const std::string& folder, const KvShape& shape);
  absl::Status Save(const std::string& folder) const;

  const KvCodec& codec() const { return *codec_; }
  uint64_t checksum() const { return checksum_; }

 private:
  std::shared_ptr<const KvCodec> codec_;
  std::string bytes_;
  uint64_t checksum_ = 0;
};

// The bytes of `file` (kBlocks) in the cold form. `level` as KvCodec.
absl::StatusOr<std::string> EncodeCold(const PassageFile& file, const ColdTables& tables, int level,
                                       const KvShape& shape, const KvFormat& format,
                                       const model::Decoder& decoder, Threads* threads);

// Writes one layer of `file` (kCoded) to tokens [position, ...) of a sequence's blocks, keys times
// `gain`. Thread-safe for different layers. kDataLoss.
absl::Status PlaceCold(const PassageFile& file, const ColdTables& tables, int layer,
                       int64_t position, float gain, const KvShape& shape, const KvFormat& format,
                       const model::Decoder& decoder, std::span<std::byte* const> blocks);

}  // namespace weir::generate
