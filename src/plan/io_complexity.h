// Technique: io-complexity
// Source: Saha and Ye, The I/O Complexity of Attention, or How Optimal is Flash Attention?, ICML
//   2024, arXiv 2402.07443
// Idea: Counts the words that exact attention moves between slow memory and a cache of M words, and
//   chooses schedule and tiles by it: tiled and fused where M >= d^2, two blocked products below.
// Formulas: per KV head, R = queries * heads / kv_heads rows, N keys, T(x, b) = ceil(x / b);
//   row-outer 2 R d + 2 N d T(R, rows); column-outer 2 N d + (3 d + 4) R T(N, columns) - (d + 4) R;
//   two-phase with tiles b x b: R d T(N, b) + 2 N d T(R, b) + (1 + T(d, b)) (R N + 2 R) + R d;
//   unfused: two-phase without the 2 R, and 2 R N words for the softmax, or 4 R N when N > M - 2;
//   bound: P d^2 / M for d^2 <= M <= N d, P d / sqrt(M) for M < d^2, 2 (R + N) d else, with P the
//   pairs of row and key; decode (one position, or R < d <= N): 2 (R + N) d at any M
// Cost: a plan is O(log N); counting by walking is one call a tile, simulating one step an access
// Differs: the paper proves orders, the constants are derived here. Slabs of the blocked products
//   are as narrow as lets b be largest (b^2 + 4 b <= M), where square slabs have 3 b^2 <= M: 4
//   instead of 4 sqrt(3) words per R N d / sqrt(M). Statistics and partial tiles are counted.
//   Causal counts follow the tiles, so they are somewhat above half. M < 5 leaves unfused only.
// Checked by: AttentionScheduleTest.FormulasEqualTheWalk, AttentionScheduleTest.FormulasByHand,
//   IoComplexityTest.SlopesBendAtTheSquareOfTheHeadDimension,
//   IoComplexityTest.CountsStayWithinTwelveOfTheBound, IoComplexityTest.RegimesCrossOver,
//   AttentionExactTest.SchedulesEqualNaive, AttentionTraceTest.LruIsCompetitive
// Measured by: weir plan attention --n 2048 --d 256 --measure
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/options.h"
#include "plan/attention_schedule.h"
#include "plan/attention_shape.h"

namespace weir::plan {

// What --n, --d and their like set, wherever attention is planned.
struct AttentionPlanOptions {
  int64_t n = 2048;
  int64_t d = 64;
  int64_t queries = 0;
  int64_t heads = 1;
  int64_t kv_heads = 0;
  bool causal = false;
  int64_t cache = 0;
  template <class V>
  void Visit(V& v) {
    v(n, {.name = "n", .help = "Keys (the length of the context).", .unit = "tokens", .min = 1});
    v(d, {.name = "d", .help = "Dimension of a head.", .min = 1});
    v(queries, {.name = "queries",
                .help = "Query positions, the last ones; 0 takes n, 1 is decoding.",
                .unit = "tokens",
                .min = 0});
    v(heads, {.name = "heads", .help = "Query heads.", .min = 1});
    v(kv_heads, {.name = "kv-heads", .help = "Key and value heads; 0 takes heads.", .min = 0});
    v(causal, {.name = "causal", .help = "A position sees itself and what is before it."});
    v(cache, {.name = "cache",
              .help = "Words of fast memory; 0 takes half of this machine's L1 and of its L2.",
              .unit = "words",
              .min = 0});
  }
  AttentionShape Shape() const {
    return {queries == 0 ? n : queries, n, d, heads, kv_heads == 0 ? heads : kv_heads, causal};
  }
};

enum class Regime {
  kTiled,      // d^2 <= M <= N d
  kTwoPhase,   // M < d^2
  kFits,       // M > N d, or d > N, where the theorem says nothing: all is read and written once
  kDecode,     // one position, or fewer rows than d: keys and values are read once at any M
};
std::string_view NameOf(Regime regime);

Regime RegimeOf(const AttentionShape& shape, int64_t cache_words);

// The bare expression of the theorem for one KV head, without a constant: a yardstick for ratios,
// not a bound with a proven constant.
double Bound(const AttentionShape& shape, int64_t cache_words);

struct SchedulePlan {
  Schedule schedule = Schedule::kRowOuter;
  bool fits = false;  // else even tiles of one row and column do not: nothing below holds
  Tiles tiles;
  Words words;  // of one KV head
  int64_t resident = 0;
};

struct AttentionPlan {
  int64_t cache_words = 0;
  Regime regime = Regime::kTiled;
  double bound = 0;                     // of one KV head
  std::vector<SchedulePlan> schedules;  // all, in the order of kSchedules
  size_t chosen = 0;                    // the one of the fewest words
  const SchedulePlan& best() const { return schedules[chosen]; }
  double ratio() const { return static_cast<double>(best().words.total()) / bound; }
};

// kInvalidArgument for a shape that Check refuses, or a cache outside [3, 2^40] words.
absl::StatusOr<AttentionPlan> PlanAttention(const AttentionShape& shape, int64_t cache_words);

// Least squares of log words over log M: the exponent of M that the plans show. Nothing for fewer
// than two sizes.
std::optional<double> SlopeOf(std::span<const AttentionPlan> plans);

// Cache sizes for a sweep: from `first` in steps of sqrt(2) to beyond N d, d^2 among them.
std::vector<int64_t> SweepSizes(const AttentionShape& shape, int64_t first);

}  // namespace weir::plan
