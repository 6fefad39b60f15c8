#include <simdjson.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "evaluate/leaderboard.h"

namespace weir::evaluate {
namespace {

using Json = nlohmann::ordered_json;
namespace dom = simdjson::dom;

// The digits that the tables of values by query have too.
double Rounded(double value) { return std::round(value * 1e6) / 1e6; }

std::string Text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json RunToJson(const EvalRun& run, const std::string& metric) {
  Json values = Json::object();
  for (const auto& [query, row] : run.per_query) {
    const auto found = row.find(metric);
    if (found != row.end()) values[query] = Rounded(found->second);
  }
  return {{"pipeline", run.pipeline},
          {"metrics", run.metrics},
          {"queries", run.queries},
          {"took_s", run.took_s},
          {"per_query_sha256", run.per_query_sha256},
          {"per_query", std::move(values)}};
}

// Fields of one object by name and type. Errors name the field.
class Fields {
 public:
  explicit Fields(dom::object object) : object_(object) {}

  absl::StatusOr<std::string> String(const char* name) const {
    std::string_view text;
    if (object_.at_key(name).get(text) != simdjson::SUCCESS) return Wrong(name, "a string");
    return std::string(text);
  }
  absl::StatusOr<double> Number(const char* name) const {
    double value = 0;
    if (object_.at_key(name).get(value) != simdjson::SUCCESS || !std::isfinite(value)) {
      return Wrong(name, "a number");
    }
    return value;
  }
  absl::StatusOr<int64_t> Count(const char* name) const {
    int64_t value = 0;
    if (object_.at_key(name).get(value) != simdjson::SUCCESS || value < 0) {
      return Wrong(name, "a whole number of at least 0");
    }
    return value;
  }
  absl::StatusOr<Fields> Object(const char* name) const {
    dom::object value;
    if (object_.at_key(name).get(value) != simdjson::SUCCESS) return Wrong(name, "an object");
    return Fields(value);
  }
  absl::StatusOr<dom::array> Array(const char* name) const {
    dom::array value;
    if (object_.at_key(name).get(value) != simdjson::SUCCESS) return Wrong(name, "an array");
    return value;
  }
  absl::StatusOr<std::map<std::string, std::string>> Strings(const char* name) const {
    WEIR_ASSIGN_OR_RETURN(const Fields inner, Object(name));
    std::map<std::string, std::string> out;
    for (const auto [key, value] : inner.object_) {
      std::string_view text;
      if (value.get(text) != simdjson::SUCCESS) return Wrong(name, "an object of strings");
      out[std::string(key)] = text;
    }
    return out;
  }
  // Values of metrics.
  absl::StatusOr<std::map<std::string, double>> Shares(const char* name) const {
    WEIR_ASSIGN_OR_RETURN(const Fields inner, Object(name));
    std::map<std::string, double> out;
    for (const auto [key, value] : inner.object_) {
      double number = 0;
      if (value.get(number) != simdjson::SUCCESS || !(number >= 0 && number <= 1)) {
        return Wrong(name, "an object of numbers from 0 to 1");
      }
      out[std::string(key)] = number;
    }
    return out;
  }

