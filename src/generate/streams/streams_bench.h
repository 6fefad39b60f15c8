// Speed of several streams together: against one stream, and with shared prefixes against the same
// engine that reads them once a stream. Rows of `weir bench llm`.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "base/registry.h"
#include "generate/llm_bench.h"

namespace weir::generate {

// streams-8      8 streams together; baseline: one
// unshared-8     8 streams of 512 tokens each, sharing looked for; baseline: not looked for
// prefix-16x32   16 streams over 32 tokens: too few to share; baseline: sharing off
// prefix-16x1k, prefix-16x4k, prefix-16x8k   16 streams over one prefix; baseline: sharing off
// prefix-memory  KV blocks of 16 streams over 4,096 tokens, in streams; baseline: 16
// prefix-tree    4 documents x 4 questions on a system prompt; baseline: only the prompt is shared
// prompt-cache   ms to the first token over a kept prompt of 4,096 tokens, others having come
//   between;
//                baseline: the first time
// cancel-4k      ms that a cancelled stream can keep its blocks inside a prompt of 4,096 tokens:
//   the
//                longest step; baseline: the 200 ms that are allowed
std::vector<std::string_view> StreamsBenchRows();

// Runs those of the rows that options.only names, all if `options.only` holds "streams".
absl::StatusOr<std::vector<LlmBenchRow>> RunStreamsBench(const LlmBenchOptions& options,
                                                         const Context& context,
                                                         const Registry& techniques = Registry());

}  // namespace weir::generate
