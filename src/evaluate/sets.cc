#include "evaluate/sets.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace weir::evaluate {
namespace {

constexpr double kSignificant = 0.05;

// The best single pipeline, the best of all when none is single; the first of equals.
std::string BestSingle(const std::vector<EvalRun>& runs, const std::string& metric) {
  const EvalRun* best = nullptr;
  for (const bool single : {true, false}) {
    for (const EvalRun& run : runs) {
      if (single && !IsSingle(run.pipeline)) continue;
      if (best == nullptr || run.metrics.at(metric) > best->metrics.at(metric)) best = &run;
    }
    if (best != nullptr) return best->pipeline;
  }
  return "";
}

const EvalRun* FindRun(const EvalRecord& set, std::string_view pipeline) {
  for (const EvalRun& run : set.runs) {
    if (run.pipeline == pipeline) return &run;
  }
  return nullptr;
}

std::vector<double> ValuesOf(const EvalRun& run, const std::string& metric) {
  std::vector<double> values;
  for (const auto& [query, row] : run.per_query) values.push_back(row.at(metric));
  return values;
}

// Over one set or several; all have the runs of `means`, in which the baseline is looked for.
absl::StatusOr<PipelineTests> TestsOf(std::span<const EvalRecord* const> sets,
                                      const std::vector<EvalRun>& means,
                                      const SetsOptions& options) {
  PipelineTests tests{.metric = options.metric, .baseline = options.baseline};
  if (tests.baseline.empty()) tests.baseline = BestSingle(means, options.metric);
  if (FindRun(*sets[0], tests.baseline) == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("baseline: ", tests.baseline, " is not among the pipelines"));
  }
  const auto values_of = [&](const std::string& pipeline) {
    std::vector<std::vector<double>> values;
    for (const EvalRecord* set : sets) {
      values.push_back(ValuesOf(*FindRun(*set, pipeline), options.metric));
    }
    return values;
  };
  const std::vector<std::vector<double>> base = values_of(tests.baseline);
  for (const EvalRun& run : means) {
    if (run.pipeline == tests.baseline) continue;
    Comparison row = CompareOverSets(base, values_of(run.pipeline), options.significance);
    row.run = run.pipeline;
    row.metric = options.metric;
    tests.rows.push_back(std::move(row));
  }
  CorrectByHolm(tests.rows);
  return tests;
}

std::vector<EvalRun> MeanOf(const std::vector<EvalRecord>& sets) {
  std::vector<EvalRun> mean;
  for (const EvalRun& first : sets[0].runs) {
    EvalRun out{.pipeline = first.pipeline};
    for (const EvalRecord& set : sets) {
      const EvalRun& run = *FindRun(set, first.pipeline);
      for (const auto& [name, value] : run.metrics) {
        out.metrics[name] += value / static_cast<double>(sets.size());
      }
      out.queries += run.queries;
      out.took_s += run.took_s;
    }
    mean.push_back(std::move(out));
  }
  return mean;
}

}  // namespace

bool IsSingle(std::string_view pipeline) {
  return pipeline.substr(0, pipeline.find('+')) != "hybrid";
}

absl::Status CompareSets(const SetsOptions& options, SetsRecord& record) {
  if (record.sets.empty()) return absl::OkStatus();
  std::vector<const EvalRecord*> all;
  for (EvalRecord& set : record.sets) {
    all.push_back(&set);
    WEIR_ASSIGN_OR_RETURN(set.tests, TestsOf({&all.back(), 1}, set.runs, options));
  }
  record.mean = MeanOf(record.sets);
  WEIR_ASSIGN_OR_RETURN(record.tests, TestsOf(all, record.mean, options));
  return absl::OkStatus();
}

bool IsSignificant(const Comparison& row) { return row.holm_p < kSignificant; }

std::string MarkOf(const PipelineTests& tests, std::string_view pipeline) {
  if (pipeline == tests.baseline) return "=";
  for (const Comparison& row : tests.rows) {
    if (row.run == pipeline && IsSignificant(row)) return row.test.mean > 0 ? "+" : "-";
  }
  return "";
}

}  // namespace weir::evaluate
