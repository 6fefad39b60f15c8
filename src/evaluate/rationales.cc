#include "evaluate/rationales.h"

#include <simdjson.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "evaluate/beir.h"
#include "text/unicode.h"

namespace weir::evaluate {
namespace {

constexpr size_t kMaxRows = 100000;

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

absl::StatusOr<std::string> Id(const simdjson::dom::object& object, const char* name) {
  std::string_view text;
  if (object.at_key(name).get(text) != simdjson::SUCCESS || text.empty()) {
    return absl::DataLossError(
        absl::StrCat("field \"", name, "\" is not a string with text in it"));
  }
  return std::string(text);
}

// A list of integers from `low` to `high`.
absl::Status Integers(simdjson::simdjson_result<simdjson::dom::element> value, const char* name,
                      int64_t low, int64_t high, std::vector<int64_t>& out) {
  simdjson::dom::array array;
  const auto expected = [&] {
    return absl::DataLossError(absl::StrCat("field \"", name, "\" is not a list of 1 to ",
                                            kMaxSentences, " integers from ", low, " to ", high));
  };
  if (value.get(array) != simdjson::SUCCESS) return expected();
  for (const simdjson::dom::element& element : array) {
    int64_t number = 0;
    if (element.get(number) != simdjson::SUCCESS || number < low || number > high ||
        out.size() >= kMaxSentences) {
      return expected();
    }
    out.push_back(number);
  }
  return out.empty() ? expected() : absl::OkStatus();
}

absl::StatusOr<Rationale> ParseRationale(simdjson::dom::parser& parser, const std::string& line) {
  simdjson::dom::object object;
  if (parser.parse(line).get(object) != simdjson::SUCCESS) {
    return absl::DataLossError("not a JSON object");
  }
  Rationale rationale;
  WEIR_ASSIGN_OR_RETURN(rationale.query, Id(object, "query"));
  WEIR_ASSIGN_OR_RETURN(rationale.document, Id(object, "doc"));
  std::string_view label;
  if (object.at_key("label").get(label) != simdjson::SUCCESS ||
      (label != "SUPPORT" && label != "CONTRADICT")) {
    return absl::DataLossError("field \"label\" is neither \"SUPPORT\" nor \"CONTRADICT\"");
  }
  rationale.supports = label == "SUPPORT";
  std::vector<int64_t>& sentences = rationale.sentences;
  WEIR_RETURN_IF_ERROR(
      Integers(object.at_key("sentences"), "sentences", 0, kMaxSentences - 1, sentences));
  std::sort(sentences.begin(), sentences.end());
  if (std::adjacent_find(sentences.begin(), sentences.end()) != sentences.end()) {
    return absl::DataLossError("field \"sentences\" names a sentence twice");
  }
  return rationale;
}

absl::StatusOr<std::vector<text::Span>> Cut(std::string_view text,
                                            const std::vector<int64_t>& lengths) {
  std::vector<text::Span> spans;
  size_t at = 0;
  for (const int64_t length : lengths) {
    if (!spans.empty()) {
      if (at >= text.size() || text[at] != ' ') {
        return absl::DataLossError(
            absl::StrCat("metadata.sentence_lengths: no space after sentence ", spans.size() - 1,
                         " of the text"));
      }
      ++at;
    }
    const size_t start = at;
    for (int64_t i = 0; i < length; ++i) {
      if (at >= text.size()) {
        return absl::DataLossError(absl::StrCat("metadata.sentence_lengths: sentence ",
                                                spans.size(), " goes beyond the text"));
      }
      text::NextCodePoint(text, at);
    }
    spans.push_back({static_cast<int64_t>(start), static_cast<int64_t>(at)});
  }
  if (at != text.size()) {
    return absl::DataLossError(absl::StrCat("metadata.sentence_lengths: ", text.size() - at,
                                            " bytes of text after the last sentence"));
  }
  return spans;
}

}  // namespace

absl::StatusOr<std::vector<Rationale>> ReadRationales(LineReader& lines) {
  simdjson::dom::parser parser;
  std::set<std::tuple<std::string, std::string, bool, std::vector<int64_t>>> seen;
  std::vector<Rationale> rationales;
  std::string line;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, lines.Next(line));
    if (!more) return rationales;
    if (IsBlank(line)) continue;
    absl::StatusOr<Rationale> rationale = ParseRationale(parser, line);
    if (!rationale.ok()) return Annotate(rationale.status(), lines.Where());
    rationale->where = lines.Where();
    if (!seen.emplace(rationale->query, rationale->document, rationale->supports,
                      rationale->sentences)
             .second) {
      return absl::DataLossError(absl::StrCat(rationale->where, ": the row occurs twice"));
    }
    if (rationales.size() == kMaxRows) {
      return absl::ResourceExhaustedError(
          absl::StrCat(rationale->where, ": more than ", kMaxRows, " rows"));
    }
    rationales.push_back(*std::move(rationale));
  }
}

absl::StatusOr<CutDocument> ParseCutDocument(std::string_view line) {
  WEIR_ASSIGN_OR_RETURN(BeirRecord record, ParseBeirRecord(line));
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(line.data(), line.size()).get(root) != simdjson::SUCCESS) {
    return absl::DataLossError("not a JSON object");
  }
  std::vector<int64_t> lengths;
  // A length above the text's is found when cutting.
  WEIR_RETURN_IF_ERROR(Integers(root["metadata"]["sentence_lengths"], "metadata.sentence_lengths",
                                1, int64_t{1} << 40, lengths));
  CutDocument document;
  document.text = std::move(record.text);
  WEIR_ASSIGN_OR_RETURN(document.sentences, Cut(document.text, lengths));
  return document;
}

absl::StatusOr<std::map<std::string, CutDocument>> ReadCutDocuments(
    LineReader& lines, const std::set<std::string>& wanted) {
  std::map<std::string, CutDocument> documents;
  std::string line;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, lines.Next(line));
    if (!more) return documents;
    if (IsBlank(line)) continue;
    const absl::StatusOr<BeirRecord> record = ParseBeirRecord(line);
    if (!record.ok()) return Annotate(record.status(), lines.Where());
    if (!wanted.contains(record->id)) continue;
    absl::StatusOr<CutDocument> document = ParseCutDocument(line);
    if (!document.ok()) return Annotate(document.status(), lines.Where());
    if (!documents.emplace(record->id, *std::move(document)).second) {
      return absl::DataLossError(
          absl::StrCat(lines.Where(), ": id ", record->id, " occurs twice"));
    }
  }
}

}  // namespace weir::evaluate
