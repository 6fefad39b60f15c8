// The engine a bench compares with: a script drives it in a child process, in turns with Weir, so
// that both see the same machine.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "generate/bench_peer.h"

namespace weir::cli {

struct PeerOptions {
  std::string_view engine;  // the one that `script` drives, where there is one only
  std::string script;
  std::string name = "";  // `engine`, or "" for no peer
  std::string python = "python3";
  template <class V>
  void Visit(V& v) {
    v(name, {.name = "peer",
             .help = "Engine to compare with on the same work, in turns.",
             .choices = {"", engine}});
    v(python, {.name = "peer-python",
               .help = "Python interpreter that has the peer's package.",
               .fingerprint = false});
    v(script,
      {.name = "peer-script", .help = "Script that drives the peer.", .fingerprint = false});
  }
};

// A peer that is given the texts of its work once, then runs it: {"add": TEXT} lines, then a line
// {"run": true} for each round, answered by a number.
class WorkPeer {
 public:
  // Null when none is asked for. `arguments` follow the script's name.
  static absl::StatusOr<std::unique_ptr<WorkPeer>> Start(const PeerOptions& options,
                                                         std::vector<std::string> arguments);
  // `kind` is "add" or another word that the script knows. Errors: kUnavailable.
  absl::Status Send(std::string_view kind, std::string_view text);
  // As Send, and what the peer says to it.
  absl::StatusOr<std::string> Ask(std::string_view kind, std::string_view text,
                                  int timeout_s = 600);
  // The number the round gives; the first error stays in `status`.
  double Run(absl::Status& status);
  // As Run, of a part of the work: {KIND: TEXT}.
  double Run(std::string_view kind, std::string_view text, absl::Status& status);

 private:
  explicit WorkPeer(std::unique_ptr<generate::BenchPeer> process) : process_(std::move(process)) {}
  std::unique_ptr<generate::BenchPeer> process_;
};

}  // namespace weir::cli
