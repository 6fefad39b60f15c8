// weir eval: retrieval quality on BEIR folders.

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/eval_setup.h"
#include "cli/verbs.h"
#include "evaluate/report.h"

namespace weir::cli {
namespace {

struct EvalVerbOptions {
  EvalOptions eval;
  evaluate::SetsOptions sets;
  std::string leaderboard, name, report;
  template <class V>
  void Visit(V& v) {
    eval.Visit(v);
    sets.Visit(v);
    v(report, {.name = "report",
               .help = "File for a page about it, FILE.html or FILE.md.",
               .fingerprint = false});
    v(leaderboard, {.name = "leaderboard",
                    .help = "File that gets a line for each measured set (weir eval leaderboard).",
                    .fingerprint = false});
    v(name, {.name = "name",
             .help = "What the leaderboard calls this system.",
             .fingerprint = false});
  }
};

class EvalVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {
        .name = "eval",
        .summary = "Measure retrieval on BEIR folders: nDCG@10, recall@100, MAP, MRR@10, P@10.",
        .arguments = "DIR...",
        .example = "weir eval --pipelines lexical,hybrid data/scifact data/cranfield",
        .description =
            "DIR holds corpus.jsonl, queries.jsonl (plain or .zst) and qrels/SPLIT.tsv. The "
            "metrics are trec_eval's. Pipelines are tested against the best single one, for each "
            "set and for the mean over the sets. A set that fails does not stop the others.",
        .min_arguments = 1,
        .max_arguments = -1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_RETURN_IF_ERROR(Check(arguments));
    WEIR_ASSIGN_OR_RETURN(const SearchModels models, LoadEvalModels(options_.eval, session));
    EvalVerbOptions defaults;
    const evaluate::EvalOrigin origin = OriginOf(CommandOf(
        "eval", BindOptions(defaults), BindOptions(options_), arguments, session));
    evaluate::SetsRecord record;
    const absl::Status failure = Measure(arguments, models, origin, session, record);
    options_.sets.significance.seed = session.context().seed;
    WEIR_RETURN_IF_ERROR(evaluate::CompareSets(options_.sets, record));
    if (record.sets.empty()) return failure;
    if (!options_.report.empty()) {
      WEIR_RETURN_IF_ERROR(evaluate::WriteReport(options_.report, record, origin));
    }
    Print(record, arguments.size() == 1, origin, session);
    return failure.ok() ? kExitDone : ExitCode(failure);
  }

 private:
  absl::Status Check(std::span<const std::string> folders) const {
    const evaluate::RetrievalOptions& retrieval = options_.eval.retrieval;
    if (folders.size() > 1 && !(retrieval.queries.empty() && retrieval.qrels.empty())) {
      return absl::InvalidArgumentError("queries, qrels: files of one set; several were given");
    }
    if (!options_.report.empty()) {
      WEIR_RETURN_IF_ERROR(evaluate::CheckReportPath(options_.report));
    }
    if (!options_.leaderboard.empty()) WEIR_RETURN_IF_ERROR(CheckLeaderboard());
    std::map<std::string, std::string> names;
    for (const std::string& folder : folders) {
      const auto [other, fresh] = names.emplace(evaluate::SetName(folder), folder);
      if (!fresh) {
        return absl::InvalidArgumentError(absl::StrCat(
            other->second, " and ", folder, ": two sets of one name; rename a folder"));
      }
    }
    const std::string& baseline = options_.sets.baseline;
    const std::vector<std::string>& pipelines = retrieval.pipelines;
    if (!baseline.empty() &&
        std::find(pipelines.begin(), pipelines.end(), baseline) == pipelines.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("baseline: ", baseline, " is not among the pipelines"));
    }
    return absl::OkStatus();
  }

  // Returns the first failure; what was measured is in the record whatever it is.
  absl::Status Measure(std::span<const std::string> folders, const SearchModels& models,
                       const evaluate::EvalOrigin& origin, Session& session,
                       evaluate::SetsRecord& record) {
    absl::Status failure;
    const int64_t start = session.context().now_ns();
    for (size_t i = 0; i < folders.size(); ++i) {
      evaluate::RetrievalOptions options = options_.eval.retrieval;
      if (folders.size() > 1 && !options.index_in.empty()) {
        absl::StrAppend(&options.index_in, "/", evaluate::SetName(folders[i]));
      }
      absl::StatusOr<evaluate::EvalRecord> set = evaluate::EvaluateRetrieval(
          folders[i], options, models.Borrow(), session.registry(), session.context());
      if (set.ok()) {
        record.sets.push_back(*std::move(set));
        NoteDone(record.sets.back(), i, folders.size(), session);
        // At once: a later set may fail or be interrupted.
        const absl::Status kept = Record(record.sets.back(), models, origin);
        if (!kept.ok()) {
          session.Note(std::string(kept.message()));
          return kept;
        }
        continue;
      }
      if (failure.ok()) failure = set.status();
      if (folders.size() == 1) break;
      record.failed.push_back({folders[i], std::string(set.status().message())});
      session.Note(absl::StrCat("[", i + 1, "/", folders.size(), "] ", folders[i], ": ",
                                std::string(set.status().message())));
      if (absl::IsCancelled(set.status())) break;
    }
    record.took_s = static_cast<double>(session.context().now_ns() - start) * 1e-9;
    return failure;
  }

  absl::Status Record(const evaluate::EvalRecord& set, const SearchModels& models,
                      const evaluate::EvalOrigin& origin) const {
    if (options_.leaderboard.empty()) return absl::OkStatus();
    return evaluate::AppendToLeaderboard(
        options_.leaderboard, EntryOf(set, options_.eval, models, origin, options_.name,
                                      options_.sets.metric));
  }

  // What is damaged is told before hours are spent.
  absl::Status CheckLeaderboard() const {
    const absl::StatusOr<std::unique_ptr<evaluate::LineReader>> lines =
        evaluate::LineReader::Open(options_.leaderboard);
    if (absl::IsNotFound(lines.status())) return absl::OkStatus();
    WEIR_RETURN_IF_ERROR(lines.status());
    return evaluate::ReadLeaderboard(**lines).status();
  }

  void NoteDone(const evaluate::EvalRecord& set, size_t i, size_t n, Session& session) const {
    if (n == 1 || session.options().progress == "off") return;
    std::string line = absl::StrCat("[", i + 1, "/", n, "] ", set.set, ":");
    for (const evaluate::EvalRun& run : set.runs) {
      absl::StrAppendFormat(&line, " %s %.4f", run.pipeline, run.metrics.at(options_.sets.metric));
    }
    session.Note(absl::StrFormat("%s (%.1f s)", line, set.took_s));
  }

  void Print(const evaluate::SetsRecord& record, bool one, const evaluate::EvalOrigin& origin,
             Session& session) const {
    if (session.json()) {
      session.Print(one ? evaluate::EvalToJson(record.sets[0], origin)
                        : evaluate::SetsToJson(record, options_.sets, origin));
      return;
    }
    for (const evaluate::EvalRecord& set : record.sets) session.Print(EvalAsText(set));
    if (!one) session.Print(SetsAsText(record));
  }

  EvalVerbOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeEvalVerb() { return std::make_unique<EvalVerb>(); }

}  // namespace weir::cli
