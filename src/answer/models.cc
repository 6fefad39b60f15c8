#include "answer/models.h"

#include <algorithm>
#include <cmath>

namespace weir::answer {
namespace {

// Order of enum Feature.
constexpr double kSentence[kFeatureCount] = {3.0, 3.0, 1.5, 1.5, 1.0, 0.5, 0.7, 0.5, 0.2, -1.5, 0.3};
constexpr double kRefusal[kRefusalFeatureCount] = {0.5, 0.0, 3.0, 3.0, 1.0, 2.0, -1.5, 2.0};
constexpr double kRefusalIntercept = -6.0;
constexpr double kJudgeIntercept = -1.0, kJudgePrior = 0.5, kJudgeWeight = 1.0;

}  // namespace

double SentenceScore(const std::array<double, kFeatureCount>& features) {
  double score = 0;
  for (int i = 0; i < kFeatureCount; ++i) score += kSentence[i] * features[i];
  return score;
}

double AnswerableProbability(std::span<const double> features) {
  double x = kRefusalIntercept;
  for (int i = 0; i < kRefusalFeatureCount; ++i) x += kRefusal[i] * features[i];
  return 1 / (1 + std::exp(-x));
}

double AnswerableWithJudge(double answerable, double judged) {
  const double p = std::min(std::max(answerable, 1e-6), 1 - 1e-6);
  return 1 / (1 + std::exp(-(kJudgeIntercept + kJudgePrior * std::log(p / (1 - p)) + kJudgeWeight * judged)));
}

}  // namespace weir::answer
