// Text to index terms: Unicode word boundaries, case folding, then what a language needs (stop
// words, a stemmer, a dictionary, n-grams, the parts of identifiers). The same analyser must be
// used for documents and queries; its name is stored in the index.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "text/records.h"

namespace weir::text {

struct Token {
  std::string term;
  Span span;             // of the surface form in the input
  int32_t position = 0;  // counts stop words too, so phrases keep their distances
  // Of a query's term: several terms of one position share what their word counts. Documents hold
  // each term once a position, whatever it weighs.
  float weight = 1;
};

// Not thread-safe (the stemmer has state); make one a thread.
class Analyzer {
 public:
  virtual ~Analyzer() = default;
  // "english", "plain" (case folding only), "code", or another entry of Languages(), by name or
  // code. Where the analysis depends on data outside of the program, name() tells which ("polish:
  // morfologik-1f2e3d4c"), and a name with such a suffix gets exactly that: kFailedPrecondition
  // when this machine has other data. kInvalidArgument for an unknown name.
  static absl::StatusOr<std::unique_ptr<Analyzer>> Make(std::string_view name);
  virtual std::string_view name() const = 0;
  // Tokens ascend by position; terms of one position are different, the most likely one first.
  virtual void Analyze(std::string_view utf8, std::vector<Token>& out) = 0;
};

bool IsStopWord(std::string_view lower_case_word);  // English

}  // namespace weir::text
