// Saving a prompt's keys and values, and loading them again chunk by chunk while the next one is
// fetched.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "generate/prompt_cache/bandwidth.h"
#include "generate/prompt_cache/prompt_file.h"
#include "generate/prompt_cache/prompt_model.h"

namespace weir::generate {

// The tokens that a text is kept as. kChat: the part of a user message "TEXT\n\nQUESTION" that does
// not depend on the question. kInvalidArgument when fewer than two come of it.
absl::StatusOr<std::vector<int32_t>> PromptTokensOf(const PromptModel& model, PromptForm form,
                                                    const std::string& text);
// Of a kChat prompt and a question: begins with the saved tokens where the tokenizer lets it.
absl::StatusOr<std::vector<int32_t>> QuestionTokens(const PromptModel& model,
                                                    const std::string& text,
                                                    const std::string& question);

struct SaveReport {
  int64_t bytes = 0, tokens = 0;
  std::vector<int64_t> level_bytes;  // of the chunks, for each level saved
  int64_t half_bytes = 0;            // the same keys and values in f16
  double compute_s = 0, encode_s = 0;
};

// Computes the prompt on the model's session and gives the bytes of its file. `codec`: tables that
// fit the model, or null to fit them on the prompt itself. Errors: kInvalidArgument (levels, fewer
// than two tokens, more than the window).
absl::StatusOr<std::string> SavePrompt(PromptModel& model, PromptForm form, const std::string& text,
                                       std::span<const int> levels,
                                       std::shared_ptr<const KvCodec> codec, SaveReport& report,
                                       const Context& context);

// A codec of some levels for the tokens [0, cached) that the session holds, from at most
// CodecSamples::kKeptTokens of them in whole chunks over the whole length.
absl::StatusOr<std::shared_ptr<const KvCodec>> FitOnSession(PromptModel& model, int64_t cached,
                                                            std::span<const int> levels,
                                                            const Context& context);

// Tables that `weir prompt fit` made for the model: $WEIR_HOME/prompt-tables/HASH.kvtables, null
// where there are none. kDataLoss when they are damaged.
std::string TablesPath(const ModelIdentity& identity);
absl::StatusOr<std::shared_ptr<const KvCodec>> ReadTables(const ModelIdentity& identity);
absl::Status WriteTables(const ModelIdentity& identity, const KvCodec& codec);

struct LoadOptions {
  int level = 0;             // 0: the nearest to the original that is there
  double deadline_s = 0;     // > 0: levels, or computing from text, are chosen to meet it
  BandwidthTrace bandwidth = {};  // of the link that the file comes over; unlimited: this disk
};

struct LoadReport {
  std::vector<int> levels;  // of each chunk; 0: computed from its tokens
  int64_t fetched_bytes = 0;
  int64_t loaded_tokens = 0, computed_tokens = 0;
  double seconds = 0;  // until the last chunk was in the cache
};

// Makes the session hold the file's tokens but the last; feeding all of them leaves the last one's
// logits. Errors: kInvalidArgument (another model: the message says how it differs; a level that is
// not there), kResourceExhausted (the window), kDataLoss (file and chunk are named), kCancelled.
absl::StatusOr<LoadReport> LoadPrompt(PromptModel& model, const PromptFile& file,
                                      const LoadOptions& options, const Context& context);

}  // namespace weir::generate
