#include "answer/models.h"

#include <algorithm>
#include <cmath>

namespace weir::answer {
namespace {

// Order of enum Feature.
constexpr double kSentence[kFeatureCount] = {3.0, 3.0, 1.5, 1.5, 1.0, 0.5, 0.7, 0.5, 0.2, -1.5, 0.3};
constexpr double kRefusal[kRefusalFeatureCount] = {0.5, 0.0, 3.0, 3.0, 1.0, 2.0, -1.5, 2.0};
constexpr double kRefusalIntercept = -6.0;

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

double AnswerableWithDraft(double answerable, bool model_found_nothing, bool draft_verified) {
  const double p = std::min(std::max(answerable, 1e-6), 1 - 1e-6);
  double x = std::log(p / (1 - p));
  if (model_found_nothing) x -= 1.5;
  if (draft_verified) x += 0.7;
  return 1 / (1 + std::exp(-x));
}

}  // namespace weir::answer
