// The sentences of the retrieved passages as candidates for an answer, each with features that say how
// likely it answers the question, and the linear models over them. Weights were fitted on the development
// questions (docs/answer-quality.md), never on the test questions.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "answer/ask.h"
#include "text/records.h"

namespace weir::answer {

enum Feature : int {
  kDense,           // cosine of question and sentence
  kDenseContext,    // cosine of question and sentence with its neighbours and heading
  kCoverage,        // idf-weighted share of the question's stems in the sentence
  kContextCoverage, // the same over the sentence with its neighbours and heading
  kPassageScore,    // fused score of the best passage that holds it, in [0, 1]
  kReciprocalRank,  // 1 / rank of that passage
  kAnswerType,      // the sentence holds what the question asks for (a number, a date, a name)
  kBigrams,         // share of the question's stem pairs in the sentence
  kLength,          // log2 of words, capped
  kNoise,           // looks like a reference, a caption, a table row or a fragment
  kTitle,           // idf-weighted share of the question's stems in the document's title
  kFeatureCount
};

struct Evidence {
  text::DocumentRef document;
  int page = 0;
  text::Span span;
  std::string text;     // the sentence
  std::string context;  // previous, this and next sentence of the passage
  std::string heading;
  int64_t passage = -1;
  int rank = 0;  // of its best passage, from 1
  std::array<double, kFeatureCount> features{};
  double score = 0;  // of the sentence model; higher is likelier
};

struct EvidenceSet {
  std::vector<text::Hit> hits;
  std::vector<Evidence> sentences;  // by score, descending; ties by (document, start)
  double answerable = 0;            // estimated probability that they hold an answer
};

absl::StatusOr<EvidenceSet> CollectEvidence(std::string_view question, const AnswerPorts& ports,
                                            const Context& context);

// What the whole set shows about the question, for the refusal model.
std::vector<double> RefusalFeatures(std::string_view question, const EvidenceSet& set);

// A citation of `evidence`, quote included.
text::Citation Cite(const Evidence& evidence);

}  // namespace weir::answer
