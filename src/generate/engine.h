// The embedded LLM behind the Completer port: tokenizer, chat template, decoder, KV cache, sampler,
// grammar, stop strings and streaming of one model.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "base/registry.h"
#include "generate/passages/passage_cache.h"
#include "generate/speculate/speculation.h"
#include "model/decoder.h"
#include "model/tokenizer.h"
#include "text/ports.h"

namespace weir::generate {

struct GenerateOptions {
  double temperature = 0;
  int64_t top_k = 40;
  double top_p = 0.95;
  double min_p = 0.05;
  double repetition = 1.0;
  int64_t max_tokens = 256;
  int64_t context = 4096;
  std::string kv = "auto";
  SpeculateOptions speculate = {};
  int64_t streams = 8;
  int64_t prompt_cache = 8192;
  template <class V>
  void Visit(V& v) {
    v(temperature,
      {.name = "temperature", .help = "Sampling temperature; 0 is greedy.", .min = 0, .max = 10});
    v(top_k, {.name = "sample-top-k",
              .help = "Keep the k likeliest tokens; 0 keeps all.",
              .unit = "tokens",
              .min = 0,
              .max = 1000000});
    v(top_p, {.name = "top-p",
              .help = "Keep the smallest set of tokens with this probability.",
              .min = 0,
              .max = 1});
    v(min_p, {.name = "min-p",
              .help = "Drop tokens below this fraction of the best one's probability.",
              .min = 0,
              .max = 1});
    v(repetition, {.name = "repetition",
                   .help = "Divide the logits of tokens already used by this.",
                   .min = 0.5,
                   .max = 2});
    v(max_tokens, {.name = "max-tokens",
                   .help = "Most tokens to generate.",
                   .unit = "tokens",
                   .min = 1,
                   .max = 1000000});
    v(context, {.name = "context",
                .help = "Window of the KV cache.",
                .unit = "tokens",
                .min = 64,
                .max = 1048576});
    v(kv, {.name = "kv",
           .help = "How the KV cache is kept: q8 (int8), f16, auto, or techniques of kinds Kv*."});
    speculate.Visit(v);
    v(streams, {.name = "streams",
                .help = "Most completions that run together.",
                .min = 1,
                .max = 256});
    v(prompt_cache, {.name = "prompt-cache",
                     .help = "KV memory beyond one context, for prompts that are kept and for "
                             "completions that run together.",
                     .unit = "tokens",
                     .min = 0,
                     .max = 16777216});
  }
};

using text::ScoredPair;

// Calls share one KV memory: what a prompt has in common with earlier ones that are still kept is
// not computed again (the results are bit-equal either way). CompleteAll runs requests together,
// with the results of one call each. Thread-compatible, as Completer.
class Engine : public text::Completer {
 public:
  // `techniques` holds what options.kv may name beyond the built-in values.
  static absl::StatusOr<std::unique_ptr<Engine>> Load(const std::string& gguf_path,
                                                      std::string name,
                                                      const GenerateOptions& options,
                                                      const Context& context,
                                                      const Registry& techniques = Registry());
  virtual const model::Decoder& decoder() const = 0;
  virtual const model::Tokenizer& tokenizer() const = 0;
  // The tokens a list of messages becomes, generation prompt appended. Special tokens are
  // recognised in the template's own text only, never inside a message.
  virtual absl::StatusOr<std::vector<int32_t>> PromptTokens(
      const std::vector<text::ChatMessage>& messages) const = 0;
  // The prompt of messages whose last has text::kPassageSlot, with `passages` there.
  virtual absl::StatusOr<PassagePrompt> PromptOver(
      const std::vector<text::ChatMessage>& messages,
      std::span<const text::PromptPassage> passages) const = 0;
  // From now on Complete reads the passages of requests that begin like `messages` up to the slot
  // from `folder`, and keeps there what it computes of others. Errors: kUnimplemented (the format
  // of the KV cache), those of PromptOver.
  virtual absl::Status UsePassages(const std::string& folder,
                                   const std::vector<text::ChatMessage>& messages,
                                   const PassageOptions& options) = 0;
  // Null before UsePassages.
  virtual PassageCache* passages() = 0;
  virtual void SetPassageOptions(const PassageOptions& options) = 0;
  // What the last Complete over passages did.
  virtual const PassageReport& passage_report() const = 0;
  // As LogLikelihood, over the prompt of PromptOver, read as Complete would read it.
  virtual absl::StatusOr<std::vector<double>> LogLikelihoodOver(
      const PassagePrompt& prompt, std::span<const std::string> continuations,
      const Context& context) = 0;
  // Bytes of weights and of the KV cache at full length.
  virtual int64_t weight_bytes() const = 0;
  virtual int64_t cache_bytes() const = 0;

  // Perplexity as llama.cpp counts it: windows of `window` tokens, the second half of each scored.
  // Only whole windows within max_tokens count (0: the whole text); `tokens` are those of the
  // windows.
  struct PerplexityResult {
    double perplexity = 0;
    int64_t tokens = 0, scored = 0;
  };
  virtual absl::StatusOr<PerplexityResult> Perplexity(std::string_view text, int64_t max_tokens,
                                                      int64_t window, const Context& context) = 0;
};

}  // namespace weir::generate
