// Encoders of the BERT family (minilm-l6, bge-small-en) behind the Encoder port. Texts of a batch are
// packed without padding, so a text's vector does not depend on its batch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "text/ports.h"

namespace weir::model {

enum class Pooling { kMean, kFirstToken };

struct EncoderSpec {
  std::string name;
  std::string weights;    // path of model.safetensors or *.onnx
  std::string tokenizer;  // path of tokenizer.json
  Pooling pooling = Pooling::kMean;
  int64_t max_tokens = 256;
  std::string query_prefix, passage_prefix;
};

absl::StatusOr<std::unique_ptr<text::Encoder>> LoadEncoder(const EncoderSpec& spec, const Context& context);

}  // namespace weir::model
