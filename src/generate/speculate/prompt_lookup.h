// Technique: prompt-lookup
// Source: Saxena, Prompt Lookup Decoding, 2023, github.com/apoorvumang/prompt-lookup-decoding; the
//   verification is that of Leviathan et al., Fast Inference from Transformers via Speculative
//   Decoding, ICML 2023, arXiv 2211.17192
// Idea: An answer quotes its prompt. Where the newest tokens occurred before, the tokens that
//   followed there are a draft that costs a look into a table; one pass of the model checks it.
// Formulas: m(p) = length of the longest common suffix of text[0, p] and text[0, n), at most 16;
//   p* = max {p < n - 1 : m(p) = max m, m(p) >= 1, p does not end a source}; draft[i] =
//   text[p* + 1 + i] up to the end of p*'s source, and beyond the end of the text as if the draft
//   had been appended
// Cost: O(1) a token to index; a proposal reads at most 64 places of 16 tokens; 16 bytes a token
//   and two tables of the pairs and the single tokens seen
// Differs: the longest match is taken (the original tries n-grams of fixed lengths and takes the
//   first place), the latest of equals. Other texts than the prompt are looked through as well. How
//   much is drafted is not a constant: draft_length.h chooses it by what was measured.
// Checked by: PromptLookupTest.EqualsANaiveSearch, PromptLookupTest.NoMatchReachesOverASource,
//   PromptLookupTest.RunsGoOnByThemselves, SpeculationTest.SameTokensAsWithout
// Measured by: weir bench llm --rows decode-cited
#pragma once

#include "absl/container/flat_hash_map.h"
#include "generate/speculate/drafter.h"

namespace weir::generate {

class PromptLookup : public Drafter {
 public:
  static constexpr int kMostEvidence = 16;  // tokens of a match that are compared
  static constexpr int kMostPlaces = 64;    // the newest places of the last pair that are tried

  explicit PromptLookup(int most_places = kMostPlaces) : most_places_(most_places) {}

  void Begin(std::span<const std::vector<int32_t>> sources) override;
  void Accept(std::span<const int32_t> tokens) override;
  void Propose(size_t most, Draft& draft) const override;

 private:
  using Place = int32_t;  // in text_, or -1
  void Add(int32_t token);
  int MatchAt(Place place) const;

  int most_places_;
  std::vector<int32_t> text_;  // the sources, each ended by kBreak, then the sequence
  size_t begin_ = 0;           // of the sequence
  // The newest place that ends with a pair or a token, and the one before each place.
  absl::flat_hash_map<uint64_t, Place> newest_pair_;
  absl::flat_hash_map<int32_t, Place> newest_token_;
  std::vector<Place> pair_before_, token_before_;
};

}  // namespace weir::generate
