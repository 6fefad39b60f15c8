// Polish: every lemma of a word from the morfologik dictionary (PoliMorf; `weir model add
// morfologik-polish`), learnt endings for words that it does not have and on machines without it,
// then diacritics folded away. Stop words of the Carrot2 project (BSD).
#include <algorithm>
#include <array>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/status.h"
#include "text/case_folder.h"
#include "text/language.h"
#include "text/morfologik.h"
#include "text/polish_rules.h"
#include "text/stop_words.h"
#include "text/words.h"

namespace weir::text::languages {
namespace {

constexpr char kStopWords[] = R"(
vol o.o. mgr godz zł www pl ul tel hab prof inż dr i u aby albo ale ani aż bardzo bez bo bowiem by
byli bym był była było były być będzie będą chce choć co coraz coś czy czyli często dla do gdy
gdyby gdyż gdzie go ich im inne iż ja jak jakie jako je jednak jednym jedynie jego jej jest
jeszcze jeśli jeżeli już ją kiedy kilku kto która które którego której który których którym którzy
lat lecz lub ma mają mamy mi miał mimo mnie mogą może można mu musi na nad nam nas nawet nic nich
nie niej nim niż no nowe np nr o od ok on one oraz pan po pod ponad ponieważ poza przed przede
przez przy raz razie roku również się sobie sposób swoje są ta tak takich takie także tam te tego
tej temu ten teraz też to trzeba tu tych tylko tym tys tzw tę w we wie więc wszystko wśród właśnie
z za zaś ze że żeby ii iii iv vi vii viii ix xi xii xiii xiv xv
)";

constexpr char kDictionary[] = "morfologik", kRules[] = "rules";
// The words of an analyser's last texts with their lemmas; emptied when it is full.
constexpr size_t kKnownWords = size_t{1} << 15;

std::string DictionaryPath() { return WeirHome() + "/models/morfologik-polish/polish.dict"; }

// Polish letters become their plain ones, last of all: kąt and kat are two words until then.
void FoldDiacritics(std::string& word) {
  constexpr std::array<std::pair<std::string_view, char>, 9> kPlain = {{{"\u0105", 'a'},
                                                                        {"\u0107", 'c'},
                                                                        {"\u0119", 'e'},
                                                                        {"\u0142", 'l'},
                                                                        {"\u0144", 'n'},
                                                                        {"\u00f3", 'o'},
                                                                        {"\u015b", 's'},
                                                                        {"\u017a", 'z'},
                                                                        {"\u017c", 'z'}}};
  size_t to = 0;
  for (size_t at = 0; at < word.size();) {
    char c = word[at];
    size_t size = 1;
    if (static_cast<uint8_t>(c) >= 0x80) {
      for (const auto& [letter, plain] : kPlain) {
        if (word.compare(at, 2, letter) == 0) {
          c = plain;
          size = 2;
        }
      }
    }
    word[to++] = c;
    at += size;
  }
  word.resize(to);
}

// The first letter, or all of them, as capitals: names and abbreviations are in the dictionary so.
// REQUIRES: folded.
std::string Capitals(std::string_view word, bool all) {
  std::string out;
  for (size_t at = 0; at < word.size(); ++at) {
    const uint8_t c = static_cast<uint8_t>(word[at]);
    const bool here = all || at == 0;
    if (here && c >= 'a' && c <= 'z') {
      out.push_back(static_cast<char>(c - 32));
    } else if (here && c == 0xC3 && word.substr(at, 2) == "\u00f3") {
      out += "\u00d3";
      ++at;
    } else if (here && (c == 0xC4 || c == 0xC5) && at + 1 < word.size()) {
      // the capital of a letter of Latin Extended-A comes just before it
      out.push_back(static_cast<char>(c));
      out.push_back(static_cast<char>(word[++at] - 1));
    } else {
      out.push_back(word[at]);
    }
  }
  return out;
}

class PolishAnalyzer final : public Analyzer {
 public:
  PolishAnalyzer(std::string name, const Language& language, CaseFolder folder,
                 std::shared_ptr<const MorfologikDictionary> dictionary)
      : name_(std::move(name)),
        folder_(folder),
        stop_words_(language.stop_words, folder),
        dictionary_(std::move(dictionary)) {}

  std::string_view name() const override { return name_; }

