// A local leaderboard: a file of JSON lines, one record a measured set, that only grows. A record
// holds all that is needed to measure again and to tell whether the same was measured
// (docs/evaluation.md).
//
// The file is hostile input: what it says is shown and compared, never run. Only options by which
// figures differ are taken from it (IsReplayable), none that names a file to write.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/options.h"
#include "evaluate/lines.h"
#include "evaluate/retrieval.h"

namespace weir::evaluate {

struct LeaderboardEntry {
  int64_t line = 0;  // from 1; 0 before it is in a file
  std::string name;  // the system's, as its owner calls it
  std::string time;  // "2026-11-27T18:42:30Z"
  EvalOrigin origin;
  // Name -> value as text, of the options that IsReplayable.
  std::map<std::string, std::string> options;
  // Its query_texts are empty, its per_query has `metric` alone.
  EvalRecord record;
  std::string metric = "ndcg@10";  // of the values of each query
};

// Options of a run that a record carries: those of the fingerprint and the inputs. `field` is one
// of the verb's own table.
bool IsReplayable(const OptionField& field);

// One line without its end.
std::string EntryToJson(const LeaderboardEntry& entry);
// kDataLoss for anything that EntryToJson would not write.
absl::StatusOr<LeaderboardEntry> ParseEntry(std::string_view json);
// All lines; blank ones are skipped. Errors name file and line.
absl::StatusOr<std::vector<LeaderboardEntry>> ReadLeaderboard(LineReader& lines);

// Adds a line at the end, durably: after a crash the file has all its lines or all and the new one.
// Waits for other writers. Makes the file if it is not there; kDataLoss, and nothing is written,
// when its last line has no end.
absl::Status AppendToLeaderboard(const std::string& path, const LeaderboardEntry& entry);

// Entries that measured the same: set, split and the hashes of corpus, queries and judgements.
struct Standing {
  const LeaderboardEntry* entry = nullptr;
  const EvalRun* run = nullptr;
  double value = 0;
  // Against the best of the group; absent for that one and where a record holds no values of the
  // metric.
  bool tested = false;
  Comparison test;
};
struct StandingsGroup {
  std::string set, split, corpus_sha256, queries_sha256, qrels_sha256;
  int64_t queries = 0;
  std::vector<Standing> rows;  // best first, then by line
};
// Borrows the entries. Groups in the order of their first entry. kInvalidArgument for a metric that
// a run lacks.
absl::StatusOr<std::vector<StandingsGroup>> RankEntries(
    const std::vector<LeaderboardEntry>& entries, const std::string& metric,
    const SignificanceOptions& options);
std::string StandingsToJson(const std::vector<StandingsGroup>& groups, const std::string& metric);

// What a second measurement says of a record.
struct VerifiedRun {
  std::string pipeline;
  double largest_difference = 0;  // of the means, over all metrics
  double allowed = 0;
  std::string metric;  // that differs most
  std::string recorded_sha256, measured_sha256;  // of the values of each query
  bool holds() const { return largest_difference <= allowed; }
};
struct Verification {
  std::string name;
  int64_t line = 0;
  std::vector<std::string> problems;  // what was not the same: data, models, options
  std::vector<VerifiedRun> runs;
  bool accepted() const;
};
// Allowed: .0005 for lexical pipelines, .002 for those with a model.
Verification CompareWithRecord(const LeaderboardEntry& entry, const EvalRecord& measured);
std::string VerificationsToJson(const std::vector<Verification>& all);

}  // namespace weir::evaluate
