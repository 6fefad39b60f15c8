// What `weir model show` tells about a model, read from its files.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "model/catalogue.h"

namespace weir::model {

class GgufFile;

struct ModelFacts {
  std::string name;
  ModelKind kind = ModelKind::kDecoder;
  std::string path;    // of the weights
  std::string sha256;  // of the weights; "" when not asked for
  std::string licence, terms;
  std::string architecture;  // "llama", "qwen2", "gemma3", "bert"
  int64_t bytes = 0;         // of the weights' file
  int64_t parameters = 0;
  int64_t context = 0;  // tokens: of the trained window, or of one text
  int layers = 0, hidden = 0;
  std::vector<std::pair<std::string, int64_t>> tensor_types;  // "Q4_1" and how many, most first
  int64_t weight_memory = 0;                                  // bytes once loaded
  int64_t kv_memory_1k = 0;  // bytes of f16 keys and values per 1,024 tokens; 0 for encoders
};

// REQUIRES: record is installed. `hash` reads the whole file once more.
absl::StatusOr<ModelFacts> ReadFacts(const ModelRecord& record, bool hash);
// The part of it that GGUF metadata gives. kDataLoss when a needed key is absent or absurd (more
// than 512 layers), kUnimplemented for an architecture this build does not run.
absl::Status ReadGgufFacts(const GgufFile& file, ModelFacts& facts);

}  // namespace weir::model
