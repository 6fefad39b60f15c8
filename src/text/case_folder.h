// Folding of case and of compatibility variants, word by word.
#pragma once

#include <unicode/normalizer2.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace weir::text {

class CaseFolder {
 public:
  static absl::StatusOr<CaseFolder> Make();
  // Lower-case ASCII; for the rest NFKC case folding, which also drops soft hyphens and unfolds
  // ligatures; a typographic apostrophe becomes a typewriter's.
  void Fold(std::string_view surface, bool ascii, std::string& out) const;

 private:
  explicit CaseFolder(const icu::Normalizer2& folder) : folder_(&folder) {}
  const icu::Normalizer2* folder_;
};

}  // namespace weir::text
