#include "plan/attention_clock.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/statistics.h"
#include "base/status.h"
#include "plan/io_complexity.h"
#include "tensor/machine_limits.h"

namespace weir::plan {
namespace {

using tensor::TiledSchedule;
using tensor::TileSizes;

constexpr int64_t kPanel = 32;         // columns of the kernel come in panels
constexpr int64_t kRegisterRows = 12;  // and its rows in register tiles

// Other programs may take the core away; their time is not the kernel's.
double ThreadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

class Clock {
 public:
  Clock(const AttentionShape& shape, uint64_t seed)
      : shape_{shape.keys, shape.head_dim,
               1.0f / std::sqrt(static_cast<float>(shape.head_dim)), shape.causal} {
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    for (auto* x : {&q_, &k_, &v_, &out_}) x->resize(shape.keys * shape.head_dim);
    for (auto* x : {&q_, &k_, &v_}) {
      for (float& value : *x) value = normal(random);
    }
  }

  absl::StatusOr<std::vector<double>> Run(const TileTime& what, int64_t rounds) {
    WEIR_ASSIGN_OR_RETURN(auto kernel,
                          tensor::TiledAttention::Make(shape_, what.schedule, what.tiles));
    std::vector<double> seconds;
    for (int64_t i = 0; i < rounds; ++i) {
      const double start = ThreadSeconds();
      kernel.Run(q_.data(), k_.data(), v_.data(), out_.data());
      seconds.push_back(ThreadSeconds() - start);
    }
    return seconds;
  }

 private:
  tensor::TiledShape shape_;
  std::vector<float> q_, k_, v_, out_;
};

std::vector<TileTime> Grid(const AttentionShape& shape) {
  std::vector<TileTime> grid;
  std::vector<int64_t> slabs = {shape.head_dim};
  while (slabs.back() > 64 && slabs.size() < 3) slabs.push_back((slabs.back() + 1) / 2);
  for (const TiledSchedule schedule : {TiledSchedule::kRowOuter, TiledSchedule::kTwoPhase}) {
    for (int64_t rows = kRegisterRows; rows <= 64 * kRegisterRows; rows *= 2) {
      for (int64_t columns = kPanel; columns <= 16 * kPanel; columns *= 2) {
        if ((rows > shape.keys && rows > kRegisterRows) ||
            (columns > shape.keys && columns > kPanel))
          continue;
        for (const int64_t slab : slabs) grid.push_back({schedule, {rows, columns, slab}});
      }
    }
  }
  return grid;
}

absl::Status CheckClock(const AttentionShape& shape, double runs) {
  WEIR_RETURN_IF_ERROR(Check(shape));
  if (shape.queries != shape.keys) {
    return absl::InvalidArgumentError(
        absl::StrCat("timing: queries ", shape.queries, "; expected n (", shape.keys, ")"));
  }
  const double work = 2.0 * runs * shape.keys * static_cast<double>(shape.keys) * shape.head_dim;
  if (work > kMaxClockMultiplyAdds) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "timing: %.1e multiply-adds of all tiles and rounds; at most %.1e (a smaller n)", work,
        kMaxClockMultiplyAdds));
  }
  // The largest workspace is that of all scores: refused before hours of the others.
  return tensor::TiledAttention::Make({shape.keys, shape.head_dim, 1, false},
                                      TiledSchedule::kTwoPhase, {kRegisterRows, kPanel, 1})
      .status();
}

// Runs `a` and `b` in turns: the median of the rounds' ratios a / b.
absl::StatusOr<double> Ratio(Clock& clock, const TileTime& a, const TileTime& b, int64_t rounds) {
  std::vector<double> ratios;
  for (int64_t i = 0; i < rounds; ++i) {
    WEIR_ASSIGN_OR_RETURN(const auto first, clock.Run(a, 2));  // the first warms its workspace
    WEIR_ASSIGN_OR_RETURN(const auto second, clock.Run(b, 2));
    ratios.push_back(first[1] / second[1]);
  }
  return Median(ratios);
}

}  // namespace

