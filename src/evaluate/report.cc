#include "evaluate/report.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "base/files.h"
#include "base/status.h"
#include "text/unicode.h"

namespace weir::evaluate {
namespace {

constexpr size_t kChanges = 5;        // queries shown that gain, and that lose
constexpr size_t kQueryBytes = 300;  // of a query's text

// One line, cut, and without what ends a table cell or begins markup.
std::string MarkdownCell(std::string_view text) {
  return absl::StrReplaceAll(
      std::string(text::CutUtf8(text, kQueryBytes)),
      {{"\\", "\\\\"}, {"|", "\\|"}, {"\n", " "}, {"\r", " "}, {"<", "&lt;"}, {">", "&gt;"},
       {"&", "&amp;"}, {"`", "\\`"}, {"*", "\\*"}, {"_", "\\_"}, {"[", "\\["}, {"]", "\\]"}});
}

std::string Figure(const EvalRun& run, const PipelineTests& tests) {
  return absl::StrFormat("%.4f%s", run.metrics.at(tests.metric), MarkOf(tests, run.pipeline));
}

void MarkdownChanges(const EvalRecord& set, std::string& out) {
  for (const Comparison& row : set.tests.rows) {
    const QueryChanges changes = LargestChanges(set, row.run, kChanges);
    absl::StrAppend(&out, "\n### ", MarkdownCell(set.set), ": ", MarkdownCell(row.run),
                    " against ", MarkdownCell(set.tests.baseline),
                    "\n\n| before | after | query | text |\n| --- | --- | --- | --- |\n");
    for (const auto* list : {&changes.gained, &changes.lost}) {
      for (const QueryChange& change : *list) {
        absl::StrAppendFormat(&out, "| %.4f | %.4f | %s | %s |\n", change.before, change.after,
                              MarkdownCell(change.query), MarkdownCell(change.text));
      }
    }
  }
}

}  // namespace

QueryChanges LargestChanges(const EvalRecord& set, const std::string& pipeline, size_t each) {
  const auto find = [&](const std::string& name) -> const QueryValues& {
    static const auto& none = *new QueryValues;
    for (const EvalRun& run : set.runs) {
      if (run.pipeline == name) return run.per_query;
    }
    return none;
  };
  const QueryValues &before = find(set.tests.baseline), &after = find(pipeline);
  std::vector<QueryChange> changes;
  for (const auto& [query, row] : before) {
    const auto other = after.find(query);
    if (other == after.end()) continue;
    const auto text = set.query_texts.find(query);
    changes.push_back({query, text == set.query_texts.end() ? "" : text->second,
                       row.at(set.tests.metric), other->second.at(set.tests.metric)});
  }
  const auto change = [](const QueryChange& c) { return c.after - c.before; };
  std::stable_sort(changes.begin(), changes.end(), [&](const QueryChange& a, const QueryChange& b) {
    return change(a) > change(b);
  });
  QueryChanges out;
  for (const QueryChange& c : changes) {
    if (change(c) > 0 && out.gained.size() < each) out.gained.push_back(c);
  }
  std::stable_sort(changes.begin(), changes.end(), [&](const QueryChange& a, const QueryChange& b) {
    return change(a) < change(b);
  });
  for (const QueryChange& c : changes) {
    if (change(c) < 0 && out.lost.size() < each) out.lost.push_back(c);
  }
  return out;
}

absl::Status CheckReportPath(const std::string& path) {
  if (absl::EndsWith(path, ".html") || absl::EndsWith(path, ".md")) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("report: ", path, "; expected a name that ends in .html or .md"));
}

absl::Status WriteReport(const std::string& path, const SetsRecord& record,
                         const EvalOrigin& origin) {
  WEIR_RETURN_IF_ERROR(CheckReportPath(path));
  return WriteFileAtomic(path, absl::EndsWith(path, ".md") ? MarkdownReport(record, origin)
                                                           : HtmlReport(record, origin));
}

std::string MarkdownReport(const SetsRecord& record, const EvalOrigin& origin) {
  const std::string& metric = record.tests.metric;
  std::string out = absl::StrCat("# Retrieval by ", metric, "\n\n");
  for (const std::string& line : record.advice) absl::StrAppend(&out, MarkdownCell(line), "\n\n");
  out += "| set | queries |";
  for (const EvalRun& run : record.mean)
    absl::StrAppend(&out, " ", MarkdownCell(run.pipeline), " |");
  out += "\n| --- | --- |";
  for (size_t i = 0; i < record.mean.size(); ++i) out += " --- |";
  const auto row = [&](const std::string& name, const std::vector<EvalRun>& runs,
                       const PipelineTests& tests) {
    absl::StrAppend(&out, "\n| ", name, " | ", runs.empty() ? 0 : runs[0].queries, " |");
    for (const EvalRun& run : runs) absl::StrAppend(&out, " ", Figure(run, tests), " |");
  };
  for (const EvalRecord& set : record.sets) row(MarkdownCell(set.set), set.runs, set.tests);
  if (record.sets.size() > 1) row("mean of the sets", record.mean, record.tests);
  out += "\n\n`=` is the baseline, `+` and `-` differ from it (p < .05 after Holm).\n\n"
         "| pipeline | against | difference | 95% interval | p | after Holm | better | worse |\n"
         "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const Comparison& c : record.tests.rows) {
    absl::StrAppendFormat(&out, "| %s | %s | %+.4f | %+.4f to %+.4f | %.4f | %.4f | %d | %d |\n",
                          MarkdownCell(c.run), MarkdownCell(record.tests.baseline), c.test.mean,
                          c.test.low, c.test.high, c.test.p, c.holm_p, c.better, c.worse);
  }
  for (const FailedSet& set : record.failed) {
    absl::StrAppend(&out, "\nNot measured: ", MarkdownCell(set.folder), ": ",
                    MarkdownCell(set.reason), "\n");
  }
  absl::StrAppend(
      &out, "\n## Record\n\n    ", absl::StrReplaceAll(origin.command, {{"\n", " "}}), "\n\nweir ",
      MarkdownCell(origin.weir), ", ", MarkdownCell(origin.machine),
      "\n\n| set | split | documents | corpus | queries | judgements | s | index bytes | "
      "peak bytes |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const EvalRecord& set : record.sets) {
    absl::StrAppendFormat(&out, "| %s | %s | %d | %s | %s | %s | %.1f | %d | %d |\n",
                          MarkdownCell(set.set), MarkdownCell(set.split), set.documents,
                          set.corpus_sha256, set.queries_sha256, set.qrels_sha256, set.took_s,
                          set.index_bytes, set.peak_bytes);
  }
  out += "\n## Queries that change most\n";
  for (const EvalRecord& set : record.sets) MarkdownChanges(set, out);
  return out;
}

}  // namespace weir::evaluate
