// The whole program behind main: finds the verb, reads options from all layers, runs, reports.
#pragma once

#include <string>
#include <vector>

#include "base/context.h"
#include "base/registry.h"

namespace weir::cli {

inline constexpr const char* kVersion = "0.1.0";

// Returns the exit code (docs/exit-codes.md).
int RunProgram(const std::vector<std::string>& words, const Registry& registry,
               const CancelToken* cancel);

}  // namespace weir::cli
