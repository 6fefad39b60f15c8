#include "generate/speculate/prompt_lookup.h"

#include <algorithm>
#include <memory>

#include "base/registry.h"

namespace weir::generate {
namespace {

constexpr int32_t kBreak = -1;  // no token

}  // namespace

void PromptLookup::Begin(std::span<const std::vector<int32_t>> sources) {
  text_.clear();
  newest_pair_.clear();
  newest_token_.clear();
  pair_before_.clear();
  token_before_.clear();
  for (const std::vector<int32_t>& source : sources) {
    for (int32_t token : source) Add(token);
    Add(kBreak);
  }
  begin_ = text_.size();
}

void PromptLookup::Accept(std::span<const int32_t> tokens) {
  for (int32_t token : tokens) Add(token);
}

void PromptLookup::Add(int32_t token) {
  const Place place = static_cast<Place>(text_.size());
  const int32_t before = text_.empty() ? kBreak : text_.back();
  text_.push_back(token);
  pair_before_.push_back(-1);
  token_before_.push_back(-1);
  if (token == kBreak) return;
  const auto [single, is_new] = newest_token_.try_emplace(token, place);
  if (!is_new) token_before_.back() = std::exchange(single->second, place);
  if (before == kBreak) return;
  const uint64_t key = (uint64_t{static_cast<uint32_t>(before)} << 32) |
                       static_cast<uint32_t>(token);
  const auto [pair, first] = newest_pair_.try_emplace(key, place);
  if (!first) pair_before_.back() = std::exchange(pair->second, place);
}

// Tokens that end at `place` and also end the sequence.
int PromptLookup::MatchAt(Place place) const {
  const size_t most = std::min<size_t>({static_cast<size_t>(kMostEvidence), text_.size() - begin_,
                                        static_cast<size_t>(place) + 1});
  size_t n = 0;
  while (n < most && text_[place - n] == text_[text_.size() - 1 - n]) ++n;
  return static_cast<int>(n);
}

void PromptLookup::Propose(size_t most, Draft& draft) const {
  draft.tokens.clear();
  draft.evidence = 0;
  if (text_.size() == begin_ || most == 0) return;
  Place best = -1;
  int tried = 0;
  const auto ends_source = [&](Place place) { return text_[place + 1] == kBreak; };
  for (Place p = pair_before_.back(); p >= 0 && tried < most_places_;
       p = pair_before_[p], ++tried) {
    if (ends_source(p)) continue;
    const int match = MatchAt(p);
    if (match <= draft.evidence) continue;
    draft.evidence = match;
    best = p;
    if (match == kMostEvidence) break;
  }
  if (best < 0) {
    best = token_before_.back();
    for (; best >= 0 && ends_source(best) && tried < most_places_; ++tried) {
      best = token_before_[best];
    }
    if (best < 0 || ends_source(best)) return;
    draft.evidence = 1;
  }
  for (size_t i = 0; i < most; ++i) {
    const size_t from = static_cast<size_t>(best) + 1 + i;
    const int32_t token = from < text_.size() ? text_[from] : draft.tokens[from - text_.size()];
    if (token == kBreak) break;
    draft.tokens.push_back(token);
  }
}

void RegisterPromptLookup(Registry& registry) {
  registry.Add<Drafter>("prompt-lookup", "Drafts what followed the newest tokens before.",
                        [](const OptionTable&) { return std::make_unique<PromptLookup>(); });
}

}  // namespace weir::generate
