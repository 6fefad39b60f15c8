// The parts of a segment of token vectors; docs/formats/multi-segment.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/group_lookup.h"
#include "tensor/lookup.h"

namespace weir::index {

inline constexpr int kMaxTokenDimensions = 4096;
// A quantiser of so many tokens is good enough for the segments that come after it.
inline constexpr uint64_t kEnoughTokens = 16384;

enum {
  kMultiPassages,        // i64[rows], ascending
  kTokenStarts,          // u64[rows + 1]
  kEncodingScales,       // f32[rows]
  kEncodingCodes,        // groups of 16 rows, tensor/group_lookup.h
  kTokenQuantiserBytes,  // TokenQuantiserView
  kTokenCodes,           // groups of 16 tokens
  kMultiSections
};
enum {
  kTokenDimensionsParam,
  kRepsParam,
  kBitsParam,
  kDimParam,
  kFinalParam,
  kSeedParam,
  kMeansParam,    // 1: empty parts of passages are filled; 2: unit_means; 4: whole
  kTrainedParam,  // tokens that the quantiser was made of
};

// Codes of an encoding, one a number, and zeros behind them.
inline constexpr size_t EncodingParts(size_t length) {
  return (length + tensor::kLookupGroupParts - 1) / tensor::kLookupGroupParts *
         tensor::kLookupGroupParts;
}
inline constexpr size_t LookupGroups(size_t rows) {
  return (rows + tensor::kLookupGroup - 1) / tensor::kLookupGroup;
}

}  // namespace weir::index
