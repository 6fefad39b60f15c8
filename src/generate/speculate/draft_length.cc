#include "generate/speculate/draft_length.h"

#include <algorithm>

namespace weir::generate {
namespace {

constexpr int64_t kPromptRows = 32;  // from here on a prompt's time is that of its products
// Of a pass, a row when no prompt was read here (it was cached): low enough to try one.
constexpr double kUnknownRow = 0.5;
constexpr double kLeastGain = 1.05;
// The bucket holds half a pass and leaks 1/64 of itself a pass: 0.8% can be lost for ever. An
// outlier of the clock fills it for 130 passes at most, and what was won pays for no more than 8.
constexpr double kAllowance = 0.5, kLeak = 1.0 / 64, kFullest = 4, kMostWon = 8;
constexpr int64_t kSingleEvery = 64;  // passes with a draft until one without measures anew
constexpr double kNewest = 0.3;       // weight of the newest time of a pass over so many rows
constexpr double kForget = 1.0 / 512;  // a pass: what was measured for other row counts grows old
constexpr double kMemory = 0.98;       // of acceptance, a token seen at the same evidence
// What counts as seen before anything is: that a token which followed one, two, ... equal tokens
// follows again, measured over answers of the 1.5B model (docs/performance.md), with little weight.
constexpr double kPriorWeight = 4;
constexpr double kPrior[] = {0.25, 0.5, 0.65, 0.75, 0.8, 0.85, 0.88, 0.9};

}  // namespace

DraftLength::DraftLength() {
  for (int e = 1; e <= kEvidence; ++e) {
    seen_[e] = kPriorWeight;
    right_[e] = kPriorWeight * kPrior[std::min<int>(e, std::size(kPrior)) - 1];
  }
}

void DraftLength::Begin() {
  for (int e = 1; e <= kEvidence; ++e) {
    const double keep = seen_[e] > 2 * kPriorWeight ? 0.5 : 1;
    seen_[e] *= keep;
    right_[e] *= keep;
  }
  lost_ = std::max(0.0, lost_);
}

void DraftLength::PromptTook(int64_t rows, int64_t ns) {
  if (rows >= kPromptRows && ns > 0) {
    prompt_row_ = static_cast<double>(ns) / static_cast<double>(rows);
  }
}

double DraftLength::Single() const {
  std::array<double, kSingles> sorted = single_;
  const int n = static_cast<int>(std::min<int64_t>(singles_, kSingles));
  if (n < 2) return 0;
  std::nth_element(sorted.begin(), sorted.begin() + n / 2, sorted.begin() + n);
  return sorted[n / 2];
}

// Between measured row counts the cost is linear. Above them each row costs what one did so far,
// and when none was measured what one of a prompt costs, the best the products can do.
double DraftLength::Cost(int rows) const {
  const double single = Single();
  if (single == 0 || rows <= 1) return single;
  int below = rows, above = rows;
  while (below > 1 && relative_[below] == 0) --below;
  while (above < kMost + 1 && relative_[above] == 0) ++above;
  const double low = below == 1 ? single : relative_[below] * single;
  if (below == rows) return low;
  if (relative_[above] == 0) {
    const double prompt = prompt_row_ > 0 ? std::min(prompt_row_, single) : kUnknownRow * single;
    const double row = below == 1 ? prompt : std::max(prompt, (low - single) / (below - 1));
    return low + (rows - below) * row;
  }
  const double high = relative_[above] * single;
  return low + (high - low) * (rows - below) / (above - below);
}

double DraftLength::Acceptance(int evidence) const {
  const int e = std::clamp(evidence, 1, kEvidence);
  return right_[e] / seen_[e];
}

void DraftLength::Saw(int evidence, bool right) {
  const int e = std::clamp(evidence, 1, kEvidence);
  seen_[e] = kMemory * seen_[e] + 1;
  right_[e] = kMemory * right_[e] + (right ? 1 : 0);
}

void DraftLength::PassTook(int rows, int tokens, int64_t ns) {
  if (ns <= 0 || rows < 1 || rows > kMost + 1) return;
  const double time = static_cast<double>(ns);
  lost_ -= kLeak * std::max(0.0, lost_);
  if (rows == 1) {
    single_[singles_++ % kSingles] = time;
    since_single_ = 0;
    // Old measurements drift to what the products can do at best, so that one bad moment of the
    // machine does not decide for ever; the bucket bounds what that costs.
    const double single = Single();
    if (single == 0) return;
    const double row = prompt_row_ > 0 ? std::min(prompt_row_ / single, 1.0) : kUnknownRow;
    for (int n = 2; n <= kMost + 1; ++n) {
      if (relative_[n] > 0) relative_[n] += kForget * (1 + (n - 1) * row - relative_[n]);
    }
    return;
  }
  ++since_single_;
  const double single = Single();
  if (single == 0) return;
  lost_ = std::clamp(lost_ + time / single - tokens, -kMostWon, kFullest);
  const double relative = std::max(1.0, time / single);
  double& kept = relative_[rows];
  kept = kept == 0 ? relative : kept + kNewest * (std::min(relative, 3 * kept) - kept);
}

int DraftLength::Choose(int evidence, int offered) const {
  const double single = Single();
  if (single == 0 || evidence < 1 || since_single_ >= kSingleEvery) return 0;
  if (lost_ > kAllowance) return 0;
  // Untried lengths are approached by doubling, so that finding out costs little.
  int tried = kMost + 1;
  while (tried > 1 && relative_[tried] == 0) --tried;
  offered = std::min({offered, kMost, 2 * tried - 1});
  int best = 0;
  double best_rate = kLeastGain / single, chance = 1, tokens = 1;
  for (int k = 1; k <= offered; ++k) {
    chance *= Acceptance(evidence + k - 1);
    tokens += chance;
    const double rate = tokens / Cost(k + 1);
    if (rate <= best_rate) continue;
    best_rate = rate;
    best = k;
  }
  return best;
}

}  // namespace weir::generate