 private:
  static absl::Status Wrong(const char* name, std::string_view what) {
    return absl::DataLossError(
        absl::StrCat("field \"", name, "\" is missing or not ", std::string(what)));
  }
  dom::object object_;
};

absl::StatusOr<EvalRun> ParseRun(const Fields& fields, const std::string& metric) {
  EvalRun run;
  WEIR_ASSIGN_OR_RETURN(run.pipeline, fields.String("pipeline"));
  WEIR_ASSIGN_OR_RETURN(run.metrics, fields.Shares("metrics"));
  WEIR_ASSIGN_OR_RETURN(run.queries, fields.Count("queries"));
  WEIR_ASSIGN_OR_RETURN(run.took_s, fields.Number("took_s"));
  WEIR_ASSIGN_OR_RETURN(run.per_query_sha256, fields.String("per_query_sha256"));
  WEIR_ASSIGN_OR_RETURN(const auto values, fields.Shares("per_query"));
  for (const auto& [query, value] : values) run.per_query[query][metric] = value;
  return run;
}

absl::Status ParseSet(const Fields& fields, EvalRecord& record) {
  WEIR_ASSIGN_OR_RETURN(record.set, fields.String("set"));
  WEIR_ASSIGN_OR_RETURN(record.split, fields.String("split"));
  WEIR_ASSIGN_OR_RETURN(record.folder, fields.String("folder"));
  WEIR_ASSIGN_OR_RETURN(record.fingerprint, fields.String("fingerprint"));
  WEIR_ASSIGN_OR_RETURN(record.language, fields.String("language"));
  WEIR_ASSIGN_OR_RETURN(record.models, fields.Strings("models"));
  WEIR_ASSIGN_OR_RETURN(const int64_t seed, fields.Count("seed"));
  record.seed = static_cast<uint64_t>(seed);
  WEIR_ASSIGN_OR_RETURN(record.documents, fields.Count("documents"));
  WEIR_ASSIGN_OR_RETURN(record.index_s, fields.Number("index_s"));
  WEIR_ASSIGN_OR_RETURN(record.took_s, fields.Number("took_s"));
  WEIR_ASSIGN_OR_RETURN(record.index_bytes, fields.Count("index_bytes"));
  WEIR_ASSIGN_OR_RETURN(record.peak_bytes, fields.Count("peak_bytes"));
  WEIR_ASSIGN_OR_RETURN(const Fields hashes, fields.Object("sha256"));
  WEIR_ASSIGN_OR_RETURN(record.corpus_sha256, hashes.String("corpus"));
  WEIR_ASSIGN_OR_RETURN(record.queries_sha256, hashes.String("queries"));
  WEIR_ASSIGN_OR_RETURN(record.qrels_sha256, hashes.String("qrels"));
  return absl::OkStatus();
}

}  // namespace

std::string EntryToJson(const LeaderboardEntry& entry) {
  const EvalRecord& r = entry.record;
  Json runs = Json::array();
  for (const EvalRun& run : r.runs) runs.push_back(RunToJson(run, entry.metric));
  return Text({{"version", 1},
               {"name", entry.name},
               {"time", entry.time},
               {"set", r.set},
               {"split", r.split},
               {"folder", r.folder},
               {"sha256",
                {{"corpus", r.corpus_sha256},
                 {"queries", r.queries_sha256},
                 {"qrels", r.qrels_sha256}}},
               {"weir", entry.origin.weir},
               {"command", entry.origin.command},
               {"machine", entry.origin.machine},
               {"options", entry.options},
               {"models", r.models},
               {"language", r.language},
               {"seed", r.seed},
               {"documents", r.documents},
               {"index_s", r.index_s},
               {"took_s", r.took_s},
               {"index_bytes", r.index_bytes},
               {"peak_bytes", r.peak_bytes},
               {"fingerprint", r.fingerprint},
               {"metric", entry.metric},
               {"runs", std::move(runs)}});
}

absl::StatusOr<LeaderboardEntry> ParseEntry(std::string_view json) {
  dom::parser parser;
  dom::element root;
  const simdjson::error_code error = parser.parse(json.data(), json.size()).get(root);
  if (error != simdjson::SUCCESS) {
    return absl::DataLossError(absl::StrCat("not JSON: ", simdjson::error_message(error)));
  }
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS) return absl::DataLossError("not a JSON object");
  const Fields fields(object);
  WEIR_ASSIGN_OR_RETURN(const int64_t version, fields.Count("version"));
  if (version != 1) {
    return absl::DataLossError(absl::StrCat("version ", version, "; this build reads 1"));
  }
  LeaderboardEntry entry;
  WEIR_ASSIGN_OR_RETURN(entry.name, fields.String("name"));
  WEIR_ASSIGN_OR_RETURN(entry.time, fields.String("time"));
  WEIR_ASSIGN_OR_RETURN(entry.origin.weir, fields.String("weir"));
  WEIR_ASSIGN_OR_RETURN(entry.origin.command, fields.String("command"));
  WEIR_ASSIGN_OR_RETURN(entry.origin.machine, fields.String("machine"));
  WEIR_ASSIGN_OR_RETURN(entry.options, fields.Strings("options"));
  WEIR_ASSIGN_OR_RETURN(entry.metric, fields.String("metric"));
  WEIR_RETURN_IF_ERROR(ParseSet(fields, entry.record));
  WEIR_ASSIGN_OR_RETURN(const dom::array runs, fields.Array("runs"));
  for (const dom::element run : runs) {
    dom::object one;
    if (run.get(one) != simdjson::SUCCESS) {
      return absl::DataLossError("field \"runs\": not an array of objects");
    }
    WEIR_ASSIGN_OR_RETURN(entry.record.runs.emplace_back(), ParseRun(Fields(one), entry.metric));
  }
  return entry;
}

std::string StandingsToJson(const std::vector<StandingsGroup>& groups, const std::string& metric) {
  Json sets = Json::array();
  for (const StandingsGroup& group : groups) {
    Json rows = Json::array();
    for (const Standing& s : group.rows) {
      Json row = {{"value", s.value},
                  {"name", s.entry->name},
                  {"pipeline", s.run->pipeline},
                  {"metrics", s.run->metrics},
                  {"line", s.entry->line},
                  {"time", s.entry->time},
                  {"weir", s.entry->origin.weir},
                  {"command", s.entry->origin.command},
                  {"machine", s.entry->origin.machine},
                  {"models", s.entry->record.models},
                  {"took_s", s.run->took_s},
                  {"index_bytes", s.entry->record.index_bytes},
                  {"peak_bytes", s.entry->record.peak_bytes},
                  {"per_query_sha256", s.run->per_query_sha256}};
      if (s.tested) {
        row["difference"] = s.test.test.mean;
        row["low"] = s.test.test.low;
        row["high"] = s.test.test.high;
        row["p"] = s.test.test.p;
        row["holm_p"] = s.test.holm_p;
      }
      rows.push_back(std::move(row));
    }
    sets.push_back({{"set", group.set},
                    {"split", group.split},
                    {"sha256",
                     {{"corpus", group.corpus_sha256},
                      {"queries", group.queries_sha256},
                      {"qrels", group.qrels_sha256}}},
                    {"queries", group.queries},
                    {"rows", std::move(rows)}});
  }
  return Text({{"version", 1}, {"metric", metric}, {"sets", std::move(sets)}});
}

std::string VerificationsToJson(const std::vector<Verification>& all) {
  Json rows = Json::array();
  for (const Verification& v : all) {
    Json runs = Json::array();
    for (const VerifiedRun& run : v.runs) {
      runs.push_back({{"pipeline", run.pipeline},
                      {"holds", run.holds()},
                      {"largest_difference", run.largest_difference},
                      {"allowed", run.allowed},
                      {"metric", run.metric},
                      {"recorded_per_query_sha256", run.recorded_sha256},
                      {"per_query_sha256", run.measured_sha256}});
    }
    rows.push_back({{"line", v.line},
                    {"name", v.name},
                    {"accepted", v.accepted()},
                    {"problems", v.problems},
                    {"runs", std::move(runs)}});
  }
  return Text({{"version", 1}, {"verified", std::move(rows)}});
}

}  // namespace weir::evaluate
