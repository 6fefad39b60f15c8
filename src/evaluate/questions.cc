#include "evaluate/questions.h"

#include <simdjson.h>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::evaluate {
namespace {

constexpr size_t kMaxQuestions = 100000;
constexpr size_t kMaxStrings = 1000;

absl::Status Text(const simdjson::dom::object& object, const char* name, std::string& out) {
  std::string_view text;
  if (object.at_key(name).get(text) != simdjson::SUCCESS || text.empty()) {
    return absl::DataLossError(
        absl::StrCat("field \"", name, "\" is not a string with text in it"));
  }
  out = std::string(text);
  return absl::OkStatus();
}

absl::Status Texts(const simdjson::dom::object& object, const char* name,
                   std::vector<std::string>& out) {
  simdjson::dom::array array;
  const std::string expected = absl::StrCat("field \"", name, "\" is not a list of texts");
  if (object.at_key(name).get(array) != simdjson::SUCCESS) return absl::DataLossError(expected);
  for (const simdjson::dom::element& element : array) {
    std::string_view text;
    if (element.get(text) != simdjson::SUCCESS || text.empty() || out.size() >= kMaxStrings) {
      return absl::DataLossError(expected);
    }
    out.emplace_back(text);
  }
  return out.empty() ? absl::DataLossError(expected) : absl::OkStatus();
}

absl::StatusOr<Question> Parse(simdjson::dom::parser& parser, const std::string& line) {
  simdjson::dom::object object;
  if (parser.parse(line).get(object) != simdjson::SUCCESS) {
    return absl::DataLossError("not a JSON object");
  }
  Question question;
  WEIR_RETURN_IF_ERROR(Text(object, "id", question.id));
  WEIR_RETURN_IF_ERROR(Text(object, "question", question.question));
  if (object.at_key("answerable").get(question.answerable) != simdjson::SUCCESS) {
    return absl::DataLossError("field \"answerable\" is not true or false");
  }
  if (!question.answerable) return question;
  WEIR_RETURN_IF_ERROR(Text(object, "file", question.file));
  WEIR_RETURN_IF_ERROR(Texts(object, "evidence", question.evidence));
  WEIR_RETURN_IF_ERROR(Texts(object, "accept", question.accept));
  if (object.at_key("paraphrase").get(question.paraphrase) != simdjson::SUCCESS) {
    question.paraphrase = false;
  }
  return question;
}

}  // namespace

absl::StatusOr<std::vector<Question>> ReadQuestions(LineReader& lines) {
  simdjson::dom::parser parser;
  absl::flat_hash_set<std::string> ids;
  std::vector<Question> questions;
  std::string line;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, lines.Next(line));
    if (!more) return questions;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    absl::StatusOr<Question> question = Parse(parser, line);
    if (!question.ok()) return Annotate(question.status(), lines.Where());
    if (!ids.insert(question->id).second) {
      return absl::DataLossError(
          absl::StrCat(lines.Where(), ": id ", question->id, " occurs twice"));
    }
    if (questions.size() == kMaxQuestions) {
      return absl::ResourceExhaustedError(
          absl::StrCat(lines.Where(), ": more than ", kMaxQuestions, " questions"));
    }
    questions.push_back(*std::move(question));
  }
}

}  // namespace weir::evaluate
