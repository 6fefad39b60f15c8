// Words of byte-level BPE: bytes become letters of the vocabulary and are merged by rank.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "model/tokenizer/bpe.h"
#include "model/tokenizer/split.h"
#include "model/tokenizer/vocabulary.h"

namespace weir::model {

class ByteLevelWords {
 public:
  // ignore_merges: a word that is a piece as a whole is that piece.
  ByteLevelWords(const Vocabulary& vocabulary,
                 std::span<const std::pair<std::string_view, std::string_view>> merges,
                 bool ignore_merges);

  struct Scratch {
    std::vector<int32_t> symbols;
    std::vector<uint32_t> begins;
  };
  // Appends the ids of the bytes of one word. A byte that has no piece gives `unknown`, or nothing.
  void Encode(std::string_view word, Scratch& scratch, std::vector<int32_t>& out,
              int32_t unknown = -1) const;

 private:
  const Vocabulary& vocabulary_;
  BpeMerges merges_;
  std::array<int32_t, 256> symbol_of_byte_;
  bool ignore_merges_;
};

// "left right" as files write merges; both empty when there is no space past the first byte.
std::pair<std::string_view, std::string_view> SplitMerge(std::string_view line);

}  // namespace weir::model
