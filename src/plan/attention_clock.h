// A plan against the clock: the kernel of tensor/tiled_attention.h timed over a grid of tiles and
// both schedules, beside what the planner picks. One head, f32, one core, time of the thread.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "plan/attention_shape.h"
#include "tensor/tiled_attention.h"

namespace weir::plan {

// Multiply-adds a second of one core, and words a second from beyond L2.
struct MachineRates {
  double multiply_adds = 0;
  double words = 0;
};
MachineRates MeasureRates();

// Tiles for a real kernel, whose words moved are hidden behind arithmetic as long as each key meets
// rows enough: those rows (four times the machine's balance), and then the widest key tile that
// fits, because sums are taken up again once a key tile. Not the tiles of the fewest words: those
// are as narrow as one key.
tensor::TileSizes KernelTiles(const AttentionShape& shape, tensor::TiledSchedule schedule,
                              int64_t cache_words, const MachineRates& rates);

// The schedule of the plan at `cache_words` (L2: nearer levels are the kernel's register tiles').
absl::StatusOr<tensor::TiledSchedule> KernelSchedule(const AttentionShape& shape,
                                                     int64_t cache_words);

struct TileTime {
  tensor::TiledSchedule schedule = tensor::TiledSchedule::kRowOuter;
  tensor::TileSizes tiles;
  double seconds = 0;  // median
};

struct ClockReport {
  MachineRates rates;
  std::vector<TileTime> grid;
  TileTime best_of[2];     // by schedule
  TileTime planned;
  double planned_to_best = 0;  // median of the ratios of rounds that ran both in turns
  double two_phase_to_row_outer = 0;  // the best tiles of each, likewise
  bool schedule_right = false;
};

// All repetitions together; some minutes.
inline constexpr double kMaxClockMultiplyAdds = 1e13;

// kInvalidArgument unless queries equal keys, and beyond kMaxClockMultiplyAdds; kResourceExhausted
// when the scores of kTwoPhase pass the kernel's limit; kCancelled.
absl::StatusOr<ClockReport> ClockTiles(const AttentionShape& shape, int64_t cache_words,
                                       int64_t rounds, const Context& context);

}  // namespace weir::plan
