// An encoder's folder as its makers publish it: model.safetensors or one *.onnx, tokenizer.json,
// and what the small JSON files beside them say (config.json, 1_Pooling/config.json,
// sentence_bert_config.json).
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "model/encoder.h"

namespace weir::model {

// From config.json; zero when it is absent or silent.
struct EncoderConfig {
  int heads = 0;
  double epsilon = 0;
  int64_t positions = 0;
  bool masked_language = false;  // the weights have the head: a sparse encoder
};
// `folder` holds config.json; kDataLoss when it is no JSON object.
absl::StatusOr<EncoderConfig> ReadEncoderConfig(const std::string& folder);

// Errors: kNotFound (a file), kInvalidArgument (several *.onnx, heads unknown), kDataLoss (JSON).
absl::StatusOr<EncoderSpec> ReadEncoderFolder(const std::string& folder);

}  // namespace weir::model
