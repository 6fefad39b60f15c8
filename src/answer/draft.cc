#include "answer/draft.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "answer/cite.h"
#include "answer/question.h"
#include "answer/verify/verify.h"
#include "base/status.h"
#include "text/sentences.h"

namespace weir::answer {
namespace {

// Of the samples after the first: different words, still on the subject.
constexpr double kSampleTemperature = 0.7;

double CountIn(const std::set<std::string>& wanted, std::string_view text) {
  const std::set<std::string> stems = ContentStemSet(text);
  return static_cast<double>(
      std::count_if(wanted.begin(), wanted.end(),
                    [&](const std::string& stem) { return stems.contains(stem); }));
}

// RefusalFeatures::grounded: the most stems that one of the best sentences shares with what the
// draft adds to the question, over all that it adds and one more. A draft that only turns the
// question round, as models do when the sources are silent, counts for little. In [0, 1).
double Grounded(std::string_view question, std::string_view draft, const EvidenceSet& set) {
  constexpr size_t kSentences = 3;
  std::set<std::string> added = ContentStemSet(draft);
  for (const std::string& stem : ContentStemSet(question)) added.erase(stem);
  double most = 0;
  for (size_t i = 0; i < std::min(kSentences, set.sentences.size()); ++i) {
    most = std::max(most, CountIn(added, set.sentences[i].text));
  }
  return most / static_cast<double>(added.size() + 1);
}

text::CompletionRequest DraftRequest(std::string_view question, const PackedContext& packed,
                                     const AnswerOptions& options, const Context& context) {
  text::CompletionRequest request;
  request.messages = Prompt(question, packed);
  request.passages = PromptPassages(packed);
  request.max_tokens = options.max_tokens;
  request.seed = context.seed;
  request.quotable = packed.passages;
  return request;
}

// What a draft is worth: the support of what stays of it, less what would be left out.
double Worth(const CheckedDraft& checked) {
  double sum = -checked.dropped;
  for (const text::AnswerSentence& sentence : checked.kept) sum += sentence.support;
  return sum;
}

}  // namespace

absl::StatusOr<text::Completion> WriteDraft(std::string_view question, const PackedContext& packed,
                                            const AnswerPorts& ports, const AnswerOptions& options,
                                            const Context& context) {
  text::CompletionRequest request = DraftRequest(question, packed, options, context);
  if (ports.on_draft) {
    request.on_text = [&](std::string_view piece) {
      ports.on_draft(piece);
      return true;
    };
  }
  return ports.completer->Complete(request, context);
}

absl::StatusOr<text::Completion> WriteBestDraft(std::string_view question,
                                                const PackedContext& packed, const EvidenceSet& set,
                                                const AnswerPorts& ports,
                                                const AnswerOptions& options,
                                                const Context& context) {
  if (options.samples <= 1) return WriteDraft(question, packed, ports, options, context);
  std::vector<text::CompletionRequest> requests;
  for (int64_t i = 0; i < options.samples; ++i) {
    requests.push_back(DraftRequest(question, packed, options, context));
    if (i > 0) requests.back().temperature = kSampleTemperature;
    requests.back().seed += static_cast<uint64_t>(i);
  }
  auto drafts = ports.completer->CompleteAll(requests, context);
  size_t best = 0;
  double most = 0;
  for (size_t i = 0; i < drafts.size(); ++i) {
    WEIR_RETURN_IF_ERROR(drafts[i].status());
    WEIR_ASSIGN_OR_RETURN(const CheckedDraft checked,
                          CheckDraft(drafts[i]->text, set, ports.encoder, context));
    if (i > 0 && Worth(checked) <= most) continue;
    best = i;
    most = Worth(checked);
  }
  return std::move(drafts[best]);
}

absl::Status RankByDraft(std::string_view question, std::string_view draft,
                         const text::Encoder& encoder, const Context& context, EvidenceSet& set) {
  if (draft.find_first_not_of(" \t\r\n") == std::string_view::npos) return absl::OkStatus();
  WEIR_ASSIGN_OR_RETURN(const std::vector<Vector> vectors,
                        EncodePassages({draft}, encoder, context));
  const std::set<std::string> wanted = ContentStemSet(draft);
  for (Evidence& e : set.sentences) {
    e.features[kDraftDense] = Dot(vectors[0], e.vector);
    e.features[kDraftCoverage] =
        wanted.empty() ? 0 : CountIn(wanted, e.text) / static_cast<double>(wanted.size());
  }
  Rank(set);
  set.refusal.grounded = Grounded(question, draft, set);
  return absl::OkStatus();
}

absl::StatusOr<CheckedDraft> CheckDraft(std::string_view draft, const EvidenceSet& set,
                                        const text::Encoder& encoder, const Context& context) {
  CheckedDraft checked;
  for (const text::Span& span : text::Sentences(draft)) {
    const std::string_view sentence = draft.substr(span.start, span.size());
    WEIR_ASSIGN_OR_RETURN(auto citations, FindCitations(sentence, set, encoder, context));
    std::vector<std::string_view> quotes;
    for (const text::Citation& c : citations) quotes.push_back(c.quote);
    WEIR_ASSIGN_OR_RETURN(const SentenceVerdict verdict,
                          VerifySentence(sentence, quotes, encoder, context));
    if (verdict.supported) {
      checked.kept.push_back({std::string(sentence), verdict.support, std::move(citations)});
    } else {
      ++checked.dropped;
    }
  }
  return checked;
}

}  // namespace weir::answer
