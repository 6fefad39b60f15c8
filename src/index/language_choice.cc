#include "index/language_choice.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/threads.h"
#include "text/analysis.h"
#include "text/detect.h"
#include "text/language.h"

namespace weir::index {
namespace {

// Names of entries of text::Languages(), one a passage; "" where none shows.
std::vector<std::string_view> LanguagesOf(const Prepared& prepared) {
  const auto given = prepared.document.meta.find(kLanguageMeta);
  if (given != prepared.document.meta.end()) {
    const text::Language* const language = text::FindLanguage(given->second);
    if (language != nullptr) {
      return std::vector<std::string_view>(prepared.passages.size(), language->name);
    }
  }
  std::vector<std::string_view> passages;
  for (const text::Passage& passage : prepared.passages) passages.push_back(passage.text);
  return text::DetectLanguages(passages, "");
}

std::string_view MostFrequent(const std::vector<std::vector<std::string_view>>& languages) {
  std::map<std::string_view, int64_t> counts;
  for (const auto& of_document : languages) {
    for (std::string_view language : of_document) counts[language] += !language.empty();
  }
  std::string_view most = kDefaultLanguage;
  int64_t passages = 0;
  for (const auto& [language, count] : counts) {
    if (count > passages) most = language;
    passages = std::max(passages, count);
  }
  return most;
}

}  // namespace

absl::StatusOr<LanguageChoice> LanguageChoice::Make(std::span<const Prepared* const> documents,
                                                    std::string_view usual,
                                                    const Context& context) {
  std::vector<std::vector<std::string_view>> languages(documents.size());
  ParallelFor(context.threads, documents.size(), 1, [&](size_t begin, size_t end, int) {
    for (size_t i = begin; i < end; ++i) languages[i] = LanguagesOf(*documents[i]);
  });
  if (usual.empty()) usual = MostFrequent(languages);
  LanguageChoice out;
  absl::flat_hash_map<std::string_view, uint32_t> numbers;
  for (const auto& of_document : languages) {
    std::vector<uint32_t>& choices = out.choices_.emplace_back();
    for (std::string_view language : of_document) {
      if (language.empty()) language = usual;
      const auto [at, fresh] =
          numbers.try_emplace(language, static_cast<uint32_t>(out.names_.size()));
      if (fresh) {
        WEIR_ASSIGN_OR_RETURN(const auto analyzer, text::Analyzer::Make(language));
        out.names_.emplace_back(analyzer->name());
      }
      choices.push_back(at->second);
    }
  }
  return out;
}

std::map<std::string, int64_t> LanguageChoice::Counts(size_t document) const {
  std::map<std::string, int64_t> counts;
  for (uint32_t choice : choices_[document]) ++counts[names_[choice]];
  return counts;
}

std::map<std::string, int64_t> LanguageChoice::Counts() const {
  std::map<std::string, int64_t> counts;
  for (const auto& of_document : choices_) {
    for (uint32_t choice : of_document) ++counts[names_[choice]];
  }
  return counts;
}

std::vector<std::pair<std::string, int64_t>> MostFirst(
    const std::map<std::string, int64_t>& languages) {
  std::vector<std::pair<std::string, int64_t>> out(languages.begin(), languages.end());
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return out;
}

std::vector<std::pair<std::string, int64_t>> ParseLanguageCounts(std::string_view text) {
  std::vector<std::pair<std::string, int64_t>> counts;
  for (std::string_view entry : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    const size_t equals = entry.find('=');
    int64_t passages = 0;
    if (equals == entry.npos || !absl::SimpleAtoi(entry.substr(equals + 1), &passages)) continue;
    counts.emplace_back(entry.substr(0, equals), passages);
  }
  return counts;
}

std::string LanguageCountsWith(const std::vector<std::pair<std::string, int64_t>>& counts,
                               const LanguageChoice& choice) {
  std::map<std::string, int64_t> all(counts.begin(), counts.end());
  for (const auto& [name, passages] : choice.Counts()) all[name] += passages;
  std::string text;
  for (const auto& [name, passages] : MostFirst(all)) {
    absl::StrAppend(&text, text.empty() ? "" : " ", name, "=", passages);
  }
  return text;
}

}  // namespace weir::index
