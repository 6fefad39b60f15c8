#include "cli/bench_record.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/statistics.h"
#include "cli/machine.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

std::string BenchToJson(const std::vector<BenchRow>& rows) {
  Json out = Json::array();
  for (const BenchRow& r : rows) {
    out.push_back({{"name", r.name},
                   {"unit", r.unit},
                   {"weir", r.weir},
                   {"baseline", r.baseline},
                   {"baseline_name", r.baseline_name},
                   {"ratio", r.ratio},
                   {"limit", r.limit},
                   {"rounds", r.rounds},
                   {"spread", r.spread}});
  }
  return Json{{"version", 1}, {"machine", Machine()}, {"rows", std::move(out)}}.dump();
}

std::string BenchToText(const std::vector<BenchRow>& rows) {
  std::string out = Machine() + "\n";
  absl::StrAppendFormat(&out, "%-34s %10s %10s %7s %9s %8s %7s  %s\n", "name", "weir",
                        "baseline", "ratio", "limit", "of limit", "spread", "unit, baseline");
  for (const BenchRow& r : rows) {
    const std::string share =
        r.limit > 0 ? absl::StrFormat("%.0f%%", 100 * r.weir / r.limit) : "-";
    absl::StrAppendFormat(&out, "%-34s %10.1f %10.1f %7.2f %9.1f %8s %6.0f%%  %s, %s\n", r.name,
                          r.weir, r.baseline, r.ratio, r.limit, share, 100 * r.spread, r.unit,
                          r.baseline_name.empty() ? "none" : r.baseline_name);
  }
  return out;
}

BenchRow Compare(std::string name, std::string unit, int64_t rounds, bool lower_is_better,
                 const std::function<double()>& ours, std::string baseline_name,
                 const std::function<double()>& theirs) {
  std::vector<double> a, b;
  for (int64_t i = 0; i < rounds; ++i) {
    a.push_back(ours());
    b.push_back(theirs());
  }
  BenchRow row{.name = std::move(name), .unit = std::move(unit)};
  row.weir = Median(a);
  row.baseline = Median(b);
  row.baseline_name = std::move(baseline_name);
  const double better = lower_is_better ? row.baseline : row.weir;
  const double worse = lower_is_better ? row.weir : row.baseline;
  row.ratio = worse > 0 ? better / worse : 0;
  row.rounds = rounds;
  row.spread = Spread(a);
  return row;
}

}  // namespace weir::cli
