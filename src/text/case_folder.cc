#include "text/case_folder.h"

#include <unicode/bytestream.h>

#include "absl/strings/str_cat.h"

namespace weir::text {

absl::StatusOr<CaseFolder> CaseFolder::Make() {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* folder = icu::Normalizer2::getNFKCCasefoldInstance(error);
  if (U_FAILURE(error) || folder == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("ICU case folding: ", u_errorName(error), "; expected its data files"));
  }
  return CaseFolder(*folder);
}

void CaseFolder::Fold(std::string_view surface, bool ascii, std::string& out) const {
  out.clear();
  if (ascii) {
    for (char c : surface) out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
    return;
  }
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode error = U_ZERO_ERROR;
  folder_->normalizeUTF8(0, icu::StringPiece(surface.data(), static_cast<int32_t>(surface.size())),
                         sink, nullptr, error);
  if (U_FAILURE(error)) out.assign(surface);
  for (size_t at; (at = out.find("\xE2\x80\x99")) != std::string::npos;) out.replace(at, 3, "'");
}

}  // namespace weir::text
