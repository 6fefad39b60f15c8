// Queries as other collections write them: BEIR's JSON lines, "id<TAB>text" lines, or the topics of
// TREC, of which the title is the query. Which of them a file is shows in its first line.
#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "evaluate/beir.h"
#include "evaluate/lines.h"

namespace weir::evaluate {

enum class QueryForm { kBeir, kTabs, kTopics };

// By the first line that is not blank; an empty file is kBeir.
absl::StatusOr<QueryForm> FormOfQueries(LineReader& lines);

// Calls `each` for every query of lines that are at their beginning. An id seen before, a line
// without a tab, a topic without number or title are kDataLoss with file and line.
//
// A topic is what stands between <top> and </top>: "<num> Number: 301", "<title> Topic: words", of
// which "Number:" and "Topic:" may be missing and the closing tags may be there; a title may go on
// in the lines below it. Other tags are skipped.
absl::Status ReadQueries(LineReader& lines, QueryForm form,
                         absl::FunctionRef<absl::Status(BeirRecord record)> each);

// Of a file, or of path.zst.
absl::Status ReadQueries(const std::string& path,
                         absl::FunctionRef<absl::Status(BeirRecord record)> each);

}  // namespace weir::evaluate
