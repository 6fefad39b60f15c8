#include "answer/cite.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "answer/question.h"
#include "base/status.h"

namespace weir::answer {
namespace {

// Cosine is added to coverage with this weight; both are in [0, 1].
constexpr double kCosineShare = 0.5;
// A further span must add this much coverage of the sentence's words.
constexpr double kLeastGain = 0.15;

struct Candidate {
  const Evidence* evidence;
  std::set<std::string> covered;  // units of the sentence that it holds
  double cosine = 0;
};

}  // namespace

absl::StatusOr<std::vector<text::Citation>> FindCitations(std::string_view sentence,
                                                          const EvidenceSet& set,
                                                          const text::Encoder& encoder,
                                                          const Context& context) {
  const std::set<std::string> wanted = ContentStemSet(sentence);
  std::vector<Candidate> candidates;
  for (const Evidence& e : set.sentences) {
    Candidate c{&e, {}, 0};
    for (const std::string& unit : ContentStemSet(e.text)) {
      if (wanted.contains(unit)) c.covered.insert(unit);
    }
    if (!c.covered.empty()) candidates.push_back(std::move(c));
  }
  std::vector<text::Citation> citations;
  if (candidates.empty() || wanted.empty()) return citations;
  WEIR_ASSIGN_OR_RETURN(const std::vector<Vector> vectors,
                        EncodePassages({sentence}, encoder, context));
  for (Candidate& c : candidates) c.cosine = Dot(vectors[0], c.evidence->vector);

  std::set<std::string> left = wanted;
  std::set<const Evidence*> used;
  while (citations.size() < kMaxCitations) {
    const Candidate* best = nullptr;
    double best_gain = 0, best_cover = 0;
    for (const Candidate& c : candidates) {
      if (used.contains(c.evidence)) continue;
      const double cover =
          static_cast<double>(std::count_if(c.covered.begin(), c.covered.end(),
                                            [&](const auto& u) { return left.contains(u); })) /
          static_cast<double>(wanted.size());
      const double gain = cover + kCosineShare * std::max(0.0, c.cosine);
      if (gain > best_gain) best_gain = gain, best_cover = cover, best = &c;
    }
    if (best == nullptr || (!citations.empty() && best_cover < kLeastGain)) break;
    citations.push_back(Cite(*best->evidence));
    used.insert(best->evidence);
    for (const std::string& unit : best->covered) left.erase(unit);
  }
  return citations;
}

}  // namespace weir::answer
