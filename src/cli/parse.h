// The command line, configuration files and environment of one run, by one rule of precedence:
// flag > WEIR_* variable > nearest weir.toml upwards > user file ($XDG_CONFIG_HOME/weir/weir.toml)
// > default.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/options.h"
#include "cli/verb.h"

namespace weir::cli {

enum class HelpWanted { kNo, kShort, kLong };

struct ParsedLine {
  std::vector<std::string> arguments;
  HelpWanted help = HelpWanted::kNo;
};

// Index of the verb whose name is the longest prefix of `words`; `used` words belong to it.
// kInvalidArgument with "did you mean" when there is none.
absl::StatusOr<size_t> FindVerb(std::span<const std::unique_ptr<Verb>> verbs,
                                std::span<const std::string> words, size_t& used);

// Reads flags into the two tables; the rest are arguments. Errors are kInvalidArgument (exit 64).
absl::StatusOr<ParsedLine> ParseLine(std::span<const std::string> words, OptionTable& global,
                                     OptionTable& own, const VerbInfo& info);

// Where each option's value came from ("default", "environment", a file's path), by option name.
using Origins = std::map<std::string, std::string>;
// Applies files and environment. `section` is the verb's name with dots ("model.add").
absl::Status ApplyLayers(OptionTable& global, OptionTable& own, const std::string& section,
                         Origins* origins);

}  // namespace weir::cli
