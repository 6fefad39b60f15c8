// What searches return.
#pragma once

#include <cstdint>
#include <string>

namespace weir::index {

struct Scored {
  int64_t passage = -1;
  float score = 0;
};

// What a term contributes, for --explain.
struct TermScore {
  std::string term;
  int64_t document_frequency = 0, frequency = 0;
  double idf = 0, score = 0;
};

}  // namespace weir::index
