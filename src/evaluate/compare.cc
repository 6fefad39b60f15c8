#include "evaluate/compare.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/statistics.h"
#include "base/status.h"

namespace weir::evaluate {
namespace {

constexpr size_t kMaxColumns = 64;

absl::Status Damaged(const LineReader& lines, std::string_view what) {
  return absl::DataLossError(absl::StrCat(lines.Where(), ": ", std::string(what)));
}

absl::StatusOr<QueryValues> ReadFileValues(const std::string& path) {
  WEIR_ASSIGN_OR_RETURN(const std::unique_ptr<LineReader> lines, LineReader::Open(path));
  return ReadQueryValues(*lines);
}

// Of one metric, in the order of the queries' names.
absl::StatusOr<std::vector<double>> Column(const QueryValues& values, const std::string& metric,
                                           const std::string& file) {
  std::vector<double> out;
  for (const auto& [query, row] : values) {
    const auto found = row.find(metric);
    if (found == row.end()) {
      std::vector<std::string> known;
      for (const auto& [name, value] : row) known.push_back(name);
      return absl::InvalidArgumentError(absl::StrCat("metric ", metric, ": not in ", file,
                                                     ", which has ", absl::StrJoin(known, ", ")));
    }
    out.push_back(found->second);
  }
  return out;
}

absl::Status SameQueries(const QueryValues& a, const QueryValues& b, const std::string& base,
                         const std::string& file) {
  for (const auto& [query, row] : a) {
    if (!b.contains(query)) {
      return absl::InvalidArgumentError(
          absl::StrCat("query ", query, " is in ", base, " and not in ", file));
    }
  }
  if (a.size() != b.size()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", b.size(), " queries; ", base,
                                                   " has ", a.size()));
  }
  return absl::OkStatus();
}

}  // namespace

Comparison CompareOverSets(const std::vector<std::vector<double>>& base,
                           const std::vector<std::vector<double>>& run,
                           const SignificanceOptions& options) {
  Comparison out;
  std::vector<std::vector<double>> differences(base.size());
  const auto sets = static_cast<double>(base.size());
  for (size_t s = 0; s < base.size(); ++s) {
    out.base += Mean(base[s]) / sets;
    out.mean += Mean(run[s]) / sets;
    out.queries += static_cast<int64_t>(base[s].size());
    for (size_t i = 0; i < base[s].size(); ++i) {
      differences[s].push_back(run[s][i] - base[s][i]);
      out.better += run[s][i] > base[s][i];
      out.worse += run[s][i] < base[s][i];
    }
  }
  out.test = TestPairedOverSets(differences, options);
  return out;
}

void CorrectByHolm(std::span<Comparison> rows) {
  std::vector<double> p;
  for (const Comparison& row : rows) p.push_back(row.test.p);
  const std::vector<double> holm = Holm(p);
  for (size_t i = 0; i < holm.size(); ++i) rows[i].holm_p = holm[i];
}

absl::StatusOr<QueryValues> ReadQueryValues(LineReader& lines) {
  std::string line;
  WEIR_ASSIGN_OR_RETURN(bool more, lines.Next(line));
  const std::vector<std::string> heading = absl::StrSplit(line, '\t');
  if (!more || heading.size() < 2 || heading.size() > kMaxColumns || heading[0] != "query") {
    return Damaged(lines, "expected a heading \"query\" and names of metrics, separated by tabs");
  }
  QueryValues out;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(more, lines.Next(line));
    if (!more) return out;
    if (line.empty()) continue;
    const std::vector<std::string_view> cells = absl::StrSplit(std::string_view(line), '\t');
    if (cells.size() != heading.size()) {
      return Damaged(lines, absl::StrCat(cells.size(), " columns; the heading has ",
                                         heading.size()));
    }
    const auto [at, fresh] = out.try_emplace(std::string(cells[0]));
    if (!fresh) return Damaged(lines, absl::StrCat("query ", at->first, " comes twice"));
    for (size_t i = 1; i < cells.size(); ++i) {
      double value = 0;
      if (!absl::SimpleAtod(cells[i], &value) || !std::isfinite(value)) {
        return Damaged(lines, absl::StrCat("\"", std::string(cells[i].substr(0, 40)),
                                           "\"; expected a number"));
      }
      at->second[heading[i]] = value;
    }
  }
}

absl::StatusOr<std::vector<Comparison>> CompareRuns(const std::vector<std::string>& files,
                                                    const std::vector<std::string>& metrics,
                                                    const SignificanceOptions& options) {
  if (files.size() < 2) return absl::InvalidArgumentError("compare: expected two files or more");
  std::vector<QueryValues> values;
  for (const std::string& file : files) {
    WEIR_ASSIGN_OR_RETURN(values.emplace_back(), ReadFileValues(file));
    WEIR_RETURN_IF_ERROR(SameQueries(values[0], values.back(), files[0], file));
  }
  std::vector<Comparison> out;
  for (const std::string& metric : metrics) {
    WEIR_ASSIGN_OR_RETURN(const std::vector<double> base, Column(values[0], metric, files[0]));
    const size_t first = out.size();
    for (size_t i = 1; i < files.size(); ++i) {
      WEIR_ASSIGN_OR_RETURN(const std::vector<double> run, Column(values[i], metric, files[i]));
      Comparison row = CompareOverSets({base}, {run}, options);
      row.run = files[i];
      row.metric = metric;
      out.push_back(std::move(row));
    }
    CorrectByHolm(std::span(out).subspan(first));
  }
  return out;
}

std::string ComparisonsToJson(const std::string& base, const std::vector<Comparison>& rows,
                              const SignificanceOptions& options) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const Comparison& c : rows) {
    list.push_back({{"run", c.run},
                    {"metric", c.metric},
                    {"queries", c.queries},
                    {"better", c.better},
                    {"worse", c.worse},
                    {"base", c.base},
                    {"mean", c.mean},
                    {"difference", c.test.mean},
                    {"low", c.test.low},
                    {"high", c.test.high},
                    {"p", c.test.p},
                    {"holm_p", c.holm_p}});
  }
  return Json{{"version", 1},
              {"base", base},
              {"trials", options.trials},
              {"seed", options.seed},
              {"rows", std::move(list)}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace weir::evaluate
