#include "generate/sample/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "generate/sample/random.h"

namespace weir::generate {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr size_t kBlock =
    64;  // logits looked at together; the compiler keeps 16 lanes in one register

float BlockMax(const float* x) {
  float lane[16];
  for (int i = 0; i < 16; ++i) lane[i] = x[i];
  for (size_t j = 16; j < kBlock; j += 16) {
    for (int i = 0; i < 16; ++i) lane[i] = x[j + i] > lane[i] ? x[j + i] : lane[i];
  }
  float best = kMinusInfinity;
  for (float v : lane) best = v > best ? v : best;
  return best;
}

}  // namespace

int32_t ArgMax(std::span<const float> logits) {
  Candidate best{kMinusInfinity, -1};
  size_t i = 0;
  const auto look = [&](size_t end) {
    for (; i < end; ++i) {
      if (logits[i] > best.logit) best = {logits[i], static_cast<int32_t>(i)};
    }
  };
  while (i + kBlock <= logits.size()) {
    if (BlockMax(&logits[i]) <= best.logit) {
      i += kBlock;
    } else {
      look(i + kBlock);
    }
  }
  look(logits.size());
  return best.id < 0 ? 0 : best.id;
}

void TopK(std::span<const float> logits, size_t k, std::vector<Candidate>& out) {
  out.clear();
  if (k == 0) return;
  // Keeps up to 2k candidates above a rising threshold; when full, halves to the best k.
  const size_t room = std::max<size_t>(2 * k, 128);
  float threshold = kMinusInfinity;
  const auto take = [&](size_t i) {
    if (!(logits[i] > threshold)) return;
    out.push_back({logits[i], static_cast<int32_t>(i)});
    if (out.size() < room) return;
    std::nth_element(out.begin(), out.begin() + (k - 1), out.end(), Likelier);
    out.resize(k);
    // Later equals of the k-th have higher ids, so dropping them keeps the rule of ties.
    threshold = out[k - 1].logit;
  };
  size_t i = 0;
  for (; i + kBlock <= logits.size(); i += kBlock) {
    if (BlockMax(&logits[i]) <= threshold) continue;
    for (size_t j = i; j < i + kBlock; ++j) take(j);
  }
  for (; i < logits.size(); ++i) take(i);
  const size_t keep = std::min(k, out.size());
  std::partial_sort(out.begin(), out.begin() + keep, out.end(), Likelier);
  out.resize(keep);
}

int32_t Sampler::Sample(std::span<float> logits, uint64_t draw) {
  Repetition(logits);
  const int32_t token = Resample(logits, draw);
  return token < 0 ? 0 : token;
}

int32_t Sampler::Resample(std::span<const float> logits, uint64_t draw) {
  if (options_.temperature <= 0) {
    const int32_t best = ArgMax(logits);
    return logits[best] == kMinusInfinity ? -1 : best;
  }
  const bool all = options_.top_k <= 0 || static_cast<size_t>(options_.top_k) >= logits.size();
  if (!all) {
    TopK(logits, static_cast<size_t>(options_.top_k), candidates_);
  } else {
    candidates_.clear();
    for (size_t i = 0; i < logits.size(); ++i) {
      if (logits[i] > kMinusInfinity) candidates_.push_back({logits[i], static_cast<int32_t>(i)});
    }
    // Only top-p needs the order; the best goes first for the weights' common shift.
    if (!candidates_.empty()) {
      std::iter_swap(candidates_.begin(),
                     std::min_element(candidates_.begin(), candidates_.end(), Likelier));
    }
  }
  if (candidates_.empty()) return -1;
  KeepTopP();
  KeepMinP();
  return Draw(draw);
}

void Sampler::Accept(int32_t token) {
  if (options_.repetition == 1.0 || options_.repetition_window <= 0) return;
  if (recent_.size() < static_cast<size_t>(options_.repetition_window)) {
    recent_.push_back(token);
  } else {
    recent_[next_] = token;
    next_ = (next_ + 1) % recent_.size();
  }
}

void Sampler::Repetition(std::span<float> logits) const {
  if (options_.repetition == 1.0 || recent_.empty()) return;
  std::vector<int32_t> unique(recent_);
  std::sort(unique.begin(), unique.end());
  unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
  const float penalty = static_cast<float>(options_.repetition);
  for (int32_t id : unique) {
    if (id < 0 || static_cast<size_t>(id) >= logits.size()) continue;
    logits[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
  }
}

// Keeps the shortest head of the sorted candidates whose probability (among the candidates) reaches
// top_p. An unsorted list is sorted only as far as the head needs, in doubling steps.
void Sampler::KeepTopP() {
  if (options_.top_p >= 1.0) return;
  const float best = candidates_[0].logit;
  double total = 0;
  for (const Candidate& c : candidates_) total += std::exp(static_cast<double>(c.logit - best));
  const double goal = options_.top_p * total;
  double sum = 0;
  size_t kept = 0, sorted = 0;
  while (kept < candidates_.size()) {
    if (kept == sorted) {
      const size_t step = std::min(candidates_.size(), std::max<size_t>(64, 2 * sorted));
      std::partial_sort(candidates_.begin() + sorted, candidates_.begin() + step, candidates_.end(),
                        Likelier);
      sorted = step;
    }
    sum += std::exp(static_cast<double>(candidates_[kept].logit - best));
    ++kept;
    if (sum >= goal) break;
  }
  candidates_.resize(std::max<size_t>(kept, 1));
}

// Drops candidates with p < min_p * p_best, which in logits is a fixed distance from the best.
void Sampler::KeepMinP() {
  if (options_.min_p <= 0) return;
  const float floor = candidates_[0].logit + static_cast<float>(std::log(options_.min_p));
  size_t kept = 1;
  for (size_t i = 1; i < candidates_.size(); ++i) {
    if (candidates_[i].logit >= floor) candidates_[kept++] = candidates_[i];
  }
  candidates_.resize(kept);
}

int32_t Sampler::Draw(uint64_t draw) {
  const float best = candidates_[0].logit;
  weights_.resize(candidates_.size());
  double total = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    weights_[i] = std::exp((candidates_[i].logit - best) / options_.temperature);
    total += weights_[i];
  }
  double left = UniformAt(options_.seed, draw) * total;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    left -= weights_[i];
    if (left < 0) return candidates_[i].id;
  }
  return candidates_[0].id;  // rounding left nothing: the best
}

}  // namespace weir::generate
