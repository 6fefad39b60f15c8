#include "answer/ask.h"

#include "base/status.h"

namespace weir::answer {

absl::StatusOr<text::Answer> Ask(std::string_view question, const AnswerPorts& ports,
                                 const AnswerOptions& options, const Registry& registry,
                                 const Context& context) {
  if (question.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return absl::InvalidArgumentError("question: empty");
  }
  OptionTable none;
  WEIR_ASSIGN_OR_RETURN(auto planner, registry.Make<Planner>(options.planner, none));
  if (planner->needs_model() && ports.completer == nullptr) {
    return absl::FailedPreconditionError("planner: " + options.planner + " needs a model");
  }
  const int64_t start = context.now_ns();
  WEIR_ASSIGN_OR_RETURN(text::Answer answer, planner->Work(question, ports, options, context));
  answer.question = std::string(question);
  answer.seed = context.seed;
  answer.timings["total"] = (context.now_ns() - start) * 1e-9;
  if (!answer.timings.contains("first_token"))
    answer.timings["first_token"] = answer.timings["total"];
  if (answer.sentences.empty()) answer.status = "not_in_documents";
  else if (answer.status.empty()) answer.status = "answered";
  return answer;
}

}  // namespace weir::answer
