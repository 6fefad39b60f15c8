// Attention plans as the text, CSV and JSON of `weir plan attention`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plan/attention_clock.h"
#include "plan/attention_count.h"
#include "plan/attention_trace.h"
#include "plan/io_complexity.h"

namespace weir::cli {

// A plan at one cache size and what was measured of it. Counts are of one KV head.
struct AttentionLevel {
  std::string name;  // "L1", "L2", "given"
  plan::AttentionPlan plan;
  // By schedule, those that fit; empty unless counted.
  std::vector<std::optional<plan::CountedWords>> counted;
  std::optional<plan::SimulatedWords> lru_words, lru_lines;  // of the chosen schedule
};

struct AttentionReport {
  plan::AttentionShape shape;
  std::string type;
  int64_t word_bytes = 4;
  std::vector<AttentionLevel> levels;
  std::optional<plan::ClockReport> clock;
};

std::string AttentionToText(const AttentionReport& report);
std::string AttentionToJson(const AttentionReport& report);
// One row a level, for plotting: the slope is that of log words over log cache since the row above.
std::string AttentionToCsv(const AttentionReport& report);

}  // namespace weir::cli
