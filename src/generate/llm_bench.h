// Speed of the local LLM: decode, prefill of 512 tokens, and decode after 2,048 tokens, each
// measured in rounds that alternate with a peer (llama.cpp through tests/peers/llama_bench.py) on
// the same file, or with another KV cache, so that both see the same machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "base/registry.h"
#include "model/decoder.h"

namespace weir::generate {

struct LlmBenchOptions {
  std::string model_path;  // a GGUF file
  int64_t rounds = 3;
  int64_t decode_tokens = 64;  // timed tokens of a decode round
  int64_t prefill_tokens = 512;
  int64_t depth_tokens = 2048;         // stored before the timed tokens of decode-2k, its name too
  std::vector<std::string> only = {};  // names of rows; empty: all
  std::string kv = "auto";               // as GenerateOptions
  std::string baseline_kv;               // rounds alternate with this cache; empty: none
  // The peer's interpreter and script; empty: no peer.
  std::string peer_python, peer_script;
};

struct LlmBenchRow {
  std::string name;  // "decode", "prefill-512", "decode-2k"
  std::string unit = "tokens/s";
  double weir = 0, baseline = 0;  // medians; baseline 0 without a peer
  std::string baseline_name;      // "llama.cpp", "kv f16" or ""
  double ratio = 0;               // weir / baseline, 0 without one
  int64_t cache_bytes = 0, baseline_cache_bytes = 0;  // in use after a round
  // tokens/s that the measured read bandwidth allows a decode, the int8 dot rate a prefill
  double limit = 0;
  int64_t rounds = 0;
  double spread = 0;          // (max - min) / median of Weir's rounds
  model::DecoderTimes times;  // of all rounds together
  int64_t tokens = 0;         // that those times cover
};

// Loads the model (and the peer), warms both up, runs the rounds. Uses context.threads and its
// count for the peer. Errors: those of loading; kUnavailable when the peer does not start or
// answer.
absl::StatusOr<std::vector<LlmBenchRow>> RunLlmBench(const LlmBenchOptions& options,
                                                     const Context& context,
                                                     const Registry& techniques = Registry());

// Adds one reading to a row's time.
void AddTimes(const model::DecoderTimes& times, model::DecoderTimes& sum);
// "qkv 21%, attention 9%, ..." of a row's time.
std::string TimeSplit(const model::DecoderTimes& times);

}  // namespace weir::generate
