#include "index/lexicon.h"

#include <simdjson.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "text/fields.h"

namespace weir::index {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

constexpr size_t kMaxId = 4096;  // bytes; as long as paths are
constexpr size_t kShown = 40;    // bytes of a word in a message

absl::Status Wrong(std::string_view what, std::string_view expected) {
  return absl::DataLossError(absl::StrCat(std::string(what), ": expected ", std::string(expected)));
}

absl::Status WrongWord(std::string_view word, std::string_view what) {
  return absl::DataLossError(absl::StrCat("word \"", std::string(word.substr(0, kShown)), "\": ",
                                          std::string(what)));
}

// Text without NUL; "" where there is none.
absl::StatusOr<std::string> TextOf(const object& record, const char* name) {
  element value;
  if (record.at_key(name).get(value) != simdjson::SUCCESS || value.is_null()) return std::string();
  std::string_view text;
  int64_t number = 0;
  if (value.get(text) == simdjson::SUCCESS) {
    if (text.find('\0') != text.npos) return Wrong(absl::StrCat("\"", name, "\""), "no NUL");
    return std::string(text);
  }
  if (std::string_view(name).ends_with("id") && value.get(number) == simdjson::SUCCESS) {
    return absl::StrCat(number);
  }
  return Wrong(absl::StrCat("\"", name, "\""), "a string");
}

absl::StatusOr<std::string> IdOf(const object& record) {
  WEIR_ASSIGN_OR_RETURN(std::string id, TextOf(record, "id"));
  if (id.empty()) {
    WEIR_ASSIGN_OR_RETURN(id, TextOf(record, "_id"));
  }
  if (id.empty() || id.size() > kMaxId) {
    return Wrong("\"id\"", absl::StrCat("a name or a path of 1 to ", kMaxId, " bytes"));
  }
  return id;
}

absl::Status AddFieldOf(std::string_view name, const element& value, bool nested,
                        std::vector<text::Field>& fields) {
  std::string_view text;
  simdjson::dom::array values;
  if (value.get(text) == simdjson::SUCCESS) {
    text::AddField(name, text, fields);
  } else if (value.is_number()) {
    text::AddField(name, simdjson::minify(value), fields);
  } else if (!nested && value.get(values) == simdjson::SUCCESS) {
    for (const element one : values) WEIR_RETURN_IF_ERROR(AddFieldOf(name, one, true, fields));
  } else if (!value.is_null()) {
    return Wrong(absl::StrCat("field \"", std::string(name.substr(0, kShown)), "\""),
                 "a string, a number or an array of these");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<text::Field>> FieldsOf(const object& record) {
  std::vector<text::Field> fields;
  element value;
  if (record.at_key("fields").get(value) != simdjson::SUCCESS || value.is_null()) return fields;
  object named;
  if (value.get(named) != simdjson::SUCCESS) return Wrong("\"fields\"", "an object");
  for (const auto& [name, one] : named)
    WEIR_RETURN_IF_ERROR(AddFieldOf(name, one, false, fields));
  return fields;
}

// Largest first, of equal ones by word; words that round to nothing are gone.
absl::StatusOr<GivenTerms> HeaviestTerms(const object& record, double scale) {
  object words;
  if (record.at_key("terms").get(words) != simdjson::SUCCESS) {
    return Wrong("\"terms\"", "an object of words with their weights");
  }
  std::map<std::string_view, double> weights;  // a word twice counts once, with the larger weight
  for (const auto& [word, value] : words) {
    if (word.empty() || word.size() > kMaxGivenWord || word.find('\0') != word.npos) {
      return WrongWord(word, absl::StrCat(word.size(), " bytes; expected 1 to ", kMaxGivenWord,
                                          ", and no NUL"));
    }
    double weight = 0;
    if (value.get(weight) != simdjson::SUCCESS) return WrongWord(word, "expected a number");
    if (const absl::Status good = ImpactOf(weight * scale).status(); !good.ok()) {
      const std::string scaled = scale == 1 ? "" : absl::StrCat(" (scaled by ", scale, ")");
      return WrongWord(word, absl::StrCat(good.message(), scaled,
                                          "; see --lexicon-scale for weights of another size"));
    }
    double& largest = weights.try_emplace(word, 0).first->second;
    largest = std::max(largest, weight * scale);
  }
  std::vector<std::pair<std::string_view, double>> sorted(weights.begin(), weights.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  GivenTerms terms;
  for (const auto& [word, weight] : sorted) {
    WEIR_ASSIGN_OR_RETURN(const uint8_t impact, ImpactOf(weight));
    if (impact > 0) terms.push_back({std::string(word), impact});
  }
  return terms;
}

absl::Status CheckSpelled(const GivenTerms& terms, const text::TermVocabulary& vocabulary) {
  for (const GivenTerm& term : terms) {
    const std::vector<int32_t> named = vocabulary.TermsOf(term.word);
    if (std::find(named.begin(), named.end(), -1) == named.end()) continue;
    return WrongWord(term.word, absl::StrCat("not in the vocabulary of ", vocabulary.name()));
  }
  return absl::OkStatus();
}

}  // namespace

struct LexiconParser::Json {
  simdjson::dom::parser parser;
};

LexiconParser::LexiconParser(LexiconOptions options, const text::TermVocabulary* vocabulary)
    : options_(options), vocabulary_(vocabulary), json_(std::make_unique<Json>()) {}
LexiconParser::~LexiconParser() = default;

absl::StatusOr<Record> LexiconParser::Parse(std::string_view line) {
  element root;
  const simdjson::error_code error = json_->parser.parse(line.data(), line.size()).get(root);
  if (error != simdjson::SUCCESS) {
    return absl::DataLossError(absl::StrCat("not JSON: ", simdjson::error_message(error)));
  }
  object json;
  if (root.get(json) != simdjson::SUCCESS) return absl::DataLossError("not a JSON object");
  Record record;
  WEIR_ASSIGN_OR_RETURN(record.id, IdOf(json));
  element deleted;
  if (json.at_key("deleted").get(deleted) == simdjson::SUCCESS) {
    if (deleted.get(record.deleted) != simdjson::SUCCESS)
      return Wrong("\"deleted\"", "true or false");
    if (record.deleted) return record;
  }
  WEIR_ASSIGN_OR_RETURN(record.title, TextOf(json, "title"));
  WEIR_ASSIGN_OR_RETURN(record.text, TextOf(json, "text"));
  WEIR_ASSIGN_OR_RETURN(record.fields, FieldsOf(json));
  WEIR_ASSIGN_OR_RETURN(GivenTerms terms, HeaviestTerms(json, options_.scale));
  const size_t most = options_.most_terms == 0 ? kMaxGivenTerms + 1 : options_.most_terms;
  if (terms.size() > most) terms.resize(most);
  if (terms.size() > kMaxGivenTerms) {
    return Wrong("\"terms\"", absl::StrCat("at most ", kMaxGivenTerms,
                                           " words; --lexicon-terms keeps the heaviest"));
  }
  if (vocabulary_ != nullptr) WEIR_RETURN_IF_ERROR(CheckSpelled(terms, *vocabulary_));
  if (record.text.empty()) {  // what people and the search by words get to see
    record.text = absl::StrJoin(
        terms, " ", [](std::string* out, const GivenTerm& term) { out->append(term.word); });
  }
  std::sort(terms.begin(), terms.end(),
            [](const GivenTerm& a, const GivenTerm& b) { return a.word < b.word; });
  record.terms = std::move(terms);
  record.format = kLexiconFormat;
  return record;
}

}  // namespace weir::index
