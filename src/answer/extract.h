// Technique: extract
// Source: Yu, Hermann, Blunsom and Pulman, Deep Learning for Answer Sentence Selection, NIPS DL
//   Workshop 2014
// Idea: Answers with sentences of the documents alone. Sentences of the retrieved passages are
//   ranked by a linear model over lexical, dense and structural features; the best ones are the
//   answer. A decoder, where one is given, judges whether to refuse; it writes nothing.
// Formulas: score(s) = w . f(question, s); refuse when the probability of an answer is below the
//   option
// Cost: one encoder batch over the candidate sentences and their contexts
// Differs: a linear model over a general encoder instead of a trained network
// Checked by: PlannersTest.QuotesAreVerbatim, PlannersTest.RefusesWithoutEvidence
// Measured by: weir eval answers --extract
#pragma once

#include "answer/ask.h"
#include "answer/evidence.h"

namespace weir::answer {

class ExtractPlanner : public Planner {
 public:
  bool needs_model() const override { return false; }
  absl::StatusOr<text::Answer> Work(std::string_view question, const AnswerPorts& ports,
                                    const AnswerOptions& options,
                                    const Context& context) const override;
};

// The best sentences of a set as answer sentences that quote themselves.
std::vector<text::AnswerSentence> BestSentences(const EvidenceSet& set, int64_t most);

}  // namespace weir::answer
