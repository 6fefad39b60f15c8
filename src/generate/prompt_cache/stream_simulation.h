// What StreamController would do on a bandwidth trace, and what a fixed level would: time in
// arithmetic instead of waiting, from measured sizes and speeds.
#pragma once

#include <array>
#include <vector>

#include "generate/prompt_cache/bandwidth.h"
#include "generate/prompt_cache/stream_controller.h"

namespace weir::generate {

struct SimulatedLoad {
  double finish_s = 0;      // the last chunk is in the cache; infinity when it never is
  double loss = 0;          // mean over the chunks of what their level loses
  std::vector<int> levels;  // of each chunk; 0: computed
};

// `losses`: [0] of computed chunks, [l] of level l, in any unit. `fixed_level` 0: the controller.
SimulatedLoad SimulateLoad(const std::vector<ChunkCost>& chunks, const BandwidthTrace& trace,
                           const ControllerOptions& options,
                           const std::array<double, kCodecLevels + 1>& losses, int fixed_level);

// Of many traces. A load that takes longer than the deadline is a violation.
struct StreamComparison {
  struct Row {
    int violations = 0;
    double loss = 0;  // mean over traces
  };
  int traces = 0;
  Row controller;
  std::array<Row, kCodecLevels> fixed;
  int best_fixed = 1;  // the level of fewest violations, then of least loss
};
StreamComparison CompareOnTraces(const std::vector<ChunkCost>& chunks, int traces, uint64_t seed,
                                 double scale, const ControllerOptions& options,
                                 const std::array<double, kCodecLevels + 1>& losses);

}  // namespace weir::generate
