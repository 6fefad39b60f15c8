// weir plan attention: what attention moves through a cache, and the schedule that moves least.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/attention_report.h"
#include "cli/verbs.h"
#include "plan/attention_clock.h"
#include "plan/attention_count.h"
#include "plan/attention_trace.h"
#include "plan/io_complexity.h"
#include "plan/machine_caches.h"

namespace weir::cli {
namespace {

constexpr int64_t kFirstOfSweep = 64;
constexpr int64_t kLineBytes = 64;

struct PlanAttentionOptions {
  plan::AttentionPlanOptions plan;
  std::string type = "f32";
  bool measure = false;
  std::vector<std::string> counters;
  int64_t rounds = 3;
  bool sweep = false;
  template <class V>
  void Visit(V& v) {
    plan.Visit(v);
    v(type, {.name = "type", .help = "What a word is.", .choices = {"f32", "f16", "bf16"}});
    v(measure, {.name = "measure",
                .help = "Count the accesses, simulate a cache and time the kernel, too."});
    v(counters, {.name = "counters",
                 .help = "What --measure runs: explicit, lru, clock; none names all."});
    v(rounds, {.name = "rounds", .help = "Timed runs of each tile.", .min = 1, .max = 100});
    v(sweep, {.name = "sweep",
              .help = "CSV over cache sizes from --cache (or 64) to beyond n d, in steps of "
                      "sqrt(2); --measure adds the explicit count."});
  }
};

class PlanAttentionVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "plan attention",
            .summary = "Words that exact attention moves through a cache, and the tiles for it.",
            .arguments = "",
            .example = "weir plan attention --n 2048 --d 256 --measure",
            .description =
                "For each cache level (half of this machine's L1 and L2, or --cache words): the "
                "regime (M against d^2), the schedule and tiles of the fewest words, their count "
                "beside the bound of Saha and Ye. The bound is an order without a constant: its "
                "ratio compares, it proves nothing about constants."};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    WEIR_RETURN_IF_ERROR(CheckCounters());
    AttentionReport report;
    report.shape = options_.plan.Shape();
    WEIR_RETURN_IF_ERROR(plan::Check(report.shape));
    report.type = options_.type;
    report.word_bytes = options_.type == "f32" ? 4 : 2;
    WEIR_RETURN_IF_ERROR(AddLevels(report));
    for (AttentionLevel& level : report.levels) {
      WEIR_RETURN_IF_ERROR(session.context().CheckCancelled());
      WEIR_RETURN_IF_ERROR(Measure(report, level));
    }
    if (Measures("clock") && !options_.sweep) {
      const int64_t words = report.levels.back().plan.cache_words;
      WEIR_ASSIGN_OR_RETURN(report.clock, plan::ClockTiles(report.shape, words, options_.rounds,
                                                           session.context()));
    }
    if (options_.sweep) NoteSlopes(report, session);
    session.Print(session.json()  ? AttentionToJson(report)
                  : options_.sweep ? AttentionToCsv(report)
                                   : AttentionToText(report));
    return kExitDone;
  }

 private:
  bool Measures(const std::string& counter) const {
    const auto& list = options_.counters;
    return options_.measure &&
           (list.empty() || std::find(list.begin(), list.end(), counter) != list.end());
  }

  absl::Status CheckCounters() const {
    const std::vector<std::string> known = {"explicit", "lru", "clock"};
    for (const std::string& name : options_.counters) {
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        const std::string nearest = NearestName(name, known);
        return absl::InvalidArgumentError(
            absl::StrCat("counters: \"", name, "\"; expected explicit, lru or clock",
                         nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?")));
      }
    }
    return absl::OkStatus();
  }

  absl::Status AddLevel(AttentionReport& report, std::string name, int64_t words) {
    AttentionLevel level;
    level.name = std::move(name);
    WEIR_ASSIGN_OR_RETURN(level.plan, plan::PlanAttention(report.shape, words));
    report.levels.push_back(std::move(level));
    return absl::OkStatus();
  }

  absl::Status AddLevels(AttentionReport& report) {
    const int64_t given = options_.plan.cache;
    if (options_.sweep) {
      const int64_t first = given == 0 ? kFirstOfSweep : given;
      // Refuses a first size that is too small or too large, which would leave no row.
      WEIR_RETURN_IF_ERROR(plan::PlanAttention(report.shape, first).status());
      for (const int64_t words : plan::SweepSizes(report.shape, first)) {
        WEIR_RETURN_IF_ERROR(AddLevel(report, "sweep", words));
      }
      return absl::OkStatus();
    }
    if (given != 0) return AddLevel(report, "given", given);
    WEIR_ASSIGN_OR_RETURN(const auto caches, plan::DetectCaches());
    for (const plan::CacheLevel& cache : caches) {
      WEIR_RETURN_IF_ERROR(AddLevel(report,
                                    absl::StrCat("half of ", cache.name, " (", cache.bytes / 1024,
                                                 " KiB)"),
                                    cache.EffectiveWords(report.word_bytes)));
    }
    return absl::OkStatus();
  }

  absl::Status Measure(const AttentionReport& report, AttentionLevel& level) {
    const plan::AttentionPlan& p = level.plan;
    if (Measures("explicit")) {
      level.counted.resize(p.schedules.size());
      for (size_t i = 0; i < p.schedules.size(); ++i) {
        const plan::SchedulePlan& s = p.schedules[i];
        if (!s.fits || (options_.sweep && i != p.chosen)) continue;
        WEIR_ASSIGN_OR_RETURN(level.counted[i], plan::CountByWalking(report.shape, s.schedule,
                                                                     s.tiles, p.cache_words));
      }
    }
    if (!Measures("lru") || options_.sweep) return absl::OkStatus();
    const auto simulate = [&](int64_t line_words) {
      const plan::SchedulePlan& s = p.best();
      // Competitive with the plan when it has twice the words.
      return plan::SimulateLru(report.shape, s.schedule, s.tiles, p.cache_words,
                               2 * p.cache_words, line_words);
    };
    WEIR_ASSIGN_OR_RETURN(level.lru_words, simulate(1));
    const int64_t line_words = kLineBytes / report.word_bytes;
    if (2 * p.cache_words < line_words) return absl::OkStatus();
    WEIR_ASSIGN_OR_RETURN(level.lru_lines, simulate(line_words));
    return absl::OkStatus();
  }

  // The exponents that the theorem says are -1/2 and -1. Near n d the 2 n d words of queries and
  // outputs, which no cache saves, flatten the line: so once more without the last four octaves.
  static void NoteSlopes(const AttentionReport& report, Session& session) {
    const int64_t all = plan::kLargestCache;
    const int64_t far = report.shape.keys * report.shape.head_dim / 16;
    NoteSlope(report, plan::Regime::kTwoPhase, all, "", session);
    NoteSlope(report, plan::Regime::kTiled, all, "", session);
    NoteSlope(report, plan::Regime::kTiled, far, " with M <= n d / 16", session);
  }

  static void NoteSlope(const AttentionReport& report, plan::Regime regime, int64_t most,
                        const char* range, Session& session) {
    std::vector<plan::AttentionPlan> plans;
    for (const AttentionLevel& level : report.levels) {
      const bool counts = level.plan.regime == regime && level.plan.cache_words <= most;
      if (counts) plans.push_back(level.plan);
    }
    if (const auto slope = plan::SlopeOf(plans)) {
      session.Note(absl::StrFormat("regime %s, %d cache sizes%s: slope %.3f", plan::NameOf(regime),
                                   plans.size(), range, *slope));
    }
  }

  PlanAttentionOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakePlanAttentionVerb() { return std::make_unique<PlanAttentionVerb>(); }

}  // namespace weir::cli
