#include "cli/lexicon_source.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::cli {

absl::StatusOr<std::optional<index::Record>> LexiconSource::Next() {
  while (file_ < files_.size()) {
    if (lines_ == nullptr) {
      WEIR_ASSIGN_OR_RETURN(lines_, evaluate::LineReader::Open(files_[file_]));
    }
    WEIR_ASSIGN_OR_RETURN(const bool more, lines_->Next(line_));
    if (!more) {
      lines_ = nullptr;
      ++file_;
      continue;
    }
    if (absl::StripAsciiWhitespace(line_).empty()) continue;
    absl::StatusOr<index::Record> record = parser_.Parse(line_);
    if (!record.ok()) return Annotate(record.status(), lines_->Where());
    if (!ids_.insert(record->id).second) {
      return absl::DataLossError(
          absl::StrCat(lines_->Where(), ": id ", record->id, " occurs twice"));
    }
    without_terms_ += !record->deleted && record->terms->empty();
    return std::optional<index::Record>(*std::move(record));
  }
  return std::optional<index::Record>();
}

}  // namespace weir::cli
