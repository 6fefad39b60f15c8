// Sample chunks that a fit looks at more than once; whole chunks up to a fixed number of tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "generate/prompt_cache/codec_frame.h"

namespace weir::generate {

class CodecSamples {
 public:
  static constexpr int kKeptTokens = 2048;  // 94 MB for 30 layers of 192 channels

  absl::Status Begin(const KvCodecShape& shape);
  absl::Status Add(int tokens, const float* k, const float* v);

  const KvCodecShape& shape() const { return shape_; }
  int64_t tokens() const { return tokens_; }
  size_t chunks() const { return chunks_.size(); }
  int chunk_tokens(size_t chunk) const { return chunks_[chunk].tokens; }
  // [tokens][width] of a kept chunk.
  const float* Part(size_t chunk, size_t part) const {
    const Chunk& c = chunks_[chunk];
    const size_t size = static_cast<size_t>(c.tokens) * shape_.width();
    return c.rows.data() + part * size;
  }

 private:
  struct Chunk {
    int tokens = 0;
    std::vector<float> rows;  // [parts][tokens][width]
  };
  KvCodecShape shape_;
  int64_t tokens_ = 0;
  std::vector<Chunk> chunks_;
};

}  // namespace weir::generate
