// SentencePiece BPE: neighbours whose joined text is a piece are merged, the best score first (of
// equal scores the leftmost). Works on bytes; what is no piece in the end is written as byte
// pieces.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/tokenizer/vocabulary.h"

namespace weir::model {

class SpmBpe {
 public:
  // scores: one a piece, none of them NaN. `unknown` (or -1) stands for bytes without a byte piece.
  SpmBpe(const Vocabulary& vocabulary, std::vector<float> scores, int32_t unknown);

  // Appends the ids of `text`, in which spaces are already "▁". O(n log n).
  void Encode(std::string_view text, std::vector<int32_t>& out) const;

 private:
  struct Symbol;
  void EmitBytes(std::string_view bytes, std::vector<int32_t>& out) const;

  const Vocabulary& vocabulary_;
  std::vector<float> scores_;
  std::vector<int32_t> byte_ids_;
  int32_t unknown_;
  size_t longest_ = 0;  // bytes of the longest piece that may match
};

}  // namespace weir::model
