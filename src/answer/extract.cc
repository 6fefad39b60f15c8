#include "answer/extract.h"

#include "answer/judge.h"
#include "base/status.h"

namespace weir::answer {

std::vector<text::AnswerSentence> BestSentences(const EvidenceSet& set, int64_t most) {
  std::vector<text::AnswerSentence> out;
  for (const Evidence& e : set.sentences) {
    if (static_cast<int64_t>(out.size()) == most) break;
    out.push_back({e.text, 1.0, {Cite(e)}});
  }
  return out;
}

absl::StatusOr<text::Answer> ExtractPlanner::Work(std::string_view question,
                                                  const AnswerPorts& ports,
                                                  const AnswerOptions& options,
                                                  const Context& context) const {
  WEIR_ASSIGN_OR_RETURN(EvidenceSet set, CollectEvidence(question, ports, context));
  WEIR_ASSIGN_OR_RETURN(const double answerable,
                        Answerable(question, set, options, ports.completer, context));
  text::Answer answer;
  answer.nearest = std::move(set.hits);
  if (answerable < options.risk) return answer;
  answer.sentences = BestSentences(set, options.sentences);
  return answer;
}

void RegisterExtract(Registry& registry) {
  registry.Add<Planner>("extract", "Answers with sentences of the documents alone.",
                        [](const OptionTable&) { return std::make_unique<ExtractPlanner>(); });
}

}  // namespace weir::answer
