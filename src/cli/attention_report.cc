#include "cli/attention_report.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tensor/attention.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string TilesText(const plan::SchedulePlan& p) {
  std::string text = absl::StrFormat("%d x %d", p.tiles.rows, p.tiles.columns);
  const bool slabs =
      p.schedule == plan::Schedule::kTwoPhase || p.schedule == plan::Schedule::kUnfused;
  if (slabs) absl::StrAppend(&text, ", slab ", p.tiles.slab);
  return text;
}

std::string TilesText(const tensor::TileSizes& t) {
  return absl::StrFormat("%d x %d, slab %d", t.rows, t.columns, t.slab);
}

Json TilesJson(const auto& t) {
  return {{"rows", t.rows}, {"columns", t.columns}, {"slab", t.slab}};
}

// The engine's own tile in the schedule that it has.
struct EngineTile {
  plan::Tiles tiles;
  plan::Words words;
  int64_t resident = 0;
};
EngineTile EngineTileOf(const AttentionReport& r, const plan::AttentionPlan& p) {
  const plan::AttentionShape& s = r.shape;
  const tensor::PrefillTile tile =
      tensor::PrefillTileOf(static_cast<int>(s.heads / s.kv_heads), 1);
  EngineTile engine{.tiles = {tile.rows, tile.keys, 1}};
  constexpr auto kSchedule = plan::Schedule::kRowOuter;
  engine.words = plan::CountWords(s, kSchedule, engine.tiles, p.cache_words);
  engine.resident = plan::ResidentWords(s, kSchedule, engine.tiles);
  return engine;
}

// All KV heads.
int64_t Moved(const AttentionReport& r, const plan::Words& words) {
  return words.total() * r.shape.kv_heads;
}

void AppendLevel(const AttentionReport& r, const AttentionLevel& level, std::string& out) {
  const plan::AttentionPlan& p = level.plan;
  absl::StrAppendFormat(&out, "\n%s: M = %d words; d^2 = %d, regime %s\n", level.name,
                        p.cache_words, r.shape.head_dim * r.shape.head_dim, NameOf(p.regime));
  if (p.regime == plan::Regime::kFits && r.shape.head_dim > r.shape.keys) {
    absl::StrAppend(&out, "  d > n: the theorem says nothing; the bound is reading and writing ",
                    "once\n");
  }
  absl::StrAppendFormat(
      &out, "  choose %s, tiles %s: %d words = %.1f MB; bound %.0f words, ratio %.2f\n",
      NameOf(p.best().schedule), TilesText(p.best()), Moved(r, p.best().words),
      1e-6 * r.word_bytes * Moved(r, p.best().words), p.bound * r.shape.kv_heads, p.ratio());
  absl::StrAppendFormat(&out, "  %-13s %22s %16s %10s %8s%s\n", "schedule", "tiles", "words",
                        "MB", "ratio", level.counted.empty() ? "" : "          counted");
  for (size_t i = 0; i < p.schedules.size(); ++i) {
    const plan::SchedulePlan& s = p.schedules[i];
    if (!s.fits) {
      absl::StrAppendFormat(&out, "  %-13s %22s\n", NameOf(s.schedule), "does not fit");
      continue;
    }
    absl::StrAppendFormat(&out, "  %-13s %22s %16d %10.1f %8.2f", NameOf(s.schedule), TilesText(s),
                          Moved(r, s.words), 1e-6 * r.word_bytes * Moved(r, s.words),
                          static_cast<double>(s.words.total()) / p.bound);
    if (!level.counted.empty() && level.counted[i]) {
      absl::StrAppendFormat(&out, " %16d", Moved(r, level.counted[i]->words));
    }
    absl::StrAppend(&out, "\n");
  }
  const EngineTile engine = EngineTileOf(r, p);
  absl::StrAppendFormat(&out, "  %-13s %22s %16d %10.1f %8.2f  row-outer; %d words resident\n",
                        "engine", absl::StrFormat("%d x %d", engine.tiles.rows,
                                                  engine.tiles.columns),
                        Moved(r, engine.words), 1e-6 * r.word_bytes * Moved(r, engine.words),
                        static_cast<double>(engine.words.total()) / p.bound, engine.resident);
  const auto simulated = [&](const char* what, const std::optional<plan::SimulatedWords>& lru) {
    if (!lru) return;
    absl::StrAppendFormat(&out, "  LRU of 2 M words, %s: %d words, %.2f of the plan\n", what,
                          lru->total() * r.shape.kv_heads,
                          static_cast<double>(lru->total()) / p.best().words.total());
  };
  simulated("lines of a word", level.lru_words);
  simulated("lines of 64 bytes", level.lru_lines);
}

