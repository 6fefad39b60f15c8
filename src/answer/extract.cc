#include "answer/extract.h"

#include <algorithm>

#include "answer/draft.h"
#include "answer/judge.h"
#include "answer/pack.h"
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

namespace {

// The draft is thrown away: it only points to the sentences that say the same.
absl::Status Reread(std::string_view question, const AnswerPorts& ports, AnswerOptions options,
                    const Context& context, EvidenceSet& set) {
  constexpr int64_t kDraftTokens = 64;
  options.max_tokens = std::min(options.max_tokens, kDraftTokens);
  WEIR_ASSIGN_OR_RETURN(const PackedContext packed, Pack(set, options, *ports.completer));
  WEIR_ASSIGN_OR_RETURN(const text::Completion draft,
                        WriteDraft(question, packed, ports, options, context));
  return RankByDraft(question, draft.text, ports.encoder, context, set);
}

}  // namespace

absl::StatusOr<text::Answer> ExtractPlanner::Work(std::string_view question,
                                                  const AnswerPorts& ports,
                                                  const AnswerOptions& options,
                                                  const Context& context) const {
  WEIR_ASSIGN_OR_RETURN(EvidenceSet set, CollectEvidence(question, ports, context));
  if (ports.completer != nullptr && !set.sentences.empty())
    WEIR_RETURN_IF_ERROR(Reread(question, ports, options, context, set));
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
