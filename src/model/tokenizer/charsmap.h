// SentencePiece's compiled normalisation rules: a double-array trie of source prefixes (Kanda's
// XCDA: base in bits 10-30, label in bits 0-7, leaf flag in bit 8, base scale in bit 9) that points
// into a block of NUL-terminated replacements. Layout: u32 LE bytes of the trie, the trie, the
// replacements.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace weir::model {

class CharsMap {
 public:
  CharsMap() = default;
  // kDataLoss when sizes do not fit. Every walk checks its indices.
  static absl::StatusOr<CharsMap> Parse(std::string_view bytes);

  struct Match {
    size_t length = 0;  // bytes of the text; 0: no rule
    std::string_view replacement;
  };
  // The longest rule whose source is a prefix of `text`.
  Match Longest(std::string_view text) const;
  bool empty() const { return units_.empty(); }

 private:
  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace weir::model
