// Byte-pair merges by rank. Symbols are vocabulary ids, followed by ids of our own for the texts of
// a merge list that are no piece. A word of n symbols costs O(n log n); short words use a plain
// scan.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "model/tokenizer/vocabulary.h"

namespace weir::model {

class BpeMerges {
 public:
  // The earlier of two equal pairs counts. Pairs with an empty side are skipped. Texts need not
  // outlive the call.
  BpeMerges(const Vocabulary& vocabulary,
            std::span<const std::pair<std::string_view, std::string_view>> merges);

  // Symbol of a text: its id in the vocabulary, one of our own, or -1.
  int32_t Symbol(std::string_view text) const;

  // Merges `symbols` in place and returns how many are left; begins[k] is where symbol k began
  // before. Symbols below 0 merge with nothing. `begins` has room for as many entries as `symbols`.
  size_t Run(std::span<int32_t> symbols, std::span<uint32_t> begins) const;

 private:
  struct Merge {
    uint32_t rank;
    int32_t result;
  };
  const Merge* Find(int32_t left, int32_t right) const {
    auto it = merges_.find(static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 |
                           static_cast<uint32_t>(right));
    return it == merges_.end() ? nullptr : &it->second;
  }
  size_t RunShort(std::span<int32_t> symbols, std::span<uint32_t> begins) const;
  size_t RunLong(std::span<int32_t> symbols, std::span<uint32_t> begins) const;

  const Vocabulary& vocabulary_;
  absl::flat_hash_map<uint64_t, Merge> merges_;
  absl::flat_hash_map<std::string, int32_t> own_symbols_;
};

}  // namespace weir::model
