// A range of code points as sequences of byte ranges, so that an automaton over bytes can match it.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace weir::generate {

struct Utf8Sequence {
  int length = 0;
  std::pair<uint8_t, uint8_t> bytes[4] = {};  // both ends included
};

// Appends disjoint sequences that together match the UTF-8 of [low, high], surrogates left out.
void AppendUtf8Sequences(char32_t low, char32_t high, std::vector<Utf8Sequence>& out);

}  // namespace weir::generate
