// The linear models of the room: which sentence answers, and whether anything does.
#pragma once

#include <array>
#include <string_view>

#include "answer/features.h"

namespace weir::answer {

// What a set of evidence shows about the question as a whole.
struct RefusalFeatures {
  // best cosines among the three best sentences, alone and in context
  double dense = 0, context = 0;
  double coverage = 0;            // best context coverage among them
  // share of the question's names and numbers the best passages lack
  double missing_names = 0;
  // how far one of the three best sentences holds what the draft adds to the question; 0 before
  // there is a draft
  double grounded = 0;
};

double SentenceScore(const std::array<double, kFeatureCount>& features);
// The probability that the evidence holds an answer, from the encoder and the words alone.
double AnswerableProbability(const RefusalFeatures& features);
// A model whose judgement was calibrated on the development questions. Judges differ: what is a
// firm "Yes" of one model is the resting state of another, so a model without a row is not asked.
struct JudgeModel {
  std::string_view name;  // of the catalogue
  double intercept, names_weight, judged_weight, grounded_weight;
};
// Null when `model` was not calibrated.
const JudgeModel* FindJudge(std::string_view model);
// AnswerableProbability once a calibrated model has read the best windows; `judged` as Judge gives
// it.
double AnswerableWithJudge(const JudgeModel& judge, const RefusalFeatures& features, double judged);

}  // namespace weir::answer
