// Question sets with known evidence: one JSON object a line (tests/data/questions/README.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "evaluate/lines.h"

namespace weir::evaluate {

struct Question {
  std::string id;
  std::string question;
  bool answerable = false;
  // Of answerable questions:
  std::string file;                   // name of the document, without folders
  std::vector<std::string> evidence;  // alternatives, each answers alone
  std::vector<std::string> accept;    // any of them in the answer makes it right
  bool paraphrase = false;
};

// kDataLoss with file and line when a field is missing, empty or of the wrong type, or an id occurs
// twice. At most 100,000 questions.
absl::StatusOr<std::vector<Question>> ReadQuestions(LineReader& lines);

}  // namespace weir::evaluate
