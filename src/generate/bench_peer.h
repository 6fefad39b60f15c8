// A peer engine in a child process that answers one line for each line it is sent.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::generate {

class BenchPeer {
 public:
  // Starts argv[0] (looked up in PATH) with stdin and stdout connected; its stderr is inherited.
  // Errors: kUnavailable.
  static absl::StatusOr<std::unique_ptr<BenchPeer>> Start(const std::vector<std::string>& argv);
  ~BenchPeer();  // closes the connection, ends the child if it does not end by itself, and waits
                 // for it
  BenchPeer(const BenchPeer&) = delete;
  BenchPeer& operator=(const BenchPeer&) = delete;

  // Sends a line and returns the answer without its newline. kUnavailable when the child is gone,
  // answers more than 64 KiB, or takes longer than the limit.
  absl::StatusOr<std::string> Ask(std::string_view line, int timeout_s = 600);

 private:
  BenchPeer(pid_t child, int socket) : child_(child), socket_(socket) {}
  pid_t child_;
  int socket_;
  std::string unread_;
};

}  // namespace weir::generate
