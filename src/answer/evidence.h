// The sentences of the retrieved passages as candidates for an answer, each with features that say
// how likely it answers the question, ranked by a linear model over them (models.h).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "answer/ask.h"
#include "answer/features.h"
#include "answer/models.h"
#include "text/records.h"

namespace weir::answer {

using Vector = std::vector<float>;  // of an encoder, normalised

struct Evidence {
  text::DocumentRef document;
  int page = 0;
  text::Span span;
  std::string text;     // the sentence
  std::string context;  // previous, this and next sentence of the passage
  std::string heading;
  Vector vector;  // of the sentence as a passage; drafts and their sentences are compared with it
  int64_t passage = -1;
  int rank = 0;  // of its best passage, from 1
  std::array<double, kFeatureCount> features{};
  double score = 0;  // of the sentence model; higher is likelier
};

struct EvidenceSet {
  std::vector<text::Hit> hits;
  std::vector<Evidence> sentences;  // by score, descending; ties by (document, start)
  RefusalFeatures refusal;
};

absl::StatusOr<EvidenceSet> CollectEvidence(std::string_view question, const AnswerPorts& ports,
                                            const Context& context);

absl::StatusOr<std::vector<Vector>> EncodePassages(const std::vector<std::string_view>& texts,
                                                   const text::Encoder& encoder,
                                                   const Context& context);
// Of two vectors of one encoder: their cosine.
double Dot(const Vector& a, const Vector& b);

// Scores the sentences by their features and sorts them.
void Rank(EvidenceSet& set);

// A citation of `evidence`, quote included.
text::Citation Cite(const Evidence& evidence);

}  // namespace weir::answer
