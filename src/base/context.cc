#include "base/context.h"

#include <chrono>

namespace weir {

int64_t SteadyNowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

absl::Status Context::CheckCancelled() const {
  if (cancel != nullptr && cancel->cancelled()) return absl::CancelledError("interrupted");
  return absl::OkStatus();
}

}  // namespace weir
