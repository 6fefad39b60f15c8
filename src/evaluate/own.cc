#include "evaluate/own.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/files.h"
#include "base/status.h"
#include "evaluate/memory.h"

namespace weir::evaluate {
namespace {

double SecondsSince(int64_t start_ns, const Context& context) {
  return static_cast<double>(context.now_ns() - start_ns) * 1e-9;
}

const EvalRun& RunOf(const std::vector<EvalRun>& runs, const std::string& pipeline) {
  return *std::find_if(runs.begin(), runs.end(),
                       [&](const EvalRun& run) { return run.pipeline == pipeline; });
}

double MillisecondsPerQuery(const EvalRun& run) {
  return run.queries == 0 ? 0 : run.took_s * 1e3 / static_cast<double>(run.queries);
}

// The fastest of those that are certainly no more than a little worse than the best.
std::string FastestOfTheBest(const SetsRecord& record) {
  std::string chosen = record.tests.baseline;
  for (const Comparison& row : record.tests.rows) {
    if (row.test.low < -kEqualEnough) continue;
    if (RunOf(record.mean, row.run).took_s < RunOf(record.mean, chosen).took_s) chosen = row.run;
  }
  return chosen;
}

std::string BestOfStyles(const SetsRecord& record, const std::string& metric) {
  std::vector<std::string> parts;
  for (const EvalRecord& style : record.sets) {
    const auto best = std::max_element(
        style.runs.begin(), style.runs.end(), [&](const EvalRun& a, const EvalRun& b) {
          return a.metrics.at(metric) < b.metrics.at(metric);
        });
    parts.push_back(absl::StrFormat("%s %s (%.3f)", style.set, best->pipeline,
                                    best->metrics.at(metric)));
  }
  return absl::StrJoin(parts, ", ");
}

void AdviseOnOthers(const SetsRecord& record, std::vector<std::string>& advice) {
  const std::string& best = record.tests.baseline;
  for (const Comparison& row : record.tests.rows) {
    advice.push_back(absl::StrFormat(
        "%s is behind %s by %.3f (95%% interval %.3f to %.3f)%s.", row.run, best, -row.test.mean,
        -row.test.high, -row.test.low,
        IsSignificant(row) ? "" : ", which may be chance"));
  }
}

}  // namespace

absl::StatusOr<std::vector<EvalRecord>> EvaluateKnownItems(
    const index::Store& store, const KnownItemSet& set, const KnownItemOptions& made,
    const RetrievalOptions& options, const retrieve::Encoders& encoders, const Registry& registry,
    const Context& context) {
  absl::flat_hash_map<int64_t, size_t> places;
  for (size_t p = 0; p < set.passages.size(); ++p) places[set.passages[p].passage] = p;
  const auto name_of = [&](const text::Hit& hit) {
    const auto found = places.find(hit.passage.id);
    return found == places.end() ? std::string() : set.passages[found->second].id;
  };
  WEIR_ASSIGN_OR_RETURN(const index::StoreStatus status, store.Status());
  EvalRecord common{.documents = static_cast<int64_t>(set.passages.size())};
  common.corpus_sha256 = Sha256(set.Corpus());
  common.queries_sha256 = Sha256(set.Queries());
  common.language = status.language;
  common.models = ModelsOf(encoders);
  common.seed = context.seed;
  common.index_bytes = status.bytes;
  KnownItemOptions items = made;
  RetrievalOptions retrieval = options;
  std::vector<EvalRecord> records;
  for (const std::string& style : set.Styles()) {
    ResetPeakMemory();
    const int64_t start = context.now_ns();
    const Qrels qrels = set.QrelsOf(style);
    EvalRecord record = common;
    record.set = record.split = style;
    record.qrels_sha256 = Sha256(QrelsText(qrels));
    std::vector<BeirRecord> queries;
    for (const KnownItem& query : set.queries) {
      if (query.style != style) continue;
      queries.push_back({query.id, "", query.query});
      record.query_texts[query.id] = query.query;
    }
    for (const std::string& pipeline : options.pipelines) {
      const int64_t begin = context.now_ns();
      WEIR_ASSIGN_OR_RETURN(const RankedRun run,
                            RunQueries(store, pipeline, queries, options, encoders, registry,
                                       name_of, context));
      record.runs.push_back(Measured(pipeline, qrels, run));
      record.runs.back().took_s = SecondsSince(begin, context);
    }
    std::map<std::string, std::string> extra = record.models;
    extra["corpus"] = record.corpus_sha256;
    extra["queries"] = record.queries_sha256;
    extra["qrels"] = record.qrels_sha256;
    record.fingerprint = absl::StrCat(BindOptions(items).Fingerprint(), ";",
                                      FingerprintOf(BindOptions(retrieval), extra));
    record.took_s = SecondsSince(start, context);
    record.peak_bytes = PeakMemoryBytes();
    records.push_back(std::move(record));
  }
  return records;
}

std::string BestInMean(const std::vector<EvalRecord>& styles, const std::string& metric) {
  std::string best;
  double most = -1;
  for (const EvalRun& run : styles[0].runs) {
    double sum = 0;
    for (const EvalRecord& style : styles)
      sum += RunOf(style.runs, run.pipeline).metrics.at(metric);
    if (sum > most) {
      most = sum;
      best = run.pipeline;
    }
  }
  return best;
}

absl::Status Advise(const SetsOptions& options, SetsRecord& record) {
  // Words of the passage itself say least of what people ask.
  SetsRecord asked;
  for (const EvalRecord& style : record.sets) {
    if (style.set != "terms") asked.sets.push_back(style);
  }
  if (asked.sets.empty()) asked.sets = record.sets;
  SetsOptions against_best = options;
  against_best.baseline = BestInMean(asked.sets, options.metric);
  WEIR_RETURN_IF_ERROR(CompareSets(against_best, asked));
  const std::string& metric = asked.tests.metric;
  const std::string& best = asked.tests.baseline;
  record.recommended = FastestOfTheBest(asked);
  const EvalRun& chosen = RunOf(asked.mean, record.recommended);
  std::vector<std::string> names;
  for (const EvalRecord& style : asked.sets) names.push_back(style.set);
  std::string first = absl::StrFormat(
      "Use %s: its %s is %.3f over %s, at %.1f ms a query", record.recommended, metric,
      chosen.metrics.at(metric), absl::StrJoin(names, " and "), MillisecondsPerQuery(chosen));
  if (record.recommended == best) {
    first += ", and no other is better.";
  } else {
    absl::StrAppendFormat(&first, ". %s has %.3f and takes %.1f ms; that is at most %.2f better.",
                          best, RunOf(asked.mean, best).metrics.at(metric),
                          MillisecondsPerQuery(RunOf(asked.mean, best)), kEqualEnough);
  }
  record.advice = {first};
  AdviseOnOthers(asked, record.advice);
  record.advice.push_back(absl::StrCat("First in each style: ", BestOfStyles(record, metric), "."));
  record.advice.push_back(
      "Queries of a passage's own words (terms, in part question) favour search by words, and a "
      "set "
      "like this may rank pipelines otherwise than people would. If people ask in words of their "
      "own, add queries of theirs to the folder that --out writes.");
  for (const EvalRecord& style : record.sets) {
    constexpr int64_t kFew = 50;
    if (style.runs[0].queries >= kFew) continue;
    record.advice.push_back(absl::StrCat("Only ", style.runs[0].queries, " queries of style ",
                                         style.set, ": small differences cannot be told."));
  }
  return absl::OkStatus();
}

}  // namespace weir::evaluate
