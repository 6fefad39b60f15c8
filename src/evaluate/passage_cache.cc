#include "evaluate/passage_cache.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/progress.h"
#include "base/statistics.h"
#include "base/status.h"
#include "evaluate/fold.h"

namespace weir::evaluate {
namespace {

bool HoldsAccepted(const Question& question, const std::string& text) {
  const std::string folded = FoldPhrase(text);
  return std::any_of(
      question.accept.begin(), question.accept.end(),
      [&](const std::string& accepted) { return ContainsPhrase(folded, FoldPhrase(accepted)); });
}

// Sums over the questions of one method.
class Tally {
 public:
  explicit Tally(const PassageMethod& method) { row_.method = method; }

  void Add(const Question& question, const PassageOutcome& outcome, const std::string* first_text) {
    likelihood_ += outcome.log_likelihood;
    tokens_ += static_cast<double>(outcome.answer_tokens);
    prompt_ += static_cast<double>(outcome.prompt_tokens);
    reused_ += static_cast<double>(outcome.reused);
    again_ += static_cast<double>(outcome.again);
    first_.push_back(outcome.first_token_s);
    row_.exact += HoldsAccepted(question, outcome.text) ? 1 : 0;
    row_.same += first_text == nullptr || *first_text == outcome.text ? 1 : 0;
  }
  double prompt_tokens() const { return prompt_; }

  PassageRow Row(const PassageRow* baseline) {
    row_.log_likelihood = likelihood_ / std::max(1.0, tokens_);
    if (baseline != nullptr) {
      row_.likelihood_ratio = std::exp(row_.log_likelihood - baseline->log_likelihood);
    }
    row_.reused_share = reused_ / std::max(1.0, prompt_);
    row_.again_share = again_ / std::max(1.0, prompt_);
    row_.first_token_median_s = Median(first_);
    return row_;
  }

 private:
  PassageRow row_;
  double likelihood_ = 0, tokens_ = 0, prompt_ = 0, reused_ = 0, again_ = 0;
  std::vector<double> first_;
};

}  // namespace

absl::StatusOr<PassageEvaluation> EvaluatePassageCache(const std::string& model,
                                                       const std::vector<Question>& questions,
                                                       const std::vector<PassageMethod>& methods,
                                                       const PassageSystem& system,
                                                       const Context& context) {
  PassageEvaluation evaluation;
  evaluation.model = model;
  evaluation.questions = static_cast<int64_t>(questions.size());
  if (questions.empty() || methods.empty()) {
    return absl::InvalidArgumentError("passage cache: no questions or no methods");
  }
  if (context.progress != nullptr) {
    context.progress->Start("passage cache",
                            static_cast<int64_t>(questions.size() * methods.size()), "answers");
  }
  std::vector<std::string> first_texts;
  for (size_t m = 0; m < methods.size(); ++m) {
    Tally tally(methods[m]);
    for (size_t q = 0; q < questions.size(); ++q) {
      WEIR_RETURN_IF_ERROR(context.CheckCancelled());
      auto outcome = system(q, methods[m], context);
      if (!outcome.ok()) return Annotate(outcome.status(), questions[q].id);
      if (m == 0) first_texts.push_back(outcome->text);
      tally.Add(questions[q], *outcome, &first_texts[q]);
      if (context.progress != nullptr) context.progress->Advance(1);
    }
    if (m == 0) {
      evaluation.prompt_tokens = tally.prompt_tokens() / static_cast<double>(questions.size());
    }
    evaluation.rows.push_back(tally.Row(m == 0 ? nullptr : &evaluation.rows[0]));
  }
  if (context.progress != nullptr) context.progress->Finish();
  return evaluation;
}

std::string PassageTable(const PassageEvaluation& e) {
  std::string out = absl::StrFormat(
      "%s, %d questions, %.0f tokens a prompt\n\n"
      "| method | share | temperature | log-likelihood a token | ratio | exact | same text | "
      "reused | again | first token, ms |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
      e.model, e.questions, e.prompt_tokens);
  for (const PassageRow& r : e.rows) {
    absl::StrAppendFormat(&out,
                          "| %s | %.3f | %.2f | %.4f | %.4f | %d | %d | %.1f%% | %.1f%% | "
                          "%.0f |\n",
                          r.method.name, r.method.share, r.method.temperature,
                          r.log_likelihood, r.likelihood_ratio,
                          r.exact, r.same, 100 * r.reused_share, 100 * r.again_share,
                          1e3 * r.first_token_median_s);
  }
  return out;
}

std::string PassageToJson(const PassageEvaluation& e) {
  using Json = nlohmann::ordered_json;
  Json rows = Json::array();
  for (const PassageRow& r : e.rows) {
    rows.push_back({{"method", r.method.name},
                    {"share", r.method.share},
                    {"temperature", r.method.temperature},
                    {"log_likelihood", r.log_likelihood},
                    {"likelihood_ratio", r.likelihood_ratio},
                    {"exact", r.exact},
                    {"same", r.same},
                    {"reused_share", r.reused_share},
                    {"again_share", r.again_share},
                    {"first_token_median_s", r.first_token_median_s}});
  }
  return Json{{"version", 1},
              {"model", e.model},
              {"questions", e.questions},
              {"prompt_tokens", e.prompt_tokens},
              {"rows", std::move(rows)}}
      .dump();
}

}  // namespace weir::evaluate
