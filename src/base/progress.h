// Progress of long work on stderr: a line redrawn on a terminal, nothing on a pipe, or JSON lines.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace weir {

enum class ProgressMode { kAuto, kOff, kJson };

// Thread-safe. Redraws at most ten times a second, with rate and time left.
class Progress {
 public:
  explicit Progress(ProgressMode mode);
  // Writes to `fd` as to a terminal, by the given clock: for tests.
  Progress(ProgressMode mode, int fd, std::function<int64_t()> now_ns);
  ~Progress();
  void Start(std::string_view task, int64_t total, std::string_view unit);  // total 0: unknown
  void Advance(int64_t by);
  void Finish();  // clears the line

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weir
