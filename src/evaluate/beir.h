// A test collection in BEIR's layout: DIR/corpus.jsonl, DIR/queries.jsonl (each plain or .zst) and
// DIR/qrels/SPLIT.tsv. Read as a stream, one record at a time, with file and line in every error.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "evaluate/lines.h"
#include "evaluate/metrics.h"

namespace weir::evaluate {

struct BeirRecord {  // a line of corpus.jsonl or queries.jsonl; other fields are ignored
  std::string id;    // "_id"; a number is taken as its digits
  std::string title;  // "" when missing
  std::string text;
};

// kDataLoss when the line is no JSON object, or "_id" or "text" is missing or no string.
absl::StatusOr<BeirRecord> ParseBeirRecord(std::string_view line);

// Calls `each` for every record; blank lines are skipped. An id seen before is kDataLoss.
absl::Status ReadBeirRecords(LineReader& lines,
                             absl::FunctionRef<absl::Status(BeirRecord record)> each);

// "query<TAB>document<TAB>judgement" lines; a first line whose judgement is no number is a heading.
// Or TREC's four columns "query iteration document judgement", separated by blanks, without one.
// Judged twice, the last line counts, as in BEIR. kDataLoss for anything else.
absl::StatusOr<Qrels> ReadQrels(LineReader& lines);

struct BeirPaths {
  std::string corpus, queries, qrels;  // without .zst
};
BeirPaths BeirPathsOf(const std::string& folder, std::string_view split);

// The judged queries in the order of the file (any form that topics.h reads). kNotFound when a
// judged query has no text.
absl::StatusOr<std::vector<BeirRecord>> ReadJudgedQueries(const std::string& path,
                                                          const Qrels& qrels);

// BEIR drops documents named like the query (sets whose queries are documents of the corpus
// themselves).
void DropIdenticalIds(RankedRun& run);

}  // namespace weir::evaluate
