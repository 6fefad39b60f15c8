// What keys and values depend on. Two caches may be exchanged only between models that agree in all
// of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "generate/prompt_cache/kv_codec.h"
#include "generate/prompt_cache/packed_bytes.h"
#include "model/decoder.h"
#include "model/gguf.h"

namespace weir::generate {

struct ModelIdentity {
  std::string architecture;       // "llama"
  std::string types;              // of the weights: "Q4_1 210, F32 61"
  std::vector<float> rope_bases;  // and whatever else turns keys is part of `weights`
  KvCodecShape shape;
  int32_t vocabulary = 0;
  uint64_t tokenizer = 0;  // XXH3 of the tokenizer's metadata
  uint64_t weights = 0;    // XXH3 of all tensors' names and bytes, and of the decoder's metadata

  // Reads every byte of the weights once: about 0.1 s for 400 MB from the page cache.
  static ModelIdentity Of(const model::GgufFile& file, const model::DecoderShape& shape);

  // OK when the two are the same model; else kInvalidArgument, naming the first difference that
  // tells a reader most: shape, quantisation, rope base, tokenizer, weights.
  absl::Status CheckSame(const ModelIdentity& loaded) const;

  void AppendTo(std::string& out) const;
  static absl::StatusOr<ModelIdentity> Read(PackedReader& reader);
};

}  // namespace weir::generate
