#include "evaluate/leaderboard.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/files.h"
#include "base/status.h"

namespace weir::evaluate {
namespace {

constexpr double kLexicalDifference = 0.0005, kNeuralDifference = 0.002;

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

// A lock on the file that `path` names now. Writers replace the file, so one who waited may hold
// the lock of a file that is gone.
class FileLock {
 public:
  explicit FileLock(std::string path) : path_(std::move(path)) {}
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() {
    if (fd_ >= 0) close(fd_);
  }

  absl::Status Take() {
    while (true) {
      fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
      if (fd_ < 0) return ErrnoStatus(errno, path_);
      struct stat held = {}, named = {};
      if (fstat(fd_, &held) != 0) return ErrnoStatus(errno, path_);
      if (!S_ISREG(held.st_mode)) {
        return absl::InvalidArgumentError(absl::StrCat(path_, ": not a regular file"));
      }
      if (flock(fd_, LOCK_EX) != 0) return ErrnoStatus(errno, path_);
      if (stat(path_.c_str(), &named) == 0 && named.st_ino == held.st_ino &&
          named.st_dev == held.st_dev) {
        return absl::OkStatus();
      }
      close(fd_);
      fd_ = -1;
    }
  }

 private:
  std::string path_;
  int fd_ = -1;
};

bool IsLexical(std::string_view pipeline) { return pipeline == "bm25" || pipeline == "lexical"; }

// Values of the metric in the order of the queries; empty when there are none.
std::vector<double> ValuesOf(const EvalRun& run, const std::string& metric) {
  std::vector<double> values;
  for (const auto& [query, row] : run.per_query) {
    const auto found = row.find(metric);
    if (found == row.end()) return {};
    values.push_back(found->second);
  }
  return values;
}

bool SameQueries(const EvalRun& a, const EvalRun& b) {
  return std::equal(a.per_query.begin(), a.per_query.end(), b.per_query.begin(), b.per_query.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first; });
}

void TestAgainstBest(StandingsGroup& group, const std::string& metric,
                     const SignificanceOptions& options) {
  const std::vector<double> best = ValuesOf(*group.rows[0].run, metric);
  std::vector<Comparison> tests;
  for (Standing& row : group.rows) {
    const std::vector<double> values = ValuesOf(*row.run, metric);
    if (&row == &group.rows[0] || best.empty() || values.empty() ||
        !SameQueries(*group.rows[0].run, *row.run)) {
      continue;
    }
    row.tested = true;
    tests.push_back(CompareOverSets({best}, {values}, options));
  }
  CorrectByHolm(tests);
  auto next = tests.begin();
  for (Standing& row : group.rows) {
    if (row.tested) row.test = *next++;
  }
}

// "name=value" parts of a fingerprint; \; is no end of one.
std::map<std::string, std::string> FingerprintParts(std::string_view fingerprint) {
  std::map<std::string, std::string> parts;
  std::string part;
  const auto finish = [&] {
    const size_t equals = part.find('=');
    if (equals != part.npos) parts[part.substr(0, equals)] = part.substr(equals + 1);
    part.clear();
  };
  for (size_t i = 0; i < fingerprint.size(); ++i) {
    if (fingerprint[i] == '\\' && i + 1 < fingerprint.size()) {
      part += fingerprint[++i];
    } else if (fingerprint[i] == ';') {
      finish();
    } else {
      part += fingerprint[i];
    }
  }
  finish();
  return parts;
}

void CompareFingerprints(const std::string& recorded, const std::string& measured,
                         std::vector<std::string>& problems) {
  const auto before = FingerprintParts(recorded), now = FingerprintParts(measured);
  for (const auto& [name, value] : now) {
    const auto found = before.find(name);
    if (found == before.end()) {
      problems.push_back(absl::StrCat(name, ": not in the record, now ", value));
    } else if (found->second != value) {
      problems.push_back(absl::StrCat(name, ": recorded ", found->second, ", now ", value));
    }
  }
  for (const auto& [name, value] : before) {
    if (!now.contains(name)) problems.push_back(absl::StrCat(name, ": recorded, not there now"));
  }
}

}  // namespace

bool IsReplayable(const OptionField& field) {
  static const auto& known = *new absl::flat_hash_set<std::string>([] {
    RetrievalOptions options;
    absl::flat_hash_set<std::string> names = {"queries", "qrels", "encoder", "sparse-encoder",
                                              "model"};
    const OptionTable table = BindOptions(options);
    for (const OptionField& own : table.fields()) {
      if (own.spec().fingerprint) names.insert(std::string(own.spec().name));
    }
    return names;
  }());
  return known.contains(field.spec().name);
}