void AppendClock(const plan::ClockReport& c, std::string& out) {
  const auto row = [&](const char* what, const plan::TileTime& t) {
    absl::StrAppendFormat(&out, "  %-20s %-10s %22s %10.2f ms\n", what,
                          tensor::NameOf(t.schedule), TilesText(t.tiles), 1e3 * t.seconds);
  };
  absl::StrAppendFormat(
      &out,
      "\nclock: one head, f32, one core, %d tiles; peak %.1f GMAC/s, %.1f Gword/s beyond L2\n",
      c.grid.size(), 1e-9 * c.rates.multiply_adds, 1e-9 * c.rates.words);
  row("planned", c.planned);
  row("best row-outer", c.best_of[0]);
  row("best two-phase", c.best_of[1]);
  double worst[2] = {0, 0};
  for (const plan::TileTime& t : c.grid) {
    double& slot = worst[static_cast<int>(t.schedule)];
    slot = std::max(slot, t.seconds);
  }
  absl::StrAppendFormat(&out, "  slowest tiles: row-outer %.2f ms, two-phase %.2f ms\n",
                        1e3 * worst[0], 1e3 * worst[1]);
  absl::StrAppendFormat(
      &out, "  planned / best %.3f; two-phase / row-outer %.3f; the planned schedule %s\n",
      c.planned_to_best, c.two_phase_to_row_outer, c.schedule_right ? "wins" : "loses");
}

Json LevelJson(const AttentionReport& r, const AttentionLevel& level) {
  const plan::AttentionPlan& p = level.plan;
  Json out = {{"name", level.name},
              {"cache_words", p.cache_words},
              {"regime", NameOf(p.regime)},
              {"schedule", NameOf(p.best().schedule)},
              {"tiles", TilesJson(p.best().tiles)},
              {"words", Moved(r, p.best().words)},
              {"bytes", Moved(r, p.best().words) * r.word_bytes},
              {"bound", p.bound * r.shape.kv_heads},
              {"ratio", p.ratio()}};
  Json schedules = Json::array();
  for (size_t i = 0; i < p.schedules.size(); ++i) {
    const plan::SchedulePlan& s = p.schedules[i];
    Json one = {{"name", NameOf(s.schedule)}, {"fits", s.fits}};
    if (s.fits) {
      one["tiles"] = TilesJson(s.tiles);
      one["resident"] = s.resident;
      one["loads"] = s.words.loads * r.shape.kv_heads;
      one["stores"] = s.words.stores * r.shape.kv_heads;
      if (!level.counted.empty() && level.counted[i]) {
        one["counted"] = Moved(r, level.counted[i]->words);
      }
    }
    schedules.push_back(std::move(one));
  }
  out["schedules"] = std::move(schedules);
  const EngineTile engine = EngineTileOf(r, p);
  out["engine"] = {{"rows", engine.tiles.rows},
                   {"columns", engine.tiles.columns},
                   {"resident", engine.resident},
                   {"words", Moved(r, engine.words)}};
  const auto simulated = [&](const char* name, const std::optional<plan::SimulatedWords>& lru) {
    if (!lru) return;
    out[name] = {{"fetched", lru->fetched * r.shape.kv_heads},
                 {"written", lru->written * r.shape.kv_heads},
                 {"cold", lru->cold * r.shape.kv_heads}};
  };
  simulated("lru_words", level.lru_words);
  simulated("lru_lines", level.lru_lines);
  return out;
}

