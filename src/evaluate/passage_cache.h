// What reading stored passages in any order costs in quality: the reference answer's likelihood and
// exact matches of greedy answers, for several ways of computing a share of the tokens again,
// beside a prefill of the very same tokens. The engine is handed in as a function.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "evaluate/questions.h"

namespace weir::evaluate {

// The baseline: an engine that keeps the common prefix of successive prompts, as all do.
inline constexpr char kPrefillMethod[] = "prefill";

struct PassageMethod {
  std::string name;  // kPrefillMethod, "none", "first", ...
  double share = 0;  // of the passages' tokens computed again
  double temperature = 1;  // of attention to passages that were moved
};

// One question under one method.
struct PassageOutcome {
  double log_likelihood = 0;  // of the reference answer, natural log, all its tokens
  int64_t answer_tokens = 0;
  std::string text;  // the greedy answer
  double first_token_s = 0;
  int64_t prompt_tokens = 0;
  int64_t reused = 0;  // of prompt_tokens: neither prefilled nor computed again
  int64_t again = 0;   // computed again
};
using PassageSystem = std::function<absl::StatusOr<PassageOutcome>(
    size_t question, const PassageMethod& method, const Context& context)>;

struct PassageRow {
  PassageMethod method;
  double log_likelihood = 0;  // per token of the reference answers, natural log
  double likelihood_ratio = 1;  // exp of the difference to the first method's
  int64_t exact = 0;            // answers that hold an accepted string
  int64_t same = 0;             // answers equal to the first method's, byte for byte
  double reused_share = 0;      // of the prompts' tokens
  double again_share = 0;
  double first_token_median_s = 0;
};

struct PassageEvaluation {
  std::string model;
  int64_t questions = 0;
  double prompt_tokens = 0;  // mean
  std::vector<PassageRow> rows;
};

// Runs all questions under the first method, then under the second, and so on. `methods` begins
// with what the others are compared with. Errors of the system end the run with the question's id.
absl::StatusOr<PassageEvaluation> EvaluatePassageCache(const std::string& model,
                                                       const std::vector<Question>& questions,
                                                       const std::vector<PassageMethod>& methods,
                                                       const PassageSystem& system,
                                                       const Context& context);

std::string PassageTable(const PassageEvaluation& evaluation);  // Markdown
std::string PassageToJson(const PassageEvaluation& evaluation);

}  // namespace weir::evaluate
