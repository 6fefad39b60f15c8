#include "answer/direct.h"

#include <algorithm>

#include "answer/draft.h"
#include "answer/evidence.h"
#include "answer/extract.h"
#include "answer/judge.h"
#include "answer/pack.h"
#include "base/status.h"

namespace weir::answer {
namespace {

bool Cites(const std::vector<text::AnswerSentence>& sentences, const text::Citation& citation) {
  for (const text::AnswerSentence& s : sentences) {
    for (const text::Citation& c : s.citations) {
      if (c.document.id == citation.document.id && c.span.start == citation.span.start) return true;
    }
  }
  return false;
}

// Quotes the best evidence beside what the model wrote, so that a short draft does not hide its
// ground.
void AddQuotes(const EvidenceSet& set, int64_t most, std::vector<text::AnswerSentence>& sentences) {
  const size_t limit = sentences.size() + most;
  for (text::AnswerSentence& quote : BestSentences(set, most)) {
    if (sentences.size() < limit && !Cites(sentences, quote.citations[0])) {
      sentences.push_back(std::move(quote));
    }
  }
}

}  // namespace

absl::StatusOr<text::Answer> DirectPlanner::Work(std::string_view question,
                                                 const AnswerPorts& ports,
                                                 const AnswerOptions& options,
                                                 const Context& context) const {
  const int64_t start = context.now_ns();
  WEIR_ASSIGN_OR_RETURN(EvidenceSet set, CollectEvidence(question, ports, context));
  text::Answer answer;
  answer.model = ports.completer->name();
  answer.nearest = set.hits;
  answer.timings["retrieve"] = (context.now_ns() - start) * 1e-9;
  if (set.sentences.empty()) return answer;

  WEIR_ASSIGN_OR_RETURN(const PackedContext packed,
                        options.passages > 0 ? PackPassages(set.hits, options, ports)
                                             : Pack(set, options, *ports.completer));

  const int64_t asked = context.now_ns();
  WEIR_ASSIGN_OR_RETURN(const text::Completion draft,
                        WriteBestDraft(question, packed, set, ports, options, context));
  answer.timings["first_token"] = (asked - start) * 1e-9 + draft.first_token_s;
  answer.timings["draft_first_token"] = draft.first_token_s;
  answer.timings["reused_tokens"] = static_cast<double>(draft.reused_tokens);
  answer.timings["prompt_tokens"] = static_cast<double>(draft.prompt_tokens);
  answer.timings["draft"] = draft.total_s;
  answer.timings["tokens"] = static_cast<double>(draft.tokens);
  answer.timings["drafted_tokens"] = static_cast<double>(draft.drafted);
  answer.timings["accepted_tokens"] = static_cast<double>(draft.accepted);
  answer.timings["draft_passes"] = static_cast<double>(draft.draft_passes);
  WEIR_RETURN_IF_ERROR(RankByDraft(question, draft.text, ports.encoder, context, set));
  WEIR_ASSIGN_OR_RETURN(const double answerable,
                        Answerable(question, set, options, ports.completer, context));
  if (answerable < options.risk) return answer;
  WEIR_ASSIGN_OR_RETURN(CheckedDraft checked, CheckDraft(draft.text, set, ports.encoder, context));
  answer.sentences = std::move(checked.kept);
  AddQuotes(set, options.sentences - 1, answer.sentences);
  if (checked.dropped > 0) answer.status = "partial";
  return answer;
}

void RegisterDirect(Registry& registry) {
  registry.Add<Planner>("direct", "One retrieval, one prompt, one verified draft.",
                        [](const OptionTable&) { return std::make_unique<DirectPlanner>(); });
}

}  // namespace weir::answer
