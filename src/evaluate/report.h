// What an evaluation found, as a page for people: one HTML file that needs nothing else (no script,
// no font, no picture from elsewhere), or Markdown tables.
//
// Both show sets by pipelines with the marks of sets.h and the tests of the mean, where each figure
// comes from (hashes, models, options, machine, command), and the queries that gain and lose most
// from the baseline of each set to another pipeline. All text of sets and queries is escaped.
#pragma once

#include <string>

#include "evaluate/sets.h"

namespace weir::evaluate {

// A query whose value differs between a set's baseline and a pipeline.
struct QueryChange {
  std::string query, text;  // id and text
  double before = 0, after = 0;
};
// Those that gain most, then those that lose most, `each` of both at most, largest change first;
// equal changes by id.
struct QueryChanges {
  std::vector<QueryChange> gained, lost;
};
QueryChanges LargestChanges(const EvalRecord& set, const std::string& pipeline, size_t each);

// kInvalidArgument for a path that ends neither in .html nor in .md.
absl::Status CheckReportPath(const std::string& path);
// Atomically.
absl::Status WriteReport(const std::string& path, const SetsRecord& record,
                         const EvalOrigin& origin);

std::string HtmlReport(const SetsRecord& record, const EvalOrigin& origin);
std::string MarkdownReport(const SetsRecord& record, const EvalOrigin& origin);

}  // namespace weir::evaluate