MachineRates MeasureRates() {
  constexpr size_t kBeyondL2 = size_t{16} << 20;
  return {tensor::FloatPeak(nullptr), tensor::ReadBandwidth(kBeyondL2, nullptr) / sizeof(float)};
}

TileSizes KernelTiles(const AttentionShape& shape, TiledSchedule schedule, int64_t cache_words,
                      const MachineRates& rates) {
  const int64_t n = shape.keys, d = shape.head_dim;
  const auto whole = [](double size, int64_t unit) {
    return std::max<int64_t>(1, static_cast<int64_t>(size) / unit) * unit;
  };
  const double balance = 4 * rates.multiply_adds / rates.words;
  const int64_t wanted = std::min(whole(balance + kRegisterRows - 1, kRegisterRows),
                                  whole(n + kRegisterRows - 1, kRegisterRows));
  if (schedule == TiledSchedule::kTwoPhase) {
    // Phase 2 holds columns^2 values, weights and sums; the slab is what phase 1 has room for.
    const double m = static_cast<double>(cache_words), r = static_cast<double>(wanted);
    const int64_t columns =
        whole(std::min<double>(std::sqrt(m + r * r) - r, n + kPanel - 1), kPanel);
    const double slab = (m - r * columns) / (r + columns);
    return {wanted, columns, static_cast<int64_t>(std::clamp<double>(slab, 1, d))};
  }
  const int64_t most = whole(std::max<double>(1, (cache_words - 2.0 * kPanel * d) /
                                                     (2.0 * d + kPanel + 2)), kRegisterRows);
  const int64_t rows = std::min(wanted, most);
  const double columns = (cache_words - rows * (2.0 * d + 2)) / (2.0 * d + rows);
  return {rows, whole(std::clamp<double>(columns, 1, n + kPanel - 1), kPanel), d};
}

absl::StatusOr<TiledSchedule> KernelSchedule(const AttentionShape& shape, int64_t cache_words) {
  WEIR_ASSIGN_OR_RETURN(const AttentionPlan plan, PlanAttention(shape, cache_words));
  const Schedule best = plan.best().schedule;
  return best == Schedule::kRowOuter || best == Schedule::kColumnOuter ? TiledSchedule::kRowOuter
                                                                       : TiledSchedule::kTwoPhase;
}

absl::StatusOr<ClockReport> ClockTiles(const AttentionShape& shape, int64_t cache_words,
                                       int64_t rounds, const Context& context) {
  ClockReport report;
  report.grid = Grid(shape);
  const int64_t turns = 2 * rounds + 1;
  WEIR_RETURN_IF_ERROR(
      CheckClock(shape, static_cast<double>(report.grid.size()) * rounds + 8.0 * turns));
  WEIR_ASSIGN_OR_RETURN(report.planned.schedule, KernelSchedule(shape, cache_words));
  report.rates = MeasureRates();
  report.planned.tiles =
      KernelTiles(shape, report.planned.schedule, cache_words, report.rates);
  Clock clock(shape, context.seed);
  for (TileTime& each : report.grid) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    WEIR_ASSIGN_OR_RETURN(const auto seconds, clock.Run(each, rounds));
    each.seconds = Median(seconds);
    TileTime& best = report.best_of[static_cast<int>(each.schedule)];
    if (best.seconds == 0 || each.seconds < best.seconds) best = each;
  }
  WEIR_ASSIGN_OR_RETURN(const auto planned, clock.Run(report.planned, rounds));
  report.planned.seconds = Median(planned);
  const auto& [row_outer, two_phase] = report.best_of;
  WEIR_ASSIGN_OR_RETURN(report.two_phase_to_row_outer, Ratio(clock, two_phase, row_outer, turns));
  const bool row_outer_wins = report.two_phase_to_row_outer >= 1;
  WEIR_ASSIGN_OR_RETURN(
      report.planned_to_best,
      Ratio(clock, report.planned, row_outer_wins ? row_outer : two_phase, turns));
  report.schedule_right =
      row_outer_wins == (report.planned.schedule == TiledSchedule::kRowOuter);
  return report;
}

}  // namespace weir::plan
