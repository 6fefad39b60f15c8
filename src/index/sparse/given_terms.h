// Weighted words that a document came with, in place of what a sparse encoder would make of its
// text: from an encoder of pictures, from people, from anything that speaks the vocabulary. The
// store keeps the words, so that another sparse encoder finds their vector again in its own
// vocabulary (docs/lexicon.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/sparse/format.h"
#include "text/ports.h"

namespace weir::index {

inline constexpr size_t kMaxGivenTerms = 4096;  // of a document
inline constexpr size_t kMaxGivenWord = 100;    // bytes; BERT knows no longer word
inline constexpr double kMaxGivenWeight = kMostImpact / double{kImpactSteps};  // 3.98

struct GivenTerm {
  std::string word;
  uint8_t impact = 0;  // the weight in steps of 1/64, 1 to 255
  bool operator==(const GivenTerm&) const = default;
};
using GivenTerms = std::vector<GivenTerm>;  // by word, each once

// A weight in 8 bits, as all sparse vectors are stored; 0 for one that rounds to nothing.
// kInvalidArgument for one that is negative, not finite, or above kMaxGivenWeight.
absl::StatusOr<uint8_t> ImpactOf(double weight);

// kInvalidArgument, naming the word, for what breaks the limits above or the order.
absl::Status CheckGivenTerms(const GivenTerms& terms);

// The bytes of the catalogue: for each word its impact, its length and its bytes.
std::string PackTerms(const GivenTerms& terms);  // REQUIRES: CheckGivenTerms
absl::StatusOr<GivenTerms> UnpackTerms(std::string_view bytes);  // kDataLoss

// Every term that a word stands for gets the word's weight, and the largest where several words
// name it. Words that the vocabulary cannot spell are left out.
text::SparseVector VectorOf(const GivenTerms& terms, const text::TermVocabulary& vocabulary);

}  // namespace weir::index
