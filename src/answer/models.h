// The fitted linear models of the room: which sentence answers, and whether anything does.
#pragma once

#include <array>
#include <span>

#include "answer/evidence.h"

namespace weir::answer {

inline constexpr int kRefusalFeatureCount = 8;

double SentenceScore(const std::array<double, kFeatureCount>& features);
// In [0, 1]; `features` as RefusalFeatures gives them.
double AnswerableProbability(std::span<const double> features);
// The same once a model has read the best windows; `judged` as Judge gives it.
double AnswerableWithJudge(double answerable, double judged);

}  // namespace weir::answer
