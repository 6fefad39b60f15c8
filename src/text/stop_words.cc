#include "text/stop_words.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_split.h"
#include "text/analysis.h"
#include "text/language.h"

namespace weir::text {

StopWords::StopWords(std::string_view words, const CaseFolder& folder) {
  for (std::string_view word : absl::StrSplit(words, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    std::string folded;
    folder.Fold(word, false, folded);
    longest_ = std::max(longest_, folded.size());
    words_.insert(std::move(folded));
  }
}

bool IsStopWord(std::string_view word) {
  static const StopWords* const kEnglish = [] {
    const absl::StatusOr<CaseFolder> folder = CaseFolder::Make();
    return folder.ok()
               ? std::make_unique<StopWords>(FindLanguage("english")->stop_words, *folder).release()
               : nullptr;
  }();
  return kEnglish != nullptr && kEnglish->Contains(word);
}

}  // namespace weir::text
