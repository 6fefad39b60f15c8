// Lexicon files (docs/lexicon.md) as the records that index::IndexRecords takes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "evaluate/lines.h"
#include "index/indexer.h"
#include "index/lexicon.h"
#include "text/ports.h"

namespace weir::cli {

// JSON lines of one file after the other, plain or Zstandard. Thread-compatible.
class LexiconSource {
 public:
  // `vocabulary` is borrowed. Errors of opening the first file come with the first record.
  LexiconSource(std::vector<std::string> files, const index::LexiconOptions& options,
                const text::TermVocabulary& vocabulary)
      : files_(std::move(files)), parser_(options, &vocabulary) {}

  // nullopt at the end. Errors name file and line, and the word where it is one's fault; an id that
  // came before is one (kDataLoss).
  absl::StatusOr<std::optional<index::Record>> Next();
  // Of the records so far, those of which no word was left, which only their text can find.
  int64_t without_terms() const { return without_terms_; }

 private:
  std::vector<std::string> files_;
  index::LexiconParser parser_;
  size_t file_ = 0;
  std::unique_ptr<evaluate::LineReader> lines_;
  std::string line_;
  absl::flat_hash_set<std::string> ids_;
  int64_t without_terms_ = 0;
};

}  // namespace weir::cli
