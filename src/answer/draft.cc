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

// Encoding more costs time for little: of 58 of the 60 development questions the evidence is among
// the first twenty before the draft.
constexpr size_t kRanked = 64;

double Coverage(const std::set<std::string>& wanted, std::string_view text) {
  if (wanted.empty()) return 0;
  std::set<std::string> found;
  for (std::string& stem : ContentStems(text)) {
    if (wanted.contains(stem)) found.insert(std::move(stem));
  }
  return static_cast<double>(found.size()) / static_cast<double>(wanted.size());
}

}  // namespace

absl::StatusOr<text::Completion> WriteDraft(std::string_view question, const PackedContext& packed,
                                            const AnswerPorts& ports, const AnswerOptions& options,
                                            const Context& context) {
  text::CompletionRequest request;
  request.messages = Prompt(question, packed);
  request.max_tokens = options.max_tokens;
  request.seed = context.seed;
  if (ports.on_draft) {
    request.on_text = [&](std::string_view piece) {
      ports.on_draft(piece);
      return true;
    };
  }
  return ports.completer->Complete(request, context);
}

absl::Status RankByDraft(std::string_view draft, const text::Encoder& encoder,
                         const Context& context, EvidenceSet& set) {
  if (draft.find_first_not_of(" \t\r\n") == std::string_view::npos) return absl::OkStatus();
  const size_t count = std::min(set.sentences.size(), kRanked);
  const size_t d = encoder.dimensions();
  std::vector<std::string_view> texts = {draft};
  for (size_t i = 0; i < count; ++i) texts.push_back(set.sentences[i].text);
  std::vector<float> vectors(texts.size() * d);
  WEIR_RETURN_IF_ERROR(encoder.Encode(texts, text::EncodeAs::kPassage, vectors, context));
  const std::vector<std::string> stems = ContentStems(draft);
  const std::set<std::string> wanted(stems.begin(), stems.end());
  for (size_t i = 0; i < count; ++i) {
    auto& features = set.sentences[i].features;
    features[kDraftDense] = 0;
    for (size_t j = 0; j < d; ++j) {
      features[kDraftDense] += static_cast<double>(vectors[j]) * vectors[(i + 1) * d + j];
    }
    features[kDraftCoverage] = Coverage(wanted, set.sentences[i].text);
  }
  Rank(set);
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
