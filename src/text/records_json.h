// The records as JSON, in the shapes that `--json`, HTTP and files share (docs/formats/json.md).
// Fields are only added, never renamed. Reading treats the text as hostile.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "text/records.h"

namespace weir::text {

inline constexpr int kRecordVersion = 1;

std::string AnswerToJson(const Answer& answer);
// Errors: kDataLoss with the field that is missing or of the wrong type; kResourceExhausted above
// 64 MB.
absl::StatusOr<Answer> AnswerFromJson(std::string_view json);

struct SearchRecord {
  std::string query;
  std::vector<Hit> hits;
  double took_us = 0;
  std::vector<Spelling> spelling;
  std::string did_you_mean;  // the query with the best suggestions; "" where there are none
};
std::string SearchToJson(const SearchRecord& search);

std::string DocumentToJson(const Document& document);

}  // namespace weir::text
