// What a ClaimsReport looks like: a table, a JSON record, the features of each pair.

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "evaluate/claims.h"

namespace weir::evaluate {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string Percent(int64_t part, int64_t whole) {
  return whole == 0 ? "-" : absl::StrFormat("%.1f%%", 100.0 * part / whole);
}

double Share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string Area(double auc, bool known) {
  return known ? absl::StrFormat("%.3f", auc) : "-";
}

}  // namespace

std::string ClaimsTable(const ClaimsReport& report) {
  std::string out = absl::StrFormat(
      "%s (%s claims), %s: support = logistic(%g + %g lexical + %g cosine), threshold %g\n"
      "at most 5%% of both kinds of other sentences: threshold %.4f\n\n",
      report.set, report.part, report.encoder, report.rule.intercept, report.rule.lexical,
      report.rule.cosine, report.rule.threshold, report.strict_threshold);
  absl::StrAppend(
      &out,
      "| pairs | number | accepted | at 5% | refused by numbers, names, negation, additions, "
      "support | AUC support | logistic | lexical | cosine |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
  const bool positives = report.kinds[0].pairs > 0;
  for (size_t k = 0; k < report.kinds.size(); ++k) {
    const ClaimCounts& c = report.kinds[k];
    const bool known = k > 0 && positives && c.pairs > 0;
    absl::StrAppendFormat(&out, "| %s | %d | %s | %s | %d, %d, %d, %d, %d | %s | %s | %s | %s |\n",
                          kClaimKinds[k], c.pairs, Percent(c.accepted, c.pairs),
                          Percent(c.accepted_strictly, c.pairs), c.refused_by[0], c.refused_by[1],
                          c.refused_by[2], c.refused_by[3], c.refused_by[4],
                          Area(c.auc_support, known),
                          Area(c.auc_logistic, known), Area(c.auc_lexical, known),
                          Area(c.auc_cosine, known));
  }
  return out;
}

std::string ClaimsToJson(const ClaimsReport& report) {
  Json kinds = Json::array();
  for (size_t k = 0; k < report.kinds.size(); ++k) {
    const ClaimCounts& c = report.kinds[k];
    Json kind = {{"kind", kClaimKinds[k]},
                 {"pairs", c.pairs},
                 {"accepted", c.accepted},
                 {"share", Share(c.accepted, c.pairs)},
                 {"exact", c.exact},
                 {"refused_by",
                  {{"numbers", c.refused_by[0]},
                   {"names", c.refused_by[1]},
                   {"polarity", c.refused_by[2]},
                   {"covered", c.refused_by[3]},
                   {"support", c.refused_by[4]}}},
                 {"accepted_strictly", c.accepted_strictly},
                 {"share_strictly", Share(c.accepted_strictly, c.pairs)}};
    if (k > 0) {
      kind["auc"] = {{"support", c.auc_support},
                     {"logistic", c.auc_logistic},
                     {"lexical", c.auc_lexical},
                     {"cosine", c.auc_cosine}};
    }
    kinds.push_back(std::move(kind));
  }
  return Dump({{"version", 1},
               {"set", report.set},
               {"part", report.part},
               {"encoder", report.encoder},
               {"rule",
                {{"intercept", report.rule.intercept},
                 {"lexical", report.rule.lexical},
                 {"cosine", report.rule.cosine},
                 {"threshold", report.rule.threshold}}},
               {"strict_threshold", report.strict_threshold},
               {"kinds", std::move(kinds)}});
}

std::string ClaimFeatures(const ClaimsReport& report) {
  std::string out;
  for (const ClaimPair& pair : report.pairs) {
    const ClaimScore& s = pair.score;
    absl::StrAppend(&out,
                    Dump({{"query", pair.query},
                          {"doc", pair.document},
                          {"kind", kClaimKinds[static_cast<size_t>(pair.kind)]},
                          {"sentences", pair.sentences},
                          {"numbers", s.numbers},
                          {"names", s.names},
                          {"polarity", s.polarity},
                          {"covered", s.covered},
                          {"lexical", s.lexical},
                          {"cosine", s.cosine},
                          {"logistic", s.logistic},
                          {"support", s.support},
                          {"accepted", s.accepted}}),
                    "\n");
  }
  return out;
}

}  // namespace weir::evaluate
