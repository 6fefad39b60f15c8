// How the prompt verbs find and load their model.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cli/session.h"
#include "generate/prompt_cache/prompt_model.h"

namespace weir::cli {

inline constexpr uint64_t kMaxPromptText = 64 << 20;  // bytes

struct PromptModelOptions {
  std::string name, kv = "auto";
  int64_t context = 8192;
  template <class V>
  void Visit(V& v) {
    v(name, {.name = "model", .help = "Decoder; a name or a GGUF file."});
    v(kv, {.name = "kv", .help = "How the KV cache is kept: q8 (int8), f16, or auto."});
    v(context, {.name = "context",
                .help = "Window of the KV cache, at most the model's.",
                .unit = "tokens",
                .min = 64,
                .max = 1048576});
  }
};

// Errors: those of Locate and PromptModel::Load; kInvalidArgument for an encoder.
absl::StatusOr<std::unique_ptr<generate::PromptModel>> LoadPromptModel(
    const PromptModelOptions& options, Session& session);

}  // namespace weir::cli