absl::StatusOr<std::vector<LeaderboardEntry>> ReadLeaderboard(LineReader& lines) {
  std::vector<LeaderboardEntry> entries;
  std::string line;
  for (int64_t number = 1;; ++number) {
    WEIR_ASSIGN_OR_RETURN(const bool more, lines.Next(line));
    if (!more) return entries;
    if (IsBlank(line)) continue;
    absl::StatusOr<LeaderboardEntry> entry = ParseEntry(line);
    if (!entry.ok()) return Annotate(entry.status(), lines.Where());
    entry->line = number;
    entries.push_back(*std::move(entry));
  }
}

absl::Status AppendToLeaderboard(const std::string& path, const LeaderboardEntry& entry) {
  // The rename below shall replace the file, not a link to it.
  std::error_code error;
  const std::string target = std::filesystem::weakly_canonical(path, error).string();
  if (error) return ErrnoStatus(error.value(), path);
  FileLock lock(target);
  WEIR_RETURN_IF_ERROR(lock.Take());
  WEIR_ASSIGN_OR_RETURN(std::string text, ReadFile(target));
  if (!text.empty() && text.back() != '\n') {
    return absl::DataLossError(
        absl::StrCat(path, ": the last line has no end; repair or remove it first"));
  }
  absl::StrAppend(&text, EntryToJson(entry), "\n");
  return WriteFileAtomic(target, text);
}

absl::StatusOr<std::vector<StandingsGroup>> RankEntries(
    const std::vector<LeaderboardEntry>& entries, const std::string& metric,
    const SignificanceOptions& options) {
  std::vector<StandingsGroup> groups;
  std::map<std::vector<std::string>, size_t> places;
  for (const LeaderboardEntry& entry : entries) {
    const EvalRecord& r = entry.record;
    const auto [place, fresh] = places.emplace(
        std::vector<std::string>{r.set, r.split, r.corpus_sha256, r.queries_sha256, r.qrels_sha256},
        groups.size());
    if (fresh) {
      groups.push_back({r.set, r.split, r.corpus_sha256, r.queries_sha256, r.qrels_sha256, 0, {}});
    }
    StandingsGroup& group = groups[place->second];
    for (const EvalRun& run : r.runs) {
      const auto found = run.metrics.find(metric);
      if (found == run.metrics.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat("metric ", metric, ": not in the record of line ", entry.line));
      }
      group.queries = std::max(group.queries, run.queries);
      group.rows.push_back({&entry, &run, found->second, false, {}});
    }
  }
  std::erase_if(groups, [](const StandingsGroup& group) { return group.rows.empty(); });
  for (StandingsGroup& group : groups) {
    std::stable_sort(group.rows.begin(), group.rows.end(),
                     [](const Standing& a, const Standing& b) { return a.value > b.value; });
    TestAgainstBest(group, metric, options);
  }
  return groups;
}

bool Verification::accepted() const {
  return problems.empty() && !runs.empty() &&
         std::all_of(runs.begin(), runs.end(), [](const VerifiedRun& run) { return run.holds(); });
}

Verification CompareWithRecord(const LeaderboardEntry& entry, const EvalRecord& measured) {
  Verification out{.name = entry.name, .line = entry.line};
  CompareFingerprints(entry.record.fingerprint, measured.fingerprint, out.problems);
  for (const EvalRun& recorded : entry.record.runs) {
    const auto now = std::find_if(
        measured.runs.begin(), measured.runs.end(),
        [&](const EvalRun& run) { return run.pipeline == recorded.pipeline; });
    if (now == measured.runs.end()) {
      out.problems.push_back(
          absl::StrCat("pipeline ", recorded.pipeline, " was not measured again"));
      continue;
    }
    VerifiedRun run{.pipeline = recorded.pipeline,
                    .recorded_sha256 = recorded.per_query_sha256,
                    .measured_sha256 = now->per_query_sha256};
    const auto rerank = entry.options.find("rerank");
    const bool reread = rerank != entry.options.end() && rerank->second != "none";
    run.allowed = IsLexical(run.pipeline) && !reread ? kLexicalDifference : kNeuralDifference;
    for (const auto& [metric, value] : now->metrics) {
      const auto before = recorded.metrics.find(metric);
      const double difference =
          before == recorded.metrics.end() ? 1 : std::abs(before->second - value);
      if (difference > run.largest_difference || run.metric.empty()) {
        run.largest_difference = difference;
        run.metric = metric;
      }
    }
    if (recorded.queries != now->queries) {
      out.problems.push_back(absl::StrCat(run.pipeline, ": recorded ", recorded.queries,
                                          " queries, now ", now->queries));
    }
    out.runs.push_back(std::move(run));
  }
  return out;
}

}  // namespace weir::evaluate
