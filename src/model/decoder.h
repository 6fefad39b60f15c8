// Decoder-only transformers of the Llama and Qwen2 families from a GGUF file.
// Weights are immutable and shared; a Workspace belongs to one caller. Thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "model/gguf.h"
#include "model/kv_port.h"

namespace weir::model {

struct DecoderShape {
  std::string architecture;  // "llama", "qwen2"
  int layers = 0, hidden = 0, heads = 0, kv_heads = 0, head_dim = 0, ffn = 0, vocabulary = 0;
  int64_t context = 0;       // trained window, tokens
  float rope_base = 10000, norm_epsilon = 1e-5f;
};

enum class LogitRows { kNone, kLast, kAll };

class Decoder {
 public:
  virtual ~Decoder() = default;
  static absl::StatusOr<std::shared_ptr<const Decoder>> Load(std::shared_ptr<const GgufFile> file,
                                                             const Context& context);
  virtual const DecoderShape& shape() const = 0;
  virtual int64_t weight_bytes() const = 0;

  class Workspace {
   public:
    virtual ~Workspace() = default;
  };
  virtual std::unique_ptr<Workspace> MakeWorkspace(int64_t max_batch_tokens) const = 0;

  // Runs tokens at positions [kv.length(), +n) in chunks of the workspace's size, appends their K and V,
  // writes logits [rows, vocabulary] f32 (rows: 0, 1 or n). Checks cancellation between chunks.
  virtual absl::Status Forward(std::span<const int32_t> tokens, KvSequence& kv, LogitRows rows,
                               std::span<float> logits, Workspace& workspace,
                               const Context& context) const = 0;
};

}  // namespace weir::model
