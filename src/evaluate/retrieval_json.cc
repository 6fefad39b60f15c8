#include <nlohmann/json.hpp>

#include "evaluate/retrieval.h"

namespace weir::evaluate {

std::string EvalToJson(const EvalRecord& record) {
  using Json = nlohmann::ordered_json;
  Json runs = Json::array();
  for (const EvalRun& run : record.runs) {
    Json metrics = Json::object();
    for (const MetricSpec& metric : StandardMetrics()) {
      const auto found = run.metrics.find(metric.Name());
      if (found != run.metrics.end()) metrics[found->first] = found->second;
    }
    runs.push_back({{"pipeline", run.pipeline},
                    {"metrics", std::move(metrics)},
                    {"queries", run.queries},
                    {"took_s", run.took_s}});
  }
  const Json json = {{"version", 1},
                     {"set", record.set},
                     {"split", record.split},
                     {"runs", std::move(runs)},
                     {"fingerprint", record.fingerprint},
                     {"documents", record.documents},
                     {"index_s", record.index_s}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace weir::evaluate
