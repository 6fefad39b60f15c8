// Thai, and with it Lao, Khmer and Burmese: scripts without spaces, whose runs of letters are cut
// into words by ICU's dictionaries.
#include <unicode/brkiter.h>
#include <unicode/utext.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "text/case_folder.h"
#include "text/language.h"
#include "text/words.h"

namespace weir::text::languages {
namespace {

class ThaiAnalyzer final : public Analyzer {
 public:
  ThaiAnalyzer(const Language& language, CaseFolder folder,
               std::unique_ptr<icu::BreakIterator> breaker)
      : language_(language), folder_(folder), breaker_(std::move(breaker)) {}

  std::string_view name() const override { return language_.name; }

  void Analyze(std::string_view utf8, std::vector<Token>& out) override {
    out.clear();
    int32_t position = 0;
    size_t at = 0;
    Span word;
    bool ascii = false;
    while (NextWord(utf8, at, word, ascii)) {
      if (ascii) {
        Add(utf8, word, true, position, out);
      } else {
        Cut(utf8, word, position, out);
      }
    }
  }

 private:
  void Cut(std::string_view utf8, Span run, int32_t& position, std::vector<Token>& out) {
    UErrorCode error = U_ZERO_ERROR;
    UText text = UTEXT_INITIALIZER;
    utext_openUTF8(&text, utf8.data() + run.start, run.size(), &error);
    breaker_->setText(&text, error);
    if (U_FAILURE(error)) {
      Add(utf8, run, false, position, out);
    } else {
      int32_t from = breaker_->first();
      for (int32_t to = breaker_->next(); to != icu::BreakIterator::DONE; to = breaker_->next()) {
        Add(utf8, {run.start + from, run.start + to}, false, position, out);
        from = to;
      }
    }
    utext_close(&text);
  }

  void Add(std::string_view utf8, Span word, bool ascii, int32_t& position,
           std::vector<Token>& out) {
    folder_.Fold(utf8.substr(word.start, word.size()), ascii, term_);
    if (!term_.empty()) out.push_back({term_, word, position++});
  }

  const Language& language_;
  const CaseFolder folder_;
  const std::unique_ptr<icu::BreakIterator> breaker_;
  std::string term_;
};

absl::StatusOr<std::unique_ptr<Analyzer>> Make(const Language& language, std::string_view variant) {
  if (!variant.empty()) return absl::InvalidArgumentError("language: thai has no variants");
  WEIR_ASSIGN_OR_RETURN(CaseFolder folder, CaseFolder::Make());
  UErrorCode error = U_ZERO_ERROR;
  std::unique_ptr<icu::BreakIterator> breaker(
      icu::BreakIterator::createWordInstance(icu::Locale("th"), error));
  if (U_FAILURE(error) || breaker == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("ICU word breaking: ", u_errorName(error), "; expected its data files"));
  }
  return std::make_unique<ThaiAnalyzer>(language, folder, std::move(breaker));
}

}  // namespace

Language Thai() { return {.name = "thai", .codes = "th lo km my", .make = Make}; }

}  // namespace weir::text::languages
