// Labelled claims over a BEIR folder: evidence.jsonl says which sentences of a document support or
// contradict the claim of queries.jsonl, one JSON object a line:
//   {"query": "3", "doc": "14717500", "label": "SUPPORT", "sentences": [2, 5]}
// Sentences count from 0, as metadata.sentence_lengths of corpus.jsonl cuts the document's text:
// lengths in code points, one space between neighbours, nothing before the first or after the last.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "evaluate/lines.h"
#include "text/records.h"

namespace weir::evaluate {

struct Rationale {
  std::string query, document;
  bool supports = false;           // "SUPPORT"; else "CONTRADICT"
  std::vector<int64_t> sentences;  // ascending, each once, below kMaxSentences
  std::string where;               // file and line, for messages
};

inline constexpr int64_t kMaxSentences = 10000;  // of a document

// kDataLoss with file and line when a field is missing, empty or of the wrong type, or a row occurs
// twice; kResourceExhausted above 100,000 rows.
absl::StatusOr<std::vector<Rationale>> ReadRationales(LineReader& lines);

// A document of the corpus, cut into sentences.
struct CutDocument {
  std::string text;
  std::vector<text::Span> sentences;  // of `text`, in order
  std::string_view Sentence(int64_t i) const {
    return std::string_view(text).substr(sentences[i].start, sentences[i].size());
  }
};

// A line of corpus.jsonl. kDataLoss when it is no record or the lengths do not fit the text.
absl::StatusOr<CutDocument> ParseCutDocument(std::string_view line);

// Those of the corpus whose id is in `wanted`; the others are skipped. An id that occurs twice is
// kDataLoss.
absl::StatusOr<std::map<std::string, CutDocument>> ReadCutDocuments(
    LineReader& lines, const std::set<std::string>& wanted);

}  // namespace weir::evaluate
