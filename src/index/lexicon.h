// A line of a lexicon file: a document whose sparse vector is given as weighted words, such as a
// picture that an encoder of pictures has put into words. Format page: docs/lexicon.md.
//
//   {"id": "img/7.jpg", "title": "...", "text": "...", "terms": {"dog": 2.1, "snow": 1.4},
//    "fields": {"year": 2021, "tags": ["winter", "pets"]}}
//   {"id": "img/8.jpg", "deleted": true}
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/options.h"
#include "index/indexer.h"
#include "text/ports.h"

namespace weir::index {

inline constexpr char kLexiconFormat[] = "lexicon";  // Document::format

struct LexiconOptions {
  int64_t most_terms = 0;
  double scale = 1;
  template <class V>
  void Visit(V& v) {
    v(most_terms, {.name = "lexicon-terms",
                   .help = "Words of a record that are kept, those of the largest weights; 0: all.",
                   .unit = "words",
                   .min = 0,
                   .max = kMaxGivenTerms,
                   .fingerprint = false});
    v(scale, {.name = "lexicon-scale",
              .help = "What the records' weights are multiplied by, for encoders whose weights are "
                      "not of the size that the store's own has (up to 3.98).",
              .min = 1e-6,
              .max = 1e6,
              .fingerprint = false});
  }
};

// Thread-compatible.
class LexiconParser {
 public:
  // `vocabulary` (borrowed) must spell the words that are kept; null: any word is taken.
  explicit LexiconParser(LexiconOptions options, const text::TermVocabulary* vocabulary = nullptr);
  ~LexiconParser();
  // kDataLoss, naming the word where it is one's fault.
  absl::StatusOr<Record> Parse(std::string_view line);

 private:
  struct Json;
  LexiconOptions options_;
  const text::TermVocabulary* vocabulary_;
  std::unique_ptr<Json> json_;
};

}  // namespace weir::index
