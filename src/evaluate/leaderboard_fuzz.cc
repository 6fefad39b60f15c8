// Bytes as a leaderboard: read and ranked or refused; what was read is written and read as the
// same.
#include <cstddef>
#include <cstdint>
#include <span>

#include "evaluate/leaderboard.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::evaluate;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto lines =
      LineReader::OverBytes("leaderboard", bytes, {.line_bytes = 1 << 16, .total_bytes = 1 << 20});
  const auto entries = ReadLeaderboard(*lines);
  if (!entries.ok()) return 0;
  (void)RankEntries(*entries, "ndcg@10", {.trials = 100});
  for (const LeaderboardEntry& entry : *entries) {
    const std::string written = EntryToJson(entry);
    const auto again = ParseEntry(written);
    if (!again.ok() || EntryToJson(*again) != written) __builtin_trap();
    (void)CompareWithRecord(entry, again->record);
  }
  return 0;
}
