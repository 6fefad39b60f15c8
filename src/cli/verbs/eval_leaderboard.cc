// weir eval leaderboard: what was measured so far, best first, and whether it can be measured
// again.

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/eval_setup.h"
#include "cli/verbs.h"
#include "text/unicode.h"

namespace weir::cli {
namespace {

using evaluate::LeaderboardEntry;

struct LeaderboardOptions {
  std::string metric = "ndcg@10";
  std::string verify, sets;
  evaluate::SignificanceOptions significance;
  template <class V>
  void Visit(V& v) {
    v(metric, {.name = "metric", .help = "Metric that the table is ordered by."});
    v(verify, {.name = "verify",
               .help = "Measure again the record of this line, those of this name, or all."});
    v(sets,
      {.name = "sets",
       .help = "Folder that holds the sets by name, where they are no longer where they were.",
       .fingerprint = false});
    significance.Visit(v);
  }
};

// The file may say anything; a terminal shall see no control characters of it.
std::string Shown(std::string_view bytes) {
  const std::string text = weir::text::RepairUtf8(bytes);
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = weir::text::NextCodePoint(text, at);
    weir::text::AppendUtf8(c < 0x20 || (c >= 0x7F && c < 0xA0) ? U'?' : c, out);
  }
  return out;
}

class EvalLeaderboardVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "eval leaderboard",
            .summary = "Show the records that weir eval --leaderboard left, or measure them again.",
            .arguments = "FILE",
            .example = "weir eval leaderboard --verify 2 leaderboard.jsonl",
            .description =
                "Systems are listed by set, best first, each tested against the best of its set. "
                "--verify measures a record again with its own options, and accepts it when data "
                "and models are the same and no mean differs by more than .0005 (lexical) or .002 "
                "(with a model). Nothing of the file is run, and no file that it names is written.",
            .min_arguments = 1,
            .max_arguments = 1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(const auto lines, evaluate::LineReader::Open(arguments[0]));
    WEIR_ASSIGN_OR_RETURN(const std::vector<LeaderboardEntry> entries,
                          evaluate::ReadLeaderboard(*lines));
    if (!options_.verify.empty()) return Verify(entries, arguments[0], session);
    options_.significance.seed = session.context().seed;
    WEIR_ASSIGN_OR_RETURN(const auto groups, evaluate::RankEntries(entries, options_.metric,
                                                                   options_.significance));
    if (session.json()) {
      session.Print(evaluate::StandingsToJson(groups, options_.metric));
    } else {
      for (const evaluate::StandingsGroup& group : groups) session.Print(AsText(group));
    }
    return groups.empty() ? kExitNothing : kExitDone;
  }

 private:
  std::string AsText(const evaluate::StandingsGroup& group) const {
    std::string out =
        absl::StrFormat("%s, %s: %d queries, corpus %s, judgements %s\n", Shown(group.set),
                        Shown(group.split), group.queries, Shown(group.corpus_sha256).substr(0, 8),
                        Shown(group.qrels_sha256).substr(0, 8));
    for (const evaluate::Standing& s : group.rows) {
      absl::StrAppendFormat(&out, "  %.4f  %-16s  %-20s  line %d, weir %s, %s", s.value,
                            Shown(s.run->pipeline), Shown(s.entry->name), s.entry->line,
                            Shown(s.entry->origin.weir), Shown(s.entry->time));
      if (s.tested) {
        absl::StrAppendFormat(&out, "  %+.4f [%+.4f, %+.4f] to the best, Holm %.4f",
                              s.test.test.mean, s.test.test.low, s.test.test.high, s.test.holm_p);
      }
      out += "\n";
    }
    return out;
  }

  absl::StatusOr<int> Verify(const std::vector<LeaderboardEntry>& entries, const std::string& file,
                             Session& session) {
    std::vector<evaluate::Verification> all;
    for (const LeaderboardEntry& entry : entries) {
      int64_t line = 0;
      const bool number = absl::SimpleAtoi(options_.verify, &line);
      const bool wanted = options_.verify == "all" ||
                          (number ? line == entry.line : options_.verify == entry.name);
      if (!wanted) continue;
      session.Note(absl::StrCat("line ", entry.line, ": measuring ", Shown(entry.record.set)));
      absl::StatusOr<evaluate::Verification> one = MeasureAgain(entry, session);
      if (!one.ok()) {
        if (absl::IsCancelled(one.status())) return one.status();
        // Such a record cannot be believed; the others may.
        one = evaluate::Verification{.name = entry.name,
                                     .line = entry.line,
                                     .problems = {std::string(one.status().message())}};
      }
      if (!session.json()) session.Print(AsText(*one));
      all.push_back(*std::move(one));
    }
    if (all.empty()) {
      return absl::NotFoundError(
          absl::StrCat(file, ": no record of line or name ", options_.verify));
    }
    if (session.json()) session.Print(evaluate::VerificationsToJson(all));
    const bool accepted =
        std::all_of(all.begin(), all.end(), [](const auto& v) { return v.accepted(); });
    return accepted ? kExitDone : kExitNothing;
  }

  // Through the library, with options that were parsed and checked as a command line's are.
  absl::StatusOr<evaluate::Verification> MeasureAgain(const LeaderboardEntry& entry,
                                                      Session& session) const {
    WEIR_ASSIGN_OR_RETURN(const EvalOptions options, OptionsOf(entry));
    std::string folder = entry.record.folder;
    if (!options_.sets.empty()) {
      folder = absl::StrCat(options_.sets, "/", evaluate::SetName(entry.record.folder));
    }
    Context context = session.context();
    context.seed = entry.record.seed;
    WEIR_ASSIGN_OR_RETURN(const SearchModels models, LoadEvalModels(options, session));
    WEIR_ASSIGN_OR_RETURN(
        const evaluate::EvalRecord measured,
        evaluate::EvaluateRetrieval(folder, options.retrieval, models.Borrow(),
                                    session.registry(), context));
    return evaluate::CompareWithRecord(entry, measured);
  }

  static std::string AsText(const evaluate::Verification& v) {
    std::string out = absl::StrFormat("line %d %s: %s\n", v.line, Shown(v.name),
                                      v.accepted() ? "accepted" : "not accepted");
    for (const evaluate::VerifiedRun& run : v.runs) {
      absl::StrAppendFormat(
          &out, "  %-16s  %s differs most, by %.6f (at most %.4f)  values by query %s, %s\n",
          Shown(run.pipeline), run.metric, run.largest_difference, run.allowed,
          run.measured_sha256.substr(0, 16),
          run.measured_sha256 == run.recorded_sha256 ? "as recorded" : "other than recorded");
    }
    for (const std::string& problem : v.problems) absl::StrAppend(&out, "  ", Shown(problem), "\n");
    return out;
  }

  LeaderboardOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeEvalLeaderboardVerb() { return std::make_unique<EvalLeaderboardVerb>(); }

}  // namespace weir::cli
