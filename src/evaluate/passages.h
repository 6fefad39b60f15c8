// Protocol of passages on a question set: at which rank of a search the first passage stands that
// holds the evidence. Evidence counts as held as it does for answers (evaluate/answers.h): at least
// half of the letters and digits of one alternative, in the question's document.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "evaluate/answers.h"
#include "evaluate/questions.h"
#include "text/records.h"

namespace weir::evaluate {

using SearchFunction =
    std::function<absl::StatusOr<std::vector<text::Hit>>(const std::string& question)>;

struct PassageResult {
  std::string id;
  bool paraphrase = false;
  int rank = 0;  // from 1; 0 when no hit holds the evidence
  double took_s = 0;
};

struct PassagesReport {
  std::string pipeline;  // as the caller names it: "hybrid", "hybrid+cross"
  std::vector<PassageResult> results;  // of the answerable questions
  int64_t first = 0, first_five = 0, first_ten = 0, found = 0;
  double reciprocal_rank = 0;  // mean, 0 where nothing was found
  double median_s = 0, most_s = 0;
};

// Searches for the answerable questions in order. An error ends the run with the question's id.
absl::StatusOr<PassagesReport> EvaluatePassages(const std::string& pipeline,
                                                const std::vector<Question>& questions,
                                                const SearchFunction& search,
                                                const TextFunction& text_of,
                                                const Context& context);

// One row a pipeline, as Markdown.
std::string PassagesTable(const std::vector<PassagesReport>& reports);
// {version, runs: [{pipeline, questions, first, first_five, first_ten, found, mrr, median_s,
// most_s, results: [{id, paraphrase, rank, took_s}]}]}
std::string PassagesToJson(const std::vector<PassagesReport>& reports);

}  // namespace weir::evaluate
