#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "evaluate/report.h"
#include "text/unicode.h"

namespace weir::evaluate {
namespace {

constexpr size_t kChanges = 10;        // queries shown that gain, and that lose
constexpr size_t kQueryBytes = 1000;  // of a query's text

// No source of anything but the page's own style: also a browser that finds markup where none
// should be loads nothing.
constexpr std::string_view kHead = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Weir: retrieval measured</title>
<style>
body { font: 16px/1.5 sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; background: #fff; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ccc; text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code { font-size: .85rem; overflow-wrap: anywhere; }
svg { max-width: 100%; height: auto; }
svg text { font: 12px sans-serif; fill: #1b1b1b; }
summary { cursor: pointer; }
</style></head><body>
)";

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

void Cell(std::string_view tag, std::string_view text, std::string& out, bool number = false) {
  absl::StrAppend(&out, "<", std::string(tag), number ? " class=\"n\">" : ">", Escaped(text), "</",
                  std::string(tag), ">");
}

void NumberCell(const std::string& text, std::string& out) { Cell("td", text, out, true); }

// Colours that also people tell apart who do not see red and green (Okabe and Ito, 2008).
std::string_view Colour(size_t i) {
  constexpr std::string_view kColours[] = {"#0072B2", "#E69F00", "#009E73", "#CC79A7",
                                           "#56B4E9", "#D55E00", "#999999"};
  return kColours[i % std::size(kColours)];
}

// Bars of all pipelines, a group a set, the mean last.
std::string Chart(const SetsRecord& record) {
  constexpr int kBar = 14, kGap = 14, kLeft = 190, kWidth = 560;
  std::string bars;
  int y = 10;
  const auto group = [&](const std::string& name, const std::vector<EvalRun>& runs) {
    const int height = kBar * static_cast<int>(runs.size());
    absl::StrAppendFormat(&bars, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n",
                          kLeft - 8, y + height / 2 + 4, Escaped(text::CutUtf8(name, 26)));
    for (size_t i = 0; i < runs.size(); ++i) {
      const double value = runs[i].metrics.at(record.tests.metric);
      absl::StrAppendFormat(
          &bars,
          "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"><title>%s %s "
          "%.4f</title></rect><text x=\"%.1f\" y=\"%d\">%s %.4f</text>\n",
          kLeft, y, value * kWidth, kBar - 2, Colour(i), Escaped(name), Escaped(runs[i].pipeline),
          value, kLeft + value * kWidth + 6, y + kBar - 3, Escaped(runs[i].pipeline), value);
      y += kBar;
    }
    y += kGap;
  };
  for (const EvalRecord& set : record.sets) group(set.set, set.runs);
  if (record.sets.size() > 1) group("mean of the sets", record.mean);
  return absl::StrFormat(
      "<svg viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\" aria-label=\"%s of each pipeline\">\n%s"
      "</svg>\n",
      kLeft + kWidth + 130, y, kLeft + kWidth + 130, Escaped(record.tests.metric), bars);
}

void ScoreRow(const std::string& name, const std::vector<EvalRun>& runs,
              const PipelineTests& tests, std::string& out) {
  out += "<tr>";
  Cell("th", name, out);
  NumberCell(absl::StrCat(runs.empty() ? 0 : runs[0].queries), out);
  for (const EvalRun& run : runs) {
    const std::string mark = MarkOf(tests, run.pipeline);
    NumberCell(absl::StrFormat("%.4f%s%s", run.metrics.at(tests.metric), mark.empty() ? "" : " ",
                               mark == "-" ? "\u2212" : mark),
               out);
  }
  out += "</tr>\n";
}

void Scores(const SetsRecord& record, std::string& out) {
  out += "<table><tr><th>set</th><th class=\"n\">queries</th>";
  for (const EvalRun& run : record.mean) Cell("th", run.pipeline, out, true);
  out += "</tr>\n";
  for (const EvalRecord& set : record.sets) {
    ScoreRow(absl::StrCat(set.set, ", ", set.split), set.runs, set.tests, out);
  }
  if (record.sets.size() > 1) ScoreRow("mean of the sets", record.mean, record.tests, out);
  out +=
      "</table>\n<p>= is the baseline, the best single pipeline unless another was chosen; + and "
      "\u2212 differ from it (paired randomisation test, p &lt; .05 after Holm).</p>\n";
}

void Tests(const std::string& name, const PipelineTests& tests, std::string& out) {
  for (const Comparison& c : tests.rows) {
    out += "<tr>";
    Cell("th", name, out);
    Cell("td", absl::StrCat(c.run, " against ", tests.baseline), out);
    NumberCell(absl::StrFormat("%+.4f", c.test.mean), out);
    NumberCell(absl::StrFormat("%+.4f to %+.4f", c.test.low, c.test.high), out);
    NumberCell(absl::StrFormat("%.4f", c.test.p), out);
    NumberCell(absl::StrFormat("%.4f", c.holm_p), out);
    NumberCell(absl::StrCat(c.better, " / ", c.worse), out);
    out += "</tr>\n";
  }
}

void AllTests(const SetsRecord& record, std::string& out) {
  out += "<h2>Differences</h2>\n<table><tr><th>set</th><th>pipelines</th>"
         "<th class=\"n\">difference</th><th class=\"n\">95% interval</th><th class=\"n\">p</th>"
         "<th class=\"n\">after Holm</th><th class=\"n\">better / worse</th></tr>\n";
  for (const EvalRecord& set : record.sets) Tests(set.set, set.tests, out);
  if (record.sets.size() > 1) Tests("mean of the sets", record.tests, out);
  out += "</table>\n";
}

void Metrics(const EvalRecord& set, std::string& out) {
  out += "<table><tr><th>pipeline</th>";
  for (const MetricSpec& metric : StandardMetrics()) Cell("th", metric.Name(), out, true);
  out += "<th class=\"n\">s</th><th>values by query, SHA-256</th></tr>\n";
  for (const EvalRun& run : set.runs) {
    out += "<tr>";
    Cell("th", run.pipeline, out);
    for (const MetricSpec& metric : StandardMetrics()) {
      NumberCell(absl::StrFormat("%.4f", run.metrics.at(metric.Name())), out);
    }
    NumberCell(absl::StrFormat("%.2f", run.took_s), out);
    absl::StrAppend(&out, "<td><code>", Escaped(run.per_query_sha256), "</code></td></tr>\n");
  }
  out += "</table>\n";
}

void Fact(std::string_view name, std::string_view value, std::string& out) {
  out += "<tr>";
  Cell("th", name, out);
  absl::StrAppend(&out, "<td><code>", Escaped(value), "</code></td></tr>\n");
}

void Facts(const EvalRecord& set, std::string& out) {
  out += "<details><summary>Where these figures come from</summary>\n<table>";
  Fact("folder", set.folder, out);
  Fact("corpus, SHA-256", set.corpus_sha256, out);
  Fact("queries, SHA-256", set.queries_sha256, out);
  Fact("judgements, SHA-256", set.qrels_sha256, out);
  Fact("documents", absl::StrCat(set.documents), out);
  Fact("language", set.language, out);
  for (const auto& [role, model] : set.models) Fact(role, model, out);
  Fact("seed", absl::StrCat(set.seed), out);
  Fact("time", absl::StrFormat("%.1f s, of it indexing %.1f s", set.took_s, set.index_s), out);
  Fact("index", absl::StrCat(set.index_bytes, " bytes"), out);
  Fact("peak memory", absl::StrCat(set.peak_bytes, " bytes"), out);
  Fact("fingerprint", set.fingerprint, out);
  out += "</table></details>\n";
}

void Changes(const EvalRecord& set, std::string& out) {
  for (const Comparison& row : set.tests.rows) {
    const QueryChanges changes = LargestChanges(set, row.run, kChanges);
    absl::StrAppend(&out, "<details><summary>Queries that change most from ",
                    Escaped(set.tests.baseline), " to ", Escaped(row.run),
                    "</summary>\n<table><tr><th class=\"n\">before</th><th class=\"n\">after</th>"
                    "<th>query</th><th>text</th></tr>\n");
    for (const auto* list : {&changes.gained, &changes.lost}) {
      for (const QueryChange& change : *list) {
        out += "<tr>";
        NumberCell(absl::StrFormat("%.4f", change.before), out);
        NumberCell(absl::StrFormat("%.4f", change.after), out);
        Cell("td", change.query, out);
        Cell("td", text::CutUtf8(change.text, kQueryBytes), out);
        out += "</tr>\n";
      }
    }
    out += "</table></details>\n";
  }
}

}  // namespace

std::string HtmlReport(const SetsRecord& record, const EvalOrigin& origin) {
  std::string out(kHead);
  absl::StrAppend(&out, "<h1>Retrieval by ", Escaped(record.tests.metric), "</h1>\n");
  for (const std::string& line : record.advice) {
    absl::StrAppend(&out, "<p>", Escaped(line), "</p>\n");
  }
  Scores(record, out);
  out += Chart(record);
  for (const FailedSet& set : record.failed) {
    absl::StrAppend(&out, "<p>Not measured: ", Escaped(set.folder), ": ", Escaped(set.reason),
                    "</p>\n");
  }
  AllTests(record, out);
  for (const EvalRecord& set : record.sets) {
    absl::StrAppend(&out, "<h2>", Escaped(set.set), ", ", Escaped(set.split), "</h2>\n");
    Metrics(set, out);
    Changes(set, out);
    Facts(set, out);
  }
  absl::StrAppend(&out, "<h2>Record</h2>\n<p><code>", Escaped(origin.command),
                  "</code></p>\n<p>weir ", Escaped(origin.weir), ", ", Escaped(origin.machine),
                  ", ", absl::StrFormat("%.1f s", record.took_s), "</p>\n</body></html>\n");
  return out;
}

}  // namespace weir::evaluate
