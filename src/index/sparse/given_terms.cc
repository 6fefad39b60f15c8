#include "index/sparse/given_terms.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::index {

absl::StatusOr<uint8_t> ImpactOf(double weight) {
  if (!(weight >= 0 && weight <= kMaxGivenWeight)) {
    return absl::InvalidArgumentError(
        absl::StrCat("weight ", weight, "; expected 0 to ", kMaxGivenWeight));
  }
  return static_cast<uint8_t>(std::lround(weight * kImpactSteps));
}

absl::Status CheckGivenTerms(const GivenTerms& terms) {
  if (terms.size() > kMaxGivenTerms) {
    return absl::InvalidArgumentError(
        absl::StrCat(terms.size(), " words; at most ", kMaxGivenTerms));
  }
  for (size_t i = 0; i < terms.size(); ++i) {
    const std::string& word = terms[i].word;
    if (word.empty() || word.size() > kMaxGivenWord || terms[i].impact == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("word \"", word.substr(0, kMaxGivenWord), "\" of ", word.size(),
                       " bytes; expected 1 to ", kMaxGivenWord, ", and a weight above 0"));
    }
    if (i > 0 && !(terms[i - 1].word < word)) {
      return absl::InvalidArgumentError(absl::StrCat("word \"", word, "\": not in order"));
    }
  }
  return absl::OkStatus();
}

std::string PackTerms(const GivenTerms& terms) {
  std::string bytes;
  for (const GivenTerm& term : terms) {
    bytes.push_back(static_cast<char>(term.impact));
    bytes.push_back(static_cast<char>(term.word.size()));
    bytes += term.word;
  }
  return bytes;
}

absl::StatusOr<GivenTerms> UnpackTerms(std::string_view bytes) {
  GivenTerms terms;
  while (!bytes.empty()) {
    const size_t size = bytes.size() < 2 ? 0 : static_cast<uint8_t>(bytes[1]);
    if (bytes.size() < 2 + size) return absl::DataLossError("given terms: a word is cut off");
    terms.push_back({std::string(bytes.substr(2, size)), static_cast<uint8_t>(bytes[0])});
    bytes.remove_prefix(2 + size);
  }
  const absl::Status good = CheckGivenTerms(terms);
  if (!good.ok()) return absl::DataLossError(absl::StrCat("given terms: ", good.message()));
  return terms;
}

text::SparseVector VectorOf(const GivenTerms& terms, const text::TermVocabulary& vocabulary) {
  std::map<int32_t, uint8_t> impacts;
  for (const GivenTerm& term : terms) {
    const std::vector<int32_t> named = vocabulary.TermsOf(term.word);
    if (std::find(named.begin(), named.end(), -1) != named.end()) continue;
    for (const int32_t t : named) impacts[t] = std::max(impacts[t], term.impact);
  }
  text::SparseVector vector;
  for (const auto& [term, impact] : impacts) {
    vector.push_back({term, static_cast<float>(impact) / kImpactSteps});
  }
  return vector;
}

}  // namespace weir::index
