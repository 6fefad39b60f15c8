// Which analyser each passage of a batch gets, in a store that analyses by language
// (kAutoLanguage).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/context.h"
#include "index/store.h"

namespace weir::index {

// The key of Document::meta that gives a document's language, by name or code.
inline constexpr char kLanguageMeta[] = "language";

class LanguageChoice {
 public:
  LanguageChoice() = default;
  // What the document's meta gives, else what is detected, passage by passage. Where nothing is:
  // `usual`, the language of most of the store; "" for that of most of these passages, else
  // kDefaultLanguage. Does not depend on the number of threads.
  static absl::StatusOr<LanguageChoice> Make(std::span<const Prepared* const> documents,
                                             std::string_view usual, const Context& context);

  bool empty() const { return choices_.empty(); }
  // The analyser's name; lives as long as this object.
  std::string_view analyzer(size_t document, size_t passage) const {
    return names_[choices_[document][passage]];
  }
  // Passages of a document by analyser.
  std::map<std::string, int64_t> Counts(size_t document) const;
  std::map<std::string, int64_t> Counts() const;  // of all

 private:
  std::vector<std::string> names_;
  std::vector<std::vector<uint32_t>> choices_;  // of each document's passages, into names_
};

// Analysers with their passages, most passages first.
std::vector<std::pair<std::string, int64_t>> MostFirst(
    const std::map<std::string, int64_t>& languages);

// The catalogue's setting "languages": "name=passages name=passages", most passages first.
std::vector<std::pair<std::string, int64_t>> ParseLanguageCounts(std::string_view text);
std::string LanguageCountsWith(const std::vector<std::pair<std::string, int64_t>>& counts,
                               const LanguageChoice& choice);

}  // namespace weir::index
