// The data caches of the core that runs this.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::plan {

struct CacheLevel {
  std::string name;  // "L1", "L2"
  int64_t bytes = 0;
  // Half: code, stack, prefetched lines and a second thread of the core want room, too.
  int64_t EffectiveWords(int64_t word_bytes) const { return bytes / 2 / word_bytes; }
};

// L1 and L2. kUnavailable where the system does not tell.
absl::StatusOr<std::vector<CacheLevel>> DetectCaches();

}  // namespace weir::plan
