// Exact phrases by positions: a leapfrog over the terms' postings, rarest first, then the
// positions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "index/lexical/segment_reader.h"

namespace weir::index {

struct PhraseMatches {
  // ascending documents; how often the phrase occurs in each
  std::vector<uint32_t> docs, frequencies;
};

// terms[i] must stand offsets[i] positions after the phrase's start. Allocates by the number of
// matches.
absl::Status MatchPhrase(const LexicalSegment& segment, std::span<const TermInfo> terms,
                         std::span<const int32_t> offsets, PhraseMatches& matches);

}  // namespace weir::index
