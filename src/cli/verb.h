// One verb of the command line, one file in verbs/. A verb owns its option struct; parsing, help,
// man page, completion, weir.toml and environment all come from the table that Options() binds.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/options.h"
#include "cli/session.h"

namespace weir::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitNothing = 1;  // nothing found, refused answer, failed proof

struct VerbInfo {
  std::string name;         // "model add"
  std::string summary;      // one sentence
  std::string arguments;    // "FILE|NAME", as the usage line shows it
  std::string example;      // one command line
  std::string description;  // more for --help and the man page
  int min_arguments = 0;
  int max_arguments = 0;  // -1: any number
};

class Verb {
 public:
  virtual ~Verb() = default;
  virtual VerbInfo Info() const = 0;
  virtual OptionTable Options() { return {}; }
  // Returns the exit code of a run that did its work; a Status becomes its exit code and a message.
  virtual absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) = 0;
};

// All verbs, in the order of the overview.
std::vector<std::unique_ptr<Verb>> MakeVerbs();

}  // namespace weir::cli
