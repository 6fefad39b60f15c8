// The model's own draft of an answer, and what it says about the evidence: a sentence of the
// documents that resembles what the model wrote after reading all windows is likelier the one that
// answers (the draft as a query: Gao et al., Precise Zero-Shot Dense Retrieval without Relevance
// Labels, ACL 2023, here with the evidence before its eyes).
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "answer/ask.h"
#include "answer/evidence.h"
#include "answer/pack.h"
#include "text/ports.h"
#include "text/records.h"

namespace weir::answer {

// Asks ports.completer, which must not be null; greedy, at most options.max_tokens.
absl::StatusOr<text::Completion> WriteDraft(std::string_view question, const PackedContext& packed,
                                            const AnswerPorts& ports, const AnswerOptions& options,
                                            const Context& context);

// options.samples drafts, written together: the first as WriteDraft writes it, the others drawn
// with seeds of their own. Returns the one whose sentences the verifier supports best, the first of
// equals; with one sample, WriteDraft. on_draft is called for a single sample only.
absl::StatusOr<text::Completion> WriteBestDraft(std::string_view question,
                                                const PackedContext& packed, const EvidenceSet& set,
                                                const AnswerPorts& ports,
                                                const AnswerOptions& options,
                                                const Context& context);

// Fills the draft features of `set`, ranks it again, and notes how far the draft is grounded.
absl::Status RankByDraft(std::string_view question, std::string_view draft,
                         const text::Encoder& encoder, const Context& context, EvidenceSet& set);

struct CheckedDraft {
  std::vector<text::AnswerSentence> kept;  // that the verifier supports, with their citations
  int dropped = 0;
};

// Cites and verifies each sentence of the draft.
absl::StatusOr<CheckedDraft> CheckDraft(std::string_view draft, const EvidenceSet& set,
                                        const text::Encoder& encoder, const Context& context);

}  // namespace weir::answer
