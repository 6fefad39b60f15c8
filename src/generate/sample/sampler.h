// From logits to a token. The chain runs in llama.cpp's common order: repetition, top-k, top-p,
// min-p, temperature, draw. Temperature 0 is greedy: the likeliest token, ties to the lowest id.
// Candidates are selected, not sorted: one pass over the vocabulary keeps the k best.
// Not thread-safe; one Sampler belongs to one sequence.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace weir::generate {

struct SampleOptions {
  double temperature = 0;
  int64_t top_k = 40;       // 0 keeps all
  double top_p = 0.95;      // 1 keeps all
  double min_p = 0.05;      // 0 keeps all
  double repetition = 1.0;  // logits of recent tokens: divided by it if positive, else multiplied
  int64_t repetition_window = 64;  // tokens
  uint64_t seed = 0;
};

struct Candidate {
  float logit = 0;
  int32_t id = 0;
};

// Likelier first; equal logits by id, so that results never depend on the selection's order of
// work.
inline bool Likelier(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// Index of the largest logit, the lowest of equals. Any index when a NaN is among them.
// REQUIRES: !logits.empty().
int32_t ArgMax(std::span<const float> logits);

// The k likeliest candidates, sorted. O(n + k log k) expected. Logits of -infinity are left out.
void TopK(std::span<const float> logits, size_t k, std::vector<Candidate>& out);

class Sampler {
 public:
  explicit Sampler(const SampleOptions& options) : options_(options) {}

  // Chooses a token for position `draw` of this sequence. `logits` is changed by the repetition
  // rule once per position, so it must hold the decoder's fresh values; call Resample for a second
  // choice.
  int32_t Sample(std::span<float> logits, uint64_t draw);
  // The same draw over logits of which some were set to -infinity since Sample (a grammar's mask).
  // -1 when none is left.
  int32_t Resample(std::span<const float> logits, uint64_t draw);
  // Tells the repetition rule which token was taken (prompt tokens as well).
  void Accept(int32_t token);

 private:
  void Repetition(std::span<float> logits) const;
  void KeepTopP();
  void KeepMinP();
  int32_t Draw(uint64_t draw);

  SampleOptions options_;
  std::vector<int32_t> recent_;  // ring of the last repetition_window tokens
  size_t next_ = 0;
  std::vector<Candidate> candidates_;
  std::vector<double> weights_;
};

}  // namespace weir::generate