Json TimeJson(const plan::TileTime& t) {
  return {{"schedule", tensor::NameOf(t.schedule)},
          {"tiles", TilesJson(t.tiles)},
          {"seconds", t.seconds}};
}

Json ClockJson(const plan::ClockReport& c) {
  Json grid = Json::array();
  for (const plan::TileTime& t : c.grid) grid.push_back(TimeJson(t));
  return {{"planned", TimeJson(c.planned)},
          {"planned_to_best", c.planned_to_best},
          {"two_phase_to_row_outer", c.two_phase_to_row_outer},
          {"schedule_right", c.schedule_right},
          {"multiply_adds_per_second", c.rates.multiply_adds},
          {"words_per_second", c.rates.words},
          {"grid", std::move(grid)}};
}

}  // namespace

std::string AttentionToText(const AttentionReport& r) {
  const plan::AttentionShape& s = r.shape;
  std::string out = absl::StrFormat(
      "attention: n %d, d %d, %d queries, heads %d/%d, %s, %s words of %d bytes\n", s.keys,
      s.head_dim, s.queries, s.heads, s.kv_heads, s.causal ? "causal" : "not causal", r.type,
      r.word_bytes);
  for (const AttentionLevel& level : r.levels) AppendLevel(r, level, out);
  if (r.clock) AppendClock(*r.clock, out);
  out.pop_back();  // Print ends the last line
  return out;
}

std::string AttentionToJson(const AttentionReport& r) {
  const plan::AttentionShape& s = r.shape;
  Json out = {{"version", 1},
              {"shape",
               {{"n", s.keys},
                {"d", s.head_dim},
                {"queries", s.queries},
                {"heads", s.heads},
                {"kv_heads", s.kv_heads},
                {"causal", s.causal}}},
              {"type", r.type},
              {"word_bytes", r.word_bytes}};
  out["levels"] = Json::array();
  for (const AttentionLevel& level : r.levels) out["levels"].push_back(LevelJson(r, level));
  if (r.clock) out["clock"] = ClockJson(*r.clock);
  return out.dump();
}

std::string AttentionToCsv(const AttentionReport& r) {
  std::string out = "cache_words,regime,schedule,rows,columns,slab,words,counted,bound,ratio,slope";
  for (const plan::Schedule schedule : plan::kSchedules) {
    absl::StrAppend(&out, ",", NameOf(schedule));
  }
  const plan::AttentionPlan* before = nullptr;
  for (const AttentionLevel& level : r.levels) {
    const plan::AttentionPlan& p = level.plan;
    const auto& best = p.best();
    absl::StrAppendFormat(&out, "\n%d,%s,%s,%d,%d,%d,%d,", p.cache_words, NameOf(p.regime),
                          NameOf(best.schedule), best.tiles.rows, best.tiles.columns,
                          best.tiles.slab, Moved(r, best.words));
    if (!level.counted.empty() && level.counted[p.chosen]) {
      absl::StrAppend(&out, Moved(r, level.counted[p.chosen]->words));
    }
    absl::StrAppendFormat(&out, ",%.0f,%.3f,", p.bound * r.shape.kv_heads, p.ratio());
    if (before != nullptr) {
      const double words = static_cast<double>(best.words.total()) / before->best().words.total();
      const double cache = static_cast<double>(p.cache_words) / before->cache_words;
      absl::StrAppendFormat(&out, "%.3f", std::log(words) / std::log(cache));
    }
    for (const plan::SchedulePlan& s : p.schedules) {
      absl::StrAppend(&out, ",");
      if (s.fits) absl::StrAppend(&out, Moved(r, s.words));
    }
    before = &p;
  }
  return out;
}

}  // namespace weir::cli
