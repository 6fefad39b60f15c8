// Decode speed of cited answers with speculation, in rounds that alternate with the same answers
// without, whose tokens must be equal, and with a peer that decodes the same tokens after the same
// prompts. And, as the worst case, of text where nothing repeats.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "base/registry.h"
#include "generate/llm_bench.h"

namespace weir::generate {

struct SpeculateBenchOptions {
  std::string model_path;    // a GGUF file
  std::string prompts_path;  // cited_prompts.h
  int64_t prompts = 8;       // so many of them, spread evenly; all when there are fewer
  int64_t answer_tokens = 160;
  int64_t rounds = 3;
  std::string speculate = "auto";
  std::string kv = "auto";  // as GenerateOptions
  // As in LlmBenchOptions.
  std::vector<std::string> only = {};
  std::string peer_python, peer_script;
};

struct SpeculateBench {
  // "decode-cited": beside the peer. "decode-cited-gain" and "decode-novel": beside the same
  // without speculation; the second samples from the whole vocabulary at temperature 3. `limit` is
  // what the read bandwidth allows at the tokens that a pass gave.
  std::vector<LlmBenchRow> rows;
  std::vector<std::string> notes;  // one line a text
};

// Whether `only` asks for one of the rows above.
bool WantsSpeculateBench(const std::vector<std::string>& only);

// A round is an engine that answers one question after the other. Errors: those of loading and of
// the prompts' file; kInternal when tokens differ; kUnavailable when the peer does not start or
// answer.
absl::StatusOr<SpeculateBench> RunSpeculateBench(const SpeculateBenchOptions& options,
                                                 const Context& context,
                                                 const Registry& techniques = Registry());

}  // namespace weir::generate
