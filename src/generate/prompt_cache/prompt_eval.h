// What a saved prompt costs and what it loses: sizes beside f16 and int8, perplexity of what
// follows beside the cache that was saved, greedy answers beside it, and speed beside computing.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "generate/prompt_cache/kv_codec.h"
#include "generate/prompt_cache/prompt_model.h"

namespace weir::generate {

struct PromptEvalOptions {
  int64_t prompt_tokens = 2048;     // kept of a document; a longer text gives several
  int64_t following_tokens = 256;   // scored after them
  int64_t documents = 8;            // at most
  // Makes a fit for each document, which is then fitted on that document; its tables are counted.
  std::function<std::unique_ptr<KvCodecFit>()> fit;
  std::shared_ptr<const KvCodec> codec;  // instead: fixed tables, made beforehand, not counted
};

struct PromptEvalLevel {
  int64_t bytes = 0, table_bytes = 0;  // of all documents
  double perplexity = 0;
};
struct PromptEvalResult {
  int64_t documents = 0, tokens = 0, scored = 0;
  int64_t half_bytes = 0;     // f16 of the same keys and values
  double perplexity = 0;      // after the cache as it was
  std::array<PromptEvalLevel, kCodecLevels> levels;
};

// kInvalidArgument when no document is long enough.
absl::StatusOr<PromptEvalResult> EvaluatePrompts(PromptModel& model,
                                                 const std::vector<std::string>& documents,
                                                 const PromptEvalOptions& options,
                                                 const Context& context);

struct PromptQuestions {
  std::string text;
  std::vector<std::string> questions;
};
struct PromptAnswers {
  int64_t questions = 0;
  std::array<int64_t, kCodecLevels> same = {};  // greedy answers equal to those after computing
};
// Documents are kept as kChat prompts; answers have at most `max_tokens` tokens.
absl::StatusOr<PromptAnswers> ComparePromptAnswers(PromptModel& model,
                                                   const std::vector<PromptQuestions>& documents,
                                                   int64_t max_tokens, const Context& context);

struct PromptSpeed {
  int64_t tokens = 0;
  std::array<double, kCodecLevels> decode_mb_s = {};  // f16 output, one core
  std::array<int64_t, kCodecLevels> bytes = {};
  std::array<std::vector<int64_t>, kCodecLevels> chunk_bytes;
  std::array<double, kCodecLevels> load_s = {};  // from the file to the first token's logits
  double compute_s = 0;                          // the same from the tokens
  double encode_s = 0;
};
// `folder` takes a file of each level for a while. Medians of `rounds`.
absl::StatusOr<PromptSpeed> MeasurePromptSpeed(PromptModel& model, const std::string& text,
                                               int64_t tokens, int64_t rounds,
                                               const std::string& folder, const Context& context);

}  // namespace weir::generate
