// Chinese, Japanese, Korean: each ideograph and Hiragana letter alone and with its neighbour,
// Hangul words whole and as pairs of syllables, the rest as words. No dictionary, so no word is
// cut wrongly; pairs carry most of a query's weight.
#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "text/case_folder.h"
#include "text/language.h"
#include "text/unicode.h"
#include "text/words.h"

namespace weir::text::languages {
namespace {

// What a single character counts in a query beside the pairs it is in. Other values were not tried;
// what the analyser brings with this one is in docs/retrieval-quality.md.
constexpr float kSingleWeight = 0.3f;

enum class Kind { kWord, kSingle, kHangul };

Kind KindOf(std::string_view word) {
  size_t at = 0;
  const UChar32 c = static_cast<UChar32>(NextCodePoint(word, at));
  UErrorCode error = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(c, &error);
  if (script == USCRIPT_HAN || script == USCRIPT_HIRAGANA) return Kind::kSingle;
  return script == USCRIPT_HANGUL ? Kind::kHangul : Kind::kWord;
}

class CjkAnalyzer final : public Analyzer {
 public:
  CjkAnalyzer(const Language& language, CaseFolder folder) : language_(language), folder_(folder) {}

  std::string_view name() const override { return language_.name; }

  void Analyze(std::string_view utf8, std::vector<Token>& out) override {
    out.clear();
    int32_t position = 0;
    size_t at = 0;
    Span word;
    bool ascii = false;
    Span before;  // the single character just before, empty if there is none
    std::string term, last;
    while (NextWord(utf8, at, word, ascii)) {
      const std::string_view surface = utf8.substr(word.start, word.size());
      folder_.Fold(surface, ascii, term);
      if (term.empty()) continue;
      const int32_t here = position++;
      const Kind kind = ascii ? Kind::kWord : KindOf(surface);
      const bool single = kind == Kind::kSingle;
      out.push_back({term, word, here, single ? kSingleWeight : 1.0f});
      if (kind == Kind::kHangul) AddPairs(term, word, here, out);
      if (single && before.size() > 0 && before.end == word.start) {
        out.push_back({last + term, {before.start, word.end}, here});
      }
      before = single ? word : Span{};
      last = term;
    }
  }

 private:
  // Of the letters of one word of three or more.
  static void AddPairs(const std::string& term, Span word, int32_t here, std::vector<Token>& out) {
    std::vector<size_t> starts;
    for (size_t at = 0; at < term.size(); NextCodePoint(term, at)) starts.push_back(at);
    if (starts.size() < 3) return;
    starts.push_back(term.size());
    const size_t first = out.size();
    const float weight = 1.0f / static_cast<float>(starts.size() - 2);
    for (size_t i = 0; i + 2 < starts.size(); ++i) {
      std::string pair = term.substr(starts[i], starts[i + 2] - starts[i]);
      const bool known = std::any_of(out.begin() + first, out.end(),
                                     [&](const Token& t) { return t.term == pair; });
      if (!known) out.push_back({std::move(pair), word, here, weight});
    }
  }

  const Language& language_;
  const CaseFolder folder_;
};

absl::StatusOr<std::unique_ptr<Analyzer>> Make(const Language& language, std::string_view variant) {
  if (!variant.empty()) return absl::InvalidArgumentError("language: cjk has no variants");
  WEIR_ASSIGN_OR_RETURN(CaseFolder folder, CaseFolder::Make());
  return std::make_unique<CjkAnalyzer>(language, folder);
}

}  // namespace

Language Cjk() { return {.name = "cjk", .codes = "zh zh-Hant ja ko", .make = Make}; }

}  // namespace weir::text::languages
