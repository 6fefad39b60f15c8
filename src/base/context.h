// What every long-running call receives instead of global state: clock, seed, threads, metrics,
// progress and cancellation. A Context is cheap to copy; it borrows what it points to.
// Same seed, same bytes, with 1 thread or 2: work is split by index, never by arrival.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "absl/status/status.h"

namespace weir {

class Threads;
class Progress;
class Metrics;

// Nanoseconds of a steady clock; tests inject a fake.
using Clock = std::function<int64_t()>;
int64_t SteadyNowNs();

class CancelToken {
 public:
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

struct Context {
  Clock now_ns = SteadyNowNs;
  uint64_t seed = 0;
  Threads* threads = nullptr;      // null: run on the calling thread
  Progress* progress = nullptr;    // null: silent
  Metrics* metrics = nullptr;      // null: not counted
  const CancelToken* cancel = nullptr;

  // kCancelled once the token is set; call it between units of work.
  absl::Status CheckCancelled() const;
};

}  // namespace weir
