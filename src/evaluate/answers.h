// Protocol of the question sets: how many answers are right, how many refusals are, and whether
// each quotation is verbatim. The system is handed in as a function, so that any model, planner or
// a scripted fake is measured by the same rules (tests/data/questions/README.md).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "evaluate/questions.h"
#include "text/records.h"

namespace weir::evaluate {

using AnswerFunction = std::function<absl::StatusOr<text::Answer>(const std::string& question)>;
// The text that spans of the document count in, given the path that a citation names.
using TextFunction = std::function<absl::StatusOr<std::string>(const std::string& path)>;

struct AnswerResult {
  std::string id;
  bool answerable = false, paraphrase = false;
  std::string status;        // of the answer
  bool refused = false;      // status is not_in_documents
  bool by_phrase = false;    // an accepted string is in the answer's sentences
  double coverage = 0;       // of the evidence by the cited spans, best alternative
  // answerable: not refused, and by_phrase or coverage >= 1/2; else: refused
  bool right = false;
  int64_t quotes = 0, verbatim = 0;  // citations, and those whose quote equals the document's bytes
  // from the answer's timings; wall time when it has no total
  double first_token_s = 0, total_s = 0;
  std::string text;          // the sentences, for reading
};

struct AnswersReport {
  std::string model;  // as the caller names it: "extract", "smollm2-135m"
  std::vector<AnswerResult> results;
  int64_t answerable = 0, right = 0, wrongly_refused = 0;
  int64_t paraphrased = 0, right_paraphrased = 0;
  int64_t unanswerable = 0, refused = 0;
  int64_t quotes = 0, verbatim = 0;
  double first_token_median_s = 0, total_median_s = 0, total_max_s = 0;
  int64_t peak_bytes = 0;  // most memory resident while the questions were asked; 0 when unknown
};

// Asks the questions in order. An error of `answer` or `text_of` ends the run with the question's
// id.
absl::StatusOr<AnswersReport> EvaluateAnswers(const std::string& model,
                                              const std::vector<Question>& questions,
                                              const AnswerFunction& answer,
                                              const TextFunction& text_of, const Context& context);

// One row a model, as Markdown.
std::string AnswersTable(const std::vector<AnswersReport>& reports);
// {version, model, answerable, right, ..., results: [...]}, fields as above.
std::string AnswersToJson(const AnswersReport& report);

}  // namespace weir::evaluate
