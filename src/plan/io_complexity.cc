#include "plan/io_complexity.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/registry.h"
#include "base/status.h"
#include "plan/machine_caches.h"
#include "plan/plan_model.h"

namespace weir::plan {
namespace {

class IoComplexityModel : public PlanModel {
 public:
  explicit IoComplexityModel(const AttentionPlanOptions& options) : options_(options) {}

  absl::StatusOr<std::vector<Prediction>> Predict() const override {
    const AttentionShape shape = options_.Shape();
    int64_t words = options_.cache;
    if (words == 0) {
      WEIR_ASSIGN_OR_RETURN(const auto levels, DetectCaches());
      words = levels.back().EffectiveWords(sizeof(float));
    }
    WEIR_ASSIGN_OR_RETURN(const AttentionPlan plan, PlanAttention(shape, words));
    const double heads = static_cast<double>(shape.kv_heads);
    return std::vector<Prediction>{{"moved", heads * plan.best().words.total(), "words"},
                                   {"bound", heads * plan.bound, "words"},
                                   {"rows", static_cast<double>(plan.best().tiles.rows), "rows"},
                                   {"columns", static_cast<double>(plan.best().tiles.columns),
                                    "keys"}};
  }

 private:
  AttentionPlanOptions options_;
};

}  // namespace

std::string_view NameOf(Regime regime) {
  switch (regime) {
    case Regime::kTiled: return "tiled";
    case Regime::kTwoPhase: return "two-phase";
    case Regime::kFits: return "fits";
    case Regime::kDecode: return "decode";
  }
  return "";
}

Regime RegimeOf(const AttentionShape& shape, int64_t cache_words) {
  const int64_t d = shape.head_dim;
  if (shape.queries == 1 || (shape.rows() < d && d <= shape.keys)) return Regime::kDecode;
  if (d > shape.keys || cache_words > shape.keys * d) return Regime::kFits;
  return cache_words < d * d ? Regime::kTwoPhase : Regime::kTiled;
}

double Bound(const AttentionShape& shape, int64_t cache_words) {
  const double d = static_cast<double>(shape.head_dim);
  const double pairs = static_cast<double>(shape.Pairs());
  const double once = 2 * d * static_cast<double>(shape.rows() + shape.keys);
  switch (RegimeOf(shape, cache_words)) {
    case Regime::kTiled: return pairs * d * d / static_cast<double>(cache_words);
    case Regime::kTwoPhase: return pairs * d / std::sqrt(static_cast<double>(cache_words));
    case Regime::kFits:
    case Regime::kDecode: return once;
  }
  return once;
}

absl::StatusOr<AttentionPlan> PlanAttention(const AttentionShape& shape, int64_t cache_words) {
  WEIR_RETURN_IF_ERROR(Check(shape));
  if (cache_words < kSmallestCache || cache_words > kLargestCache) {
    return absl::InvalidArgumentError(absl::StrCat("cache: ", cache_words, " words; expected ",
                                                   kSmallestCache, " to ", kLargestCache));
  }
  AttentionPlan plan;
  plan.cache_words = cache_words;
  plan.regime = RegimeOf(shape, cache_words);
  plan.bound = Bound(shape, cache_words);
  for (const Schedule schedule : kSchedules) {
    SchedulePlan one;
    one.schedule = schedule;
    if (const auto tiles = BestTiles(shape, schedule, cache_words)) {
      one.fits = true;
      one.tiles = *tiles;
      one.words = CountWords(shape, schedule, *tiles, cache_words);
      one.resident = ResidentWords(shape, schedule, *tiles);
    }
    plan.schedules.push_back(one);
    const SchedulePlan& best = plan.best();
    if (one.fits && (!best.fits || one.words.total() < best.words.total())) {
      plan.chosen = plan.schedules.size() - 1;
    }
  }
  if (!plan.best().fits) {  // three words hold a tile of the unfused products
    return absl::InternalError(absl::StrCat("no schedule fits ", cache_words, " words"));
  }
  return plan;
}

std::optional<double> SlopeOf(std::span<const AttentionPlan> plans) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const AttentionPlan& plan : plans) {
    const double a = std::log(static_cast<double>(plan.cache_words));
    const double b = std::log(static_cast<double>(plan.best().words.total()));
    n += 1, x += a, y += b, xx += a * a, xy += a * b;
  }
  const double spread = n * xx - x * x;
  if (plans.size() < 2 || spread <= 0) return std::nullopt;
  return (n * xy - x * y) / spread;
}

std::vector<int64_t> SweepSizes(const AttentionShape& shape, int64_t first) {
  const int64_t d = shape.head_dim, last = std::min(kLargestCache, 4 * shape.keys * d);
  std::vector<int64_t> sizes;
  for (double size = static_cast<double>(first); size <= last; size *= std::sqrt(2.0)) {
    sizes.push_back(static_cast<int64_t>(std::llround(size)));
  }
  if (d * d >= first && d * d <= last) sizes.push_back(d * d);
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

void RegisterIoComplexity(Registry& registry) {
  registry.Add<PlanModel>(
      "io-complexity", "Words that exact attention moves at a cache size, and its tiles.",
      [](const OptionTable& table) -> absl::StatusOr<std::unique_ptr<PlanModel>> {
        WEIR_ASSIGN_OR_RETURN(const auto options, ReadOptions<AttentionPlanOptions>(table));
        return std::make_unique<IoComplexityModel>(options);
      },
      OwnedOptions<AttentionPlanOptions>);
}

}  // namespace weir::plan
