#include "answer/models.h"

#include <cmath>

namespace weir::answer {
namespace {

// Order of enum Feature. Set by hand; fitting them on the sixty development questions did not hold
// up in cross-validation (41 of 60 among the first three against 44).
constexpr double kSentence[kFeatureCount] = {3.0, 3.0, 1.5, 1.5,  1.0, 0.5,
                                             0.7, 0.5, 0.2, -1.5, 0.3, 3.0, 6.0};

// One row a calibrated model; docs/answer-quality.md says how a row is made.
constexpr JudgeModel kJudges[] = {{"qwen2.5-coder-1.5b", -2.881, -3.780, 1.646, 2.780}};

double Logistic(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

double SentenceScore(const std::array<double, kFeatureCount>& features) {
  double score = 0;
  for (int i = 0; i < kFeatureCount; ++i) score += kSentence[i] * features[i];
  return score;
}

// Both fitted on the 90 development questions with an L2 penalty, the classes weighed evenly
// (docs/answer-quality.md).
double AnswerableProbability(const RefusalFeatures& f) {
  return Logistic(-2.536 + 1.745 * f.dense + 1.862 * f.context + 1.879 * f.coverage -
                  5.190 * f.missing_names);
}

const JudgeModel* FindJudge(std::string_view model) {
  for (const JudgeModel& judge : kJudges) {
    if (judge.name == model) return &judge;
  }
  return nullptr;
}

double AnswerableWithJudge(const JudgeModel& judge, const RefusalFeatures& f, double judged) {
  return Logistic(judge.intercept + judge.names_weight * f.missing_names +
                  judge.judged_weight * judged + judge.grounded_weight * f.grounded);
}

}  // namespace weir::answer
