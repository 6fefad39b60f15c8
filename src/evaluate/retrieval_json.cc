#include <nlohmann/json.hpp>

#include "evaluate/retrieval.h"
#include "evaluate/sets.h"

namespace weir::evaluate {
namespace {

using Json = nlohmann::ordered_json;

Json RunsOf(const std::vector<EvalRun>& runs) {
  Json out = Json::array();
  for (const EvalRun& run : runs) {
    Json metrics = Json::object();
    for (const MetricSpec& metric : StandardMetrics()) {
      const auto found = run.metrics.find(metric.Name());
      if (found != run.metrics.end()) metrics[found->first] = found->second;
    }
    Json row = {{"pipeline", run.pipeline},
                {"metrics", std::move(metrics)},
                {"queries", run.queries},
                {"took_s", run.took_s}};
    if (!run.per_query_sha256.empty()) row["per_query_sha256"] = run.per_query_sha256;
    out.push_back(std::move(row));
  }
  return out;
}

void AddTests(const PipelineTests& tests, Json& out) {
  if (tests.baseline.empty()) return;
  Json rows = Json::array();
  for (const Comparison& c : tests.rows) {
    rows.push_back({{"pipeline", c.run},
                    {"queries", c.queries},
                    {"better", c.better},
                    {"worse", c.worse},
                    {"base", c.base},
                    {"mean", c.mean},
                    {"difference", c.test.mean},
                    {"low", c.test.low},
                    {"high", c.test.high},
                    {"p", c.test.p},
                    {"holm_p", c.holm_p},
                    {"significant", IsSignificant(c)}});
  }
  out["metric"] = tests.metric;
  out["baseline"] = tests.baseline;
  out["tests"] = std::move(rows);
}

Json SetOf(const EvalRecord& record) {
  Json json = {{"set", record.set},
               {"split", record.split},
               {"runs", RunsOf(record.runs)},
               {"fingerprint", record.fingerprint},
               {"documents", record.documents},
               {"index_s", record.index_s},
               {"folder", record.folder},
               {"sha256",
                {{"corpus", record.corpus_sha256},
                 {"queries", record.queries_sha256},
                 {"qrels", record.qrels_sha256}}},
               {"language", record.language},
               {"models", record.models},
               {"seed", record.seed},
               {"took_s", record.took_s},
               {"index_bytes", record.index_bytes},
               {"peak_bytes", record.peak_bytes}};
  AddTests(record.tests, json);
  return json;
}

void AddOrigin(const EvalOrigin& origin, Json& out) {
  out["weir"] = origin.weir;
  out["command"] = origin.command;
  out["machine"] = origin.machine;
}

std::string Text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string EvalToJson(const EvalRecord& record, const EvalOrigin& origin) {
  Json json = {{"version", 1}};
  json.update(SetOf(record));
  AddOrigin(origin, json);
  return Text(json);
}

std::string SetsToJson(const SetsRecord& record, const SetsOptions& options,
                       const EvalOrigin& origin) {
  Json sets = Json::array(), failed = Json::array();
  for (const EvalRecord& set : record.sets) sets.push_back(SetOf(set));
  for (const FailedSet& set : record.failed) {
    failed.push_back({{"folder", set.folder}, {"reason", set.reason}});
  }
  Json mean = {{"sets", record.sets.size()}, {"runs", RunsOf(record.mean)}};
  AddTests(record.tests, mean);
  Json json = {{"version", 1},
               {"sets", std::move(sets)},
               {"failed", std::move(failed)},
               {"mean", std::move(mean)},
               {"trials", options.significance.trials},
               {"took_s", record.took_s}};
  if (!record.recommended.empty()) {
    json["recommended"] = record.recommended;
    json["advice"] = record.advice;
  }
  AddOrigin(origin, json);
  return Text(json);
}

}  // namespace weir::evaluate
