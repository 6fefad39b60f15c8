// Decoder-only transformers of the Llama, Qwen2 and Gemma 3 families from a GGUF file.
// Weights are immutable and shared; a Workspace belongs to one caller. Thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "model/gguf.h"
#include "model/kv_port.h"

namespace weir::model {

struct DecoderShape {
  // What may differ from layer to layer.
  struct Layer {
    int64_t window = 0;  // > 0: a token sees the newest `window` tokens, itself included; 0: all
    int rotary = 0;      // which of rope_bases turns its queries and keys
  };

  std::string architecture;  // "llama", "qwen2", "gemma3"
  int layers = 0, hidden = 0, heads = 0, kv_heads = 0, head_dim = 0, ffn = 0, vocabulary = 0;
  int64_t context = 0;            // trained window, tokens
  std::vector<float> rope_bases;  // the first is the file's own
  std::vector<Layer> per_layer;   // [layers]
  float norm_epsilon = 1e-5f;
};

enum class LogitRows { kNone, kLast, kAll };

// Where a workspace's time went since it was made or reset, nanoseconds of the calling thread.
struct DecoderTimes {
  int64_t qkv = 0, attention = 0, output = 0, ffn = 0, head = 0;
  int64_t other = 0;  // embedding, norms, rotary, residuals
  int64_t total() const { return qkv + attention + output + ffn + head + other; }
};

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
    virtual DecoderTimes& times() = 0;
  };
  // What moving a cached key of `layer` by `delta` positions, which may be negative, does to it.
  struct KeyMove {
    bool halves = false;         // pair i: channels (i, i + head_dim / 2); else (2 i, 2 i + 1)
    std::vector<float> cos_sin;  // [head_dim / 2][2] by which pair i turns
    std::vector<float> shift;    // [kv_heads * head_dim] added after the turn; or empty
  };
  virtual KeyMove MoveKeys(int layer, int64_t delta) const = 0;
  // All memory that Forward needs. max_batch_tokens is the size of a chunk, cut to [1, 4096].
  virtual std::unique_ptr<Workspace> MakeWorkspace(int64_t max_batch_tokens) const = 0;

  // Runs tokens at positions [kv.length(), +n) in chunks of the workspace's size, appends their K
  // and V, writes logits [rows, vocabulary] f32 (rows: 0, 1 or n). Checks cancellation between
  // chunks; then what was computed so far stays in kv. Logits are bit-equal for any number of
  // threads and any split of the tokens over calls or chunks. Errors: kInvalidArgument (token ids,
  // size of logits), kFailedPrecondition (logits of rows that kv left out), kResourceExhausted
  // (kv), kCancelled.
  virtual absl::Status Forward(std::span<const int32_t> tokens, KvSequence& kv, LogitRows rows,
                               std::span<float> logits, Workspace& workspace,
                               const Context& context) const = 0;
};

}  // namespace weir::model
