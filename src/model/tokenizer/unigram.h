// SentencePiece unigram: the segmentation with the greatest sum of scores (Viterbi over the bytes
// of the text, in double). A code point that no piece covers counts as unknown, 10 below the lowest
// score; neighbouring unknowns are one token.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "model/tokenizer/trie.h"
#include "model/tokenizer/vocabulary.h"

namespace weir::model {

class Unigram {
 public:
  struct Options {
    int32_t unknown = 0;
    bool byte_fallback = false;  // unknown text as byte pieces, where all of them exist
    double unknown_score = 0;
  };
  // `matching`: the pieces that may match text, with their ids. scores: one an id, finite.
  Unigram(const Vocabulary& vocabulary,
          std::vector<std::pair<std::string_view, int32_t>> matching, std::vector<double> scores,
          const Options& options);

  // Appends the ids of `text` (valid UTF-8). O(bytes * longest piece), at most kMaxMatchBytes.
  void Encode(std::string_view text, std::vector<int32_t>& out) const;

 private:
  void EmitUnknown(std::string_view text, std::vector<int32_t>& out) const;

  const Vocabulary& vocabulary_;
  Trie trie_;
  std::vector<double> scores_;
  std::vector<int32_t> byte_ids_;
  Options options_;
};

}  // namespace weir::model
