// Compressed keys and values outside of a cache's blocks: one chunk of at most 256 tokens, all
// layers, is one string of bytes. Saved prompts and passages in cold storage are made of such
// strings; the codec knows nothing of files, positions or caches.
//
//   KvCodecFit fit -> Add(sample) ... -> Finish()     once per model or per text
//   codec->Encode(level, tokens, k, v)                bytes of one chunk
//   codec->Decode(bytes, tokens, k, v)                its f32 rows again, lossy by level
//   codec->Save(0) / LoadKvCodec(bytes)               the tables, without which no chunk can be
//   read
//
// k, v: [layers][tokens][width] f32, width = kv_heads * head_dim. Keys are taken as they come: with
// their rotation or, for storage that will be placed elsewhere, without; a codec serves the kind it
// was fitted on. A codec is immutable and thread-safe. Same input, same bytes, for any number of
// threads and on any CPU target. Bytes to decode are hostile: kDataLoss names the layer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/threads.h"

namespace weir::generate {

inline constexpr int kCodecTokens = 256;  // most tokens of a chunk
inline constexpr int kCodecLevels = 3;    // levels 1 (smallest) to 3 (nearest to the original)

struct KvCodecShape {
  int layers = 0, kv_heads = 0, head_dim = 0;
  int width() const { return kv_heads * head_dim; }
  friend bool operator==(const KvCodecShape&, const KvCodecShape&) = default;
};

class KvCodec {
 public:
  virtual ~KvCodec() = default;
  virtual const KvCodecShape& shape() const = 0;
  // kInvalidArgument: level, tokens, or a value that is not finite.
  virtual absl::StatusOr<std::string> Encode(int level, int tokens, const float* k, const float* v,
                                             Threads* threads) const = 0;
  // `tokens` is what the caller knows of the chunk; another number in the bytes is kDataLoss.
  virtual absl::Status Decode(std::string_view bytes, int tokens, float* k, float* v,
                              Threads* threads) const = 0;
  // One layer alone, into k, v [tokens][width]: what fits a core's cache on the way to its blocks.
  virtual absl::Status DecodeLayer(std::string_view bytes, int layer, int tokens, float* k,
                                   float* v) const = 0;
  // The tables of a level, or of all (0); LoadKvCodec makes a codec of them that codes those levels
  // as this one does and refuses the others.
  virtual std::string Save(int level) const = 0;
};

// Errors: kDataLoss (malformed), kUnimplemented (a version or form this build does not know).
absl::StatusOr<std::shared_ptr<const KvCodec>> LoadKvCodec(std::string_view bytes);

// Collects statistics of sample chunks. What a codec technique registers.
class KvCodecFit {
 public:
  virtual ~KvCodecFit() = default;
  // Before the first Add. kInvalidArgument: sizes that are not positive or beyond 1024 layers,
  // 16384 channels.
  virtual absl::Status Begin(const KvCodecShape& shape) = 0;
  // As Encode's arguments, in any number and order of chunks.
  virtual absl::Status Add(int tokens, const float* k, const float* v) = 0;
  // kInvalidArgument when no token was added. Needs the samples no longer.
  virtual absl::StatusOr<std::shared_ptr<const KvCodec>> Finish(Threads* threads) = 0;
};

}  // namespace weir::generate
