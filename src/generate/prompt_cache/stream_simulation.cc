#include "generate/prompt_cache/stream_simulation.h"

#include <algorithm>
#include <cmath>

namespace weir::generate {
namespace {

constexpr double kPollS = 0.002;  // as often as the loader looks

}  // namespace

SimulatedLoad SimulateLoad(const std::vector<ChunkCost>& chunks, const BandwidthTrace& trace,
                           const ControllerOptions& options,
                           const std::array<double, kCodecLevels + 1>& losses, int fixed_level) {
  StreamController controller(chunks, options);
  SimulatedLoad load;
  double link = 0, free = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const int chunk = static_cast<int>(i);
    const int level = fixed_level > 0 ? fixed_level : controller.Level(chunk, link, free);
    if (level == 0) {
      free += chunks[i].compute_s;
      load.levels.push_back(0);
      load.loss += losses[0] / static_cast<double>(chunks.size());
      continue;
    }
    const int64_t size = chunks[i].bytes[level - 1];
    const double start = link;
    const double arrival = trace.Arrival(static_cast<double>(size), start);
    bool given_up = false;
    double now = std::max(free, start);
    if (fixed_level == 0) {
      for (; now < arrival && !given_up; now += kPollS) {
        const auto done = static_cast<int64_t>(trace.Bytes(start, now));
        given_up = controller.ComputeInstead(chunk, level, done, now - start, now);
        if (given_up) break;
      }
    }
    if (given_up) {
      controller.Observe(static_cast<int64_t>(trace.Bytes(start, now)), now - start);
      link = now;
      free = now + chunks[i].compute_s;
    } else {
      controller.Observe(size, arrival - start);
      link = arrival;
      free = std::max(free, arrival) + chunks[i].decode_s[level - 1];
    }
    load.levels.push_back(given_up ? 0 : level);
    load.loss += losses[given_up ? 0 : level] / static_cast<double>(chunks.size());
  }
  load.finish_s = free;
  return load;
}

StreamComparison CompareOnTraces(const std::vector<ChunkCost>& chunks, int traces, uint64_t seed,
                                 double scale, const ControllerOptions& options,
                                 const std::array<double, kCodecLevels + 1>& losses) {
  StreamComparison c;
  c.traces = traces;
  for (int t = 0; t < traces; ++t) {
    const auto trace =
        BandwidthTrace::Random(seed + static_cast<uint64_t>(t), 20 * options.deadline_s, scale);
    for (int level = 0; level <= kCodecLevels; ++level) {
      const SimulatedLoad load = SimulateLoad(chunks, trace, options, losses, level);
      auto& row = level == 0 ? c.controller : c.fixed[level - 1];
      row.violations += load.finish_s > options.deadline_s ? 1 : 0;
      row.loss += load.loss / traces;
    }
  }
  for (int level = 2; level <= kCodecLevels; ++level) {
    const auto &a = c.fixed[level - 1], &b = c.fixed[c.best_fixed - 1];
    if (a.violations < b.violations || (a.violations == b.violations && a.loss < b.loss)) {
      c.best_fixed = level;
    }
  }
  return c;
}

}  // namespace weir::generate
