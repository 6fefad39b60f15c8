#include "answer/judge.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "answer/models.h"
#include "answer/pack.h"
#include "base/status.h"

namespace weir::answer {

// Few windows judge better than all that the draft was written from: on the harder development
// store the area under the ROC curve is .944 with three and .925 with sixteen.
constexpr int64_t kJudgedWindows = 3;

absl::StatusOr<double> Judge(std::string_view question, const EvidenceSet& set,
                             AnswerOptions options, text::Completer& completer,
                             const Context& context) {
  options.windows = std::min(options.windows, kJudgedWindows);
  WEIR_ASSIGN_OR_RETURN(const PackedContext packed, Pack(set, options, completer));
  std::string user = SourcesBlock(packed);
  absl::StrAppend(&user, "Question: ", question,
                  "\n\nDo the sources state the answer to this question? Reply Yes or No.");
  const std::array<std::string, 2> replies = {"Yes", "No"};
  WEIR_ASSIGN_OR_RETURN(
      const std::vector<double> likelihood,
      completer.LogLikelihood({{"system", kSystemPrompt}, {"user", std::move(user)}}, replies,
                              context));
  return likelihood[0] - likelihood[1];
}

absl::StatusOr<double> Answerable(std::string_view question, const EvidenceSet& set,
                                  const AnswerOptions& options, text::Completer* completer,
                                  const Context& context) {
  if (set.sentences.empty()) return 0.0;
  const JudgeModel* judge = completer == nullptr ? nullptr : FindJudge(completer->name());
  if (judge == nullptr) return AnswerableProbability(set.refusal);
  WEIR_ASSIGN_OR_RETURN(const double judged, Judge(question, set, options, *completer, context));
  return AnswerableWithJudge(*judge, set.refusal, judged);
}

}  // namespace weir::answer
