// Time to the first token of a question over eight stored passages in shuffled order: the row
// "first-token-8-passages" of weir bench llm. The baseline is the peer reading the same number of
// tokens; Weir's own prefill of them stands beside it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "base/registry.h"
#include "generate/llm_bench.h"
#include "generate/passages/passage_cache.h"

namespace weir::generate {

inline constexpr char kPassagesRow[] = "first-token-8-passages";

struct PassagesBench {
  LlmBenchRow row;      // in ms; ratio: how many times sooner than the baseline
  std::string details;  // own prefill, parts of the time, bytes a passage
};

// Passages are stored in a temporary folder. Errors: those of loading, of the folder, of the peer.
absl::StatusOr<PassagesBench> RunPassagesBench(const LlmBenchOptions& options,
                                               const PassageOptions& passages,
                                               const Context& context,
                                               const Registry& techniques = Registry());

}  // namespace weir::generate
