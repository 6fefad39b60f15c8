// Text to index terms: Unicode word boundaries, case folding, English stop words, Porter stemming
// (Snowball). The same analyser must be used for documents and queries; its name is stored in the
// index.
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
};

// Not thread-safe (the stemmer has state); make one a thread.
class Analyzer {
 public:
  virtual ~Analyzer() = default;
  // "english" (stop words, Porter), "plain" (case folding only).
  static absl::StatusOr<std::unique_ptr<Analyzer>> Make(std::string_view name);
  virtual std::string_view name() const = 0;
  virtual void Analyze(std::string_view utf8, std::vector<Token>& out) = 0;
};

bool IsStopWord(std::string_view lower_case_word);

}  // namespace weir::text
