#include "text/analysis.h"

#include <libstemmer.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>

#include <array>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "text/words.h"

namespace weir::text {
namespace {

// Lucene's EnglishAnalyzer list (33 words): short enough that "not" questions lose little.
constexpr std::array<std::string_view, 33> kStopWords = {
    "a",    "an",   "and",   "are",  "as",   "at",   "be",    "but",   "by",   "for",  "if",
    "in",   "into", "is",    "it",   "no",   "not",  "of",    "on",    "or",   "such", "that",
    "the",  "their", "then", "there", "these", "they", "this", "to",   "was",  "will", "with"};
constexpr size_t kLongestStopWord = 5;

// Lower-case ASCII; for the rest NFKC case folding, which also drops soft hyphens and unfolds
// ligatures.
void Fold(std::string_view surface, bool ascii, const icu::Normalizer2& folder, std::string& out) {
  out.clear();
  if (ascii) {
    for (char c : surface) out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
    return;
  }
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode error = U_ZERO_ERROR;
  folder.normalizeUTF8(0, icu::StringPiece(surface.data(), static_cast<int32_t>(surface.size())),
                       sink, nullptr, error);
  if (U_FAILURE(error)) out.assign(surface);
  // A typographic apostrophe is the same letter as a typewriter's.
  for (size_t at; (at = out.find("\xE2\x80\x99")) != std::string::npos;) out.replace(at, 3, "'");
}

class WordAnalyzer final : public Analyzer {
 public:
  WordAnalyzer(std::string name, sb_stemmer* stemmer, const icu::Normalizer2& folder)
      : name_(std::move(name)), stemmer_(stemmer), folder_(folder) {}
  ~WordAnalyzer() override {
    if (stemmer_ != nullptr) sb_stemmer_delete(stemmer_);
  }
  WordAnalyzer(const WordAnalyzer&) = delete;
  WordAnalyzer& operator=(const WordAnalyzer&) = delete;

  std::string_view name() const override { return name_; }

  void Analyze(std::string_view utf8, std::vector<Token>& out) override {
    out.clear();
    int32_t position = 0;
    size_t at = 0;
    Span word;
    bool ascii = false;
    while (NextWord(utf8, at, word, ascii)) {
      Fold(utf8.substr(word.start, word.size()), ascii, folder_, term_);
      if (term_.empty()) continue;
      const int32_t here = position++;
      if (stemmer_ != nullptr && !English()) continue;
      out.push_back({term_, word, here});
    }
  }

 private:
  // Turns term_ into its stem; false for stop words.
  bool English() {
    if (term_.size() > 2 && term_.ends_with("'s")) term_.resize(term_.size() - 2);
    if (IsStopWord(term_)) return false;
    if (term_.size() < 3) return true;  // Porter leaves them as they are
    const sb_symbol* stem = sb_stemmer_stem(
        stemmer_, reinterpret_cast<const sb_symbol*>(term_.data()), static_cast<int>(term_.size()));
    if (stem == nullptr) return true;  // out of memory: the unstemmed word still matches itself
    term_.assign(reinterpret_cast<const char*>(stem), sb_stemmer_length(stemmer_));
    return !term_.empty();
  }

  const std::string name_;
  sb_stemmer* stemmer_;  // owned; null without stemming
  const icu::Normalizer2& folder_;
  std::string term_;
};

}  // namespace

bool IsStopWord(std::string_view word) {
  if (word.size() > kLongestStopWord) return false;
  static const auto* const kSet =
      new absl::flat_hash_set<std::string_view>(kStopWords.begin(), kStopWords.end());
  return kSet->contains(word);
}

absl::StatusOr<std::unique_ptr<Analyzer>> Analyzer::Make(std::string_view name) {
  if (name != "english" && name != "plain") {
    return absl::InvalidArgumentError(
        absl::StrCat("analyzer: \"", std::string(name), "\"; expected english or plain"));
  }
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* folder = icu::Normalizer2::getNFKCCasefoldInstance(error);
  if (U_FAILURE(error) || folder == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("ICU case folding: ", u_errorName(error), "; expected its data files"));
  }
  sb_stemmer* stemmer = nullptr;
  if (name == "english") {
    stemmer = sb_stemmer_new("porter", "UTF_8");
    if (stemmer == nullptr) return absl::UnavailableError("Snowball has no porter stemmer");
  }
  return std::make_unique<WordAnalyzer>(std::string(name), stemmer, *folder);
}

}  // namespace weir::text
