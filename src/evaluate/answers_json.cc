#include <nlohmann/json.hpp>

#include "evaluate/answers.h"

namespace weir::evaluate {

std::string AnswersToJson(const AnswersReport& report) {
  using Json = nlohmann::ordered_json;
  Json results = Json::array();
  for (const AnswerResult& r : report.results) {
    results.push_back({{"id", r.id},
                       {"answerable", r.answerable},
                       {"paraphrase", r.paraphrase},
                       {"status", r.status},
                       {"right", r.right},
                       {"by_phrase", r.by_phrase},
                       {"coverage", r.coverage},
                       {"quotes", r.quotes},
                       {"verbatim", r.verbatim},
                       {"first_token_s", r.first_token_s},
                       {"total_s", r.total_s},
                       {"text", r.text}});
  }
  const Json json = {{"version", 1},
                     {"model", report.model},
                     {"answerable", report.answerable},
                     {"right", report.right},
                     {"wrongly_refused", report.wrongly_refused},
                     {"paraphrased", report.paraphrased},
                     {"right_paraphrased", report.right_paraphrased},
                     {"unanswerable", report.unanswerable},
                     {"refused", report.refused},
                     {"quotes", report.quotes},
                     {"verbatim", report.verbatim},
                     {"first_token_median_s", report.first_token_median_s},
                     {"total_median_s", report.total_median_s},
                     {"total_max_s", report.total_max_s},
                     {"peak_bytes", report.peak_bytes},
                     {"results", std::move(results)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace weir::evaluate