  void Analyze(std::string_view utf8, std::vector<Token>& out) override {
    out.clear();
    int32_t position = 0;
    size_t at = 0;
    Span word;
    bool ascii = false;
    while (NextWord(utf8, at, word, ascii)) {
      folder_.Fold(utf8.substr(word.start, word.size()), ascii, folded_);
      if (folded_.empty()) continue;
      const int32_t here = position++;
      if (stop_words_.Contains(folded_)) continue;
      const std::vector<std::string>& lemmas = LemmasOf(folded_);
      const float weight = 1.0f / static_cast<float>(lemmas.size());
      for (const std::string& lemma : lemmas) out.push_back({lemma, word, here, weight});
    }
  }

 private:
  const std::vector<std::string>& LemmasOf(const std::string& word) {
    const auto known = known_.find(word);
    if (known != known_.end()) return known->second;
    if (known_.size() >= kKnownWords) known_.clear();
    std::vector<std::string> lemmas;
    if (dictionary_ != nullptr) LookUp(word, lemmas);
    if (lemmas.empty()) lemmas.push_back(PolishRules::Get().Lemma(word));
    std::vector<std::string>& kept = known_[word];
    for (std::string& lemma : lemmas) {
      folder_.Fold(lemma, false, folded_lemma_);
      FoldDiacritics(folded_lemma_);
      if (folded_lemma_.empty()) continue;
      if (std::find(kept.begin(), kept.end(), folded_lemma_) == kept.end()) {
        kept.push_back(folded_lemma_);
      }
    }
    return kept;
  }

  void LookUp(const std::string& word, std::vector<std::string>& lemmas) const {
    const std::string named = Capitals(word, false);
    dictionary_->Lookup(word, lemmas);
    dictionary_->Lookup(named, lemmas);
    dictionary_->Lookup(Capitals(word, true), lemmas);
    const bool plain = std::all_of(word.begin(), word.end(), [](char c) {
      return static_cast<uint8_t>(c) < 0x80;
    });
    if (!lemmas.empty() || !plain) return;
    dictionary_->LookupWithoutDiacritics(word, lemmas);
    dictionary_->LookupWithoutDiacritics(named, lemmas);
  }

  const std::string name_;
  const CaseFolder folder_;
  const StopWords stop_words_;
  const std::shared_ptr<const MorfologikDictionary> dictionary_;  // null: rules alone
  absl::flat_hash_map<std::string, std::vector<std::string>> known_;
  std::string folded_, folded_lemma_;
};

// What the name says after the colon: the kind, and which data it was.
std::string VariantName(std::string_view kind, std::string_view data) {
  return absl::StrCat(kind, "-", Sha256(absl::StrCat(data, Sha256(kPolishRules))).substr(0, 8));
}

absl::StatusOr<std::unique_ptr<Analyzer>> Make(const Language& language,
                                               std::string_view variant) {
  const std::string_view kind = variant.substr(0, variant.find('-'));
  if (!kind.empty() && kind != kDictionary && kind != kRules) {
    return absl::InvalidArgumentError(absl::StrCat("language: \"polish:", std::string(variant),
                                                   "\"; expected polish, polish:morfologik or "
                                                   "polish:rules"));
  }
  std::shared_ptr<const MorfologikDictionary> dictionary;
  if (kind != kRules) {
    auto opened = MorfologikDictionary::Open(DictionaryPath());
    if (opened.ok()) {
      dictionary = *std::move(opened);
    } else if (!absl::IsNotFound(opened.status())) {
      return opened.status();
    } else if (kind == kDictionary) {
      return absl::FailedPreconditionError(absl::StrCat(
          "language polish:", std::string(variant),
          ": its dictionary is not installed; run `weir model add morfologik-polish`"));
    }
  }
  const std::string found = dictionary != nullptr ? VariantName(kDictionary, dictionary->sha256())
                                                  : VariantName(kRules, "");
  if (variant.size() > kind.size() && variant != found) {
    return absl::FailedPreconditionError(absl::StrCat(
        "language polish:", std::string(variant), ": this machine has polish:", found,
        "; install the data that the store was made with, or index again into a new store"));
  }
  WEIR_ASSIGN_OR_RETURN(CaseFolder folder, CaseFolder::Make());
  return std::make_unique<PolishAnalyzer>(absl::StrCat("polish:", found), language, folder,
                                          std::move(dictionary));
}

}  // namespace

Language Polish() {
  return {.name = "polish", .codes = "pl", .stop_words = kStopWords, .make = Make};
}

}  // namespace weir::text::languages
