// Technique: polish-rules
// Source: Galambos, Lemmatizer for Document Information Retrieval Systems in JAVA (Egothor's
//   stemmer, the idea of Stempel), SOFSEM 2001
// Idea: Patch commands at the end of words, learnt from pairs of form and lemma: the longest known
//   ending of an unknown word says how many bytes go and what comes instead.
// Formulas: count(e, c) = weight of the pairs whose form ends in e and whose command is c, a form
//   of n lemmas weighing 1 / n for each; a rule e -> argmax count(e, .) is kept when it wins at
//   least 12 over the rule of its next shorter ending
// Cost: at most 8 look-ups in a table of 5,326 endings (57 KB).
// Differs: Endings in place of a trie, kept by their gain instead of merging subtrees; no command
//   at the front of a word.
// Checked by: PolishRulesTest.HeldOutLemmas   Measured by: weir eval --language polish:rules,
//   tools/polish_rules (the share of right lemmas held out)
#pragma once

#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace weir::text {

// "ending:bytes:added ..." as tools/polish_rules writes it.
extern const std::string_view kPolishRules;

// Thread-safe.
class PolishRules {
 public:
  static const PolishRules& Get();
  // Of a folded word; the word itself where no ending is known or under three letters would stay.
  std::string Lemma(std::string_view word) const;

 private:
  struct Rule {
    size_t strip = 0;  // bytes
    std::string_view added;
  };
  explicit PolishRules(std::string_view text);
  absl::flat_hash_map<std::string_view, Rule> rules_;
};

}  // namespace weir::text
