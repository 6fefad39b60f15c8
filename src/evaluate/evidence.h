// How much of a question's evidence spans of the documents hold.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "evaluate/answers.h"
#include "evaluate/fold.h"
#include "evaluate/questions.h"
#include "text/records.h"

namespace weir::evaluate {

inline constexpr double kNeededCoverage = 0.5;

// Documents' texts and letters, each read once.
class EvidenceTexts {
 public:
  struct Entry {
    std::string text;
    Letters letters;
  };
  explicit EvidenceTexts(const TextFunction& text_of) : text_of_(text_of) {}
  absl::StatusOr<const Entry*> Get(const std::string& path);

 private:
  const TextFunction& text_of_;
  std::map<std::string, Entry> entries_;
};

struct QuotedSpan {
  std::string_view path;  // of the document
  text::Span span;
  std::string_view quote;  // its text
};

// Share of the best evidence alternative that the spans in the question's file cover together.
// Where the reader's text does not hold the evidence in one piece (a page break inside it), the
// longest run of letters that one quote shares with it counts instead.
absl::StatusOr<double> EvidenceCoverage(const Question& question,
                                        const std::vector<QuotedSpan>& spans,
                                        EvidenceTexts& documents);

}  // namespace weir::evaluate
