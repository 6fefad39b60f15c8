// The linear models of the room: which sentence answers, and whether anything does.
#pragma once

#include <array>

#include "answer/features.h"

namespace weir::answer {

// What a set of evidence shows about the question as a whole.
struct RefusalFeatures {
  // best cosines among the three best sentences, alone and in context
  double dense = 0, context = 0;
  double coverage = 0;            // best context coverage among them
  // share of the question's names and numbers the best passages lack
  double missing_names = 0;
};

double SentenceScore(const std::array<double, kFeatureCount>& features);
// The probability that the evidence holds an answer, from the encoder and the words alone.
double AnswerableProbability(const RefusalFeatures& features);
// The same once a model has read the best windows; `judged` as Judge gives it.
double AnswerableWithJudge(const RefusalFeatures& features, double judged);

}  // namespace weir::answer
