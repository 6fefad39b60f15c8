// What a reader process gives up before it sees a byte of the file. One-way: there is no undo.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace weir::ingest {

struct SandboxLimits {
  int64_t memory_bytes = 0;  // beyond what the process holds already
  int64_t cpu_seconds = 0;
};

// Resource limits: memory (private writable, and address space), processor time, no file growth, no
// further descriptors, no core dump. Under a sanitizer the memory limits are left out (shadow
// memory).
absl::Status LimitResources(const SandboxLimits& limits);

// No new privileges, then a system-call filter: memory, clocks, reading open descriptors, writing
// to `reply_fd` and ending. Anything else (open, socket, fork, execve, ...) kills the process with
// SIGSYS.
absl::Status CloseSandbox(int reply_fd);

// False when the build has AddressSanitizer or ThreadSanitizer: their shadow memory cannot be
// limited, and pipes must stay allowed for their checks. Such a build is for tests.
bool MemoryLimitsHold();

}  // namespace weir::ingest
