#include "text/analysis.h"

#include <libstemmer.h>

#include <algorithm>
#include <array>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/options.h"
#include "base/status.h"
#include "text/case_folder.h"
#include "text/language.h"
#include "text/stemmer.h"
#include "text/stop_words.h"
#include "text/words.h"

namespace weir::text {
namespace {

// Fold, stop, stem: the chain of every language without one of its own.
class WordAnalyzer final : public Analyzer {
 public:
  WordAnalyzer(const Language& language, CaseFolder folder, Stemmer stemmer)
      : language_(language),
        folder_(folder),
        stemmer_(std::move(stemmer)),
        stop_words_(language.stop_words, folder),
        elisions_(absl::StrSplit(language.elisions, ' ', absl::SkipEmpty())) {}

  std::string_view name() const override { return language_.name; }

  void Analyze(std::string_view utf8, std::vector<Token>& out) override {
    out.clear();
    int32_t position = 0;
    size_t at = 0;
    Span word;
    bool ascii = false;
    while (NextWord(utf8, at, word, ascii)) {
      FoldWord(utf8.substr(word.start, word.size()), ascii);
      if (term_.empty()) continue;
      const int32_t here = position++;
      CutApostrophes();
      if (term_.empty() || stop_words_.Contains(term_)) continue;
      stemmer_.Stem(term_);
      if (!term_.empty()) out.push_back({term_, word, here});
    }
  }

 private:
  void FoldWord(std::string_view surface, bool ascii) {
    if (!language_.turkic || surface.find_first_of("I\xC4") == surface.npos) {
      folder_.Fold(surface, ascii, term_);
      return;
    }
    std::string mapped;
    for (size_t i = 0; i < surface.size(); ++i) {
      if (surface[i] == 'I') {
        mapped += "\u0131";
      } else if (surface.substr(i, 2) == "\u0130") {
        mapped += 'i';
        ++i;
      } else {
        mapped += surface[i];
      }
    }
    folder_.Fold(mapped, false, term_);
  }

  void CutApostrophes() {
    if (language_.possessive) {
      if (term_.size() > 2 && term_.ends_with("'s")) term_.resize(term_.size() - 2);
      return;
    }
    if (!language_.cut_at_apostrophe && elisions_.empty()) return;
    const size_t at = term_.find('\'');
    if (at == std::string::npos) return;
    if (language_.cut_at_apostrophe) {
      term_.resize(at);
    } else if (std::find(elisions_.begin(), elisions_.end(), term_.substr(0, at)) !=
               elisions_.end()) {
      term_.erase(0, at + 1);
    }
  }

  const Language& language_;
  const CaseFolder folder_;
  Stemmer stemmer_;
  const StopWords stop_words_;
  const std::vector<std::string> elisions_;
  std::string term_;
};

absl::Status Unknown(std::string_view name) {
  std::vector<std::string> names;
  for (const Language& language : Languages()) names.emplace_back(language.name);
  const std::string near = NearestName(name, names);
  return absl::InvalidArgumentError(absl::StrCat(
      "language: \"", std::string(name), "\"; expected one of ", absl::StrJoin(names, ", "),
      near.empty() ? "" : absl::StrCat("; did you mean ", near, "?")));
}

}  // namespace

const Language* FindLanguage(std::string_view name_or_code) {
  for (const Language& language : Languages()) {
    if (language.name == name_or_code) return &language;
    for (std::string_view code : absl::StrSplit(language.codes, ' ', absl::SkipEmpty())) {
      if (code == name_or_code) return &language;
    }
  }
  return nullptr;
}

absl::StatusOr<std::unique_ptr<Analyzer>> Analyzer::Make(std::string_view name) {
  const size_t colon = name.find(':');
  const Language* language = FindLanguage(name.substr(0, colon));
  if (language == nullptr) return Unknown(name);
  const std::string_view variant = colon == name.npos ? "" : name.substr(colon + 1);
  if (language->make != nullptr) return language->make(*language, variant);
  if (!variant.empty()) return Unknown(name);
  WEIR_ASSIGN_OR_RETURN(CaseFolder folder, CaseFolder::Make());
  WEIR_ASSIGN_OR_RETURN(Stemmer stemmer, Stemmer::Make(language->stemmer));
  return std::make_unique<WordAnalyzer>(*language, folder, std::move(stemmer));
}

}  // namespace weir::text
