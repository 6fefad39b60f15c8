#include "generate/prompt_cache/codec_samples.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::generate {

absl::Status CodecSamples::Begin(const KvCodecShape& shape) {
  WEIR_RETURN_IF_ERROR(CheckShape(shape));
  shape_ = shape;
  tokens_ = 0;
  chunks_.clear();
  return absl::OkStatus();
}

absl::Status CodecSamples::Add(int tokens, const float* k, const float* v) {
  if (shape_.layers == 0) return absl::InvalidArgumentError("KV codec fit: no shape was given");
  WEIR_RETURN_IF_ERROR(CheckRows(shape_, tokens, k, v));
  if (tokens_ + tokens > kKeptTokens && !chunks_.empty()) return absl::OkStatus();
  tokens_ += tokens;
  Chunk& c = chunks_.emplace_back();
  c.tokens = tokens;
  const size_t size = static_cast<size_t>(tokens) * shape_.width();
  c.rows.reserve(2 * size * shape_.layers);
  for (int layer = 0; layer < shape_.layers; ++layer) {
    c.rows.insert(c.rows.end(), k + layer * size, k + (layer + 1) * size);
    c.rows.insert(c.rows.end(), v + layer * size, v + (layer + 1) * size);
  }
  return absl::OkStatus();
}

}  // namespace weir::generate
