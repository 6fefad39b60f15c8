// The schedules of attention_schedule.h as programs for an abstract machine with explicit loads and
// stores. One program, several machines: a counter (attention_count.h), a cache simulator's address
// stream (attention_trace.h), and arithmetic (the tests), so that what is counted is what computes
// the proven output.
#pragma once

#include <cstdint>

#include "plan/attention_schedule.h"

namespace weir::plan {

// Arrays in slow memory: queries and outputs [rows, head_dim], keys and values [keys, head_dim],
// scores [rows, keys], statistics [rows, 2] (maximum and sum).
enum class Array { kQueries, kKeys, kValues, kOutputs, kScores, kStatistics };
inline constexpr int kArrays = 6;

// Places for one tile each in fast memory.
enum class Slot { kQueries, kKeys, kValues, kScores, kOutputs, kStatistics };
inline constexpr int kSlots = 6;

struct Block {
  int64_t row = 0, rows = 0;
  int64_t column = 0, columns = 0;
  int64_t words() const { return rows * columns; }
};

enum class Step {
  kScores,        // scores += queries * keys^T
  kWeigh,         // scores -> exp(score - maximum), statistics and outputs follow (online softmax)
  kObserve,       // statistics follow, scores stay
  kExponentiate,  // scores -> exp(score - maximum) / sum
  kRowMaximum,    // the two passes of the unfused softmax before kExponentiate
  kRowSum,
  kAddValues,     // outputs += scores * values
  kDivide,        // outputs /= sum
};

class AttentionMachine {
 public:
  virtual ~AttentionMachine() = default;
  // Copies a block into a slot, whose former content is gone.
  virtual void Load(Slot slot, Array array, const Block& block) = 0;
  // Starts a tile of [rows, columns] that is not loaded: zeros, and -infinity for maxima.
  virtual void Clear(Slot slot, int64_t rows, int64_t columns) = 0;
  virtual void Store(Slot slot, Array array, const Block& block) = 0;
  virtual void Drop(Slot slot) = 0;
  // Free work on the slots; `scores` says which rows and keys the tile of scores stands for.
  virtual void Compute(Step step, const Block& scores) = 0;
};

// Runs the schedule of one KV head. `cache_words` decides how kUnfused takes up rows of scores.
void Walk(const AttentionShape& shape, Schedule schedule, const Tiles& tiles, int64_t cache_words,
          AttentionMachine& machine);

// About how many calls a walk makes (an upper bound), to refuse what would take too long.
double WalkCalls(const AttentionShape& shape, Schedule schedule, const Tiles& tiles,
                 int64_t cache_words);

}  // namespace weir::plan
