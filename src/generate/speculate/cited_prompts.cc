#include "generate/speculate/cited_prompts.h"

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::generate {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostPrompts = 10000;
// nested arrays and objects; the parser recurses for none, its free does
constexpr int kDeepest = 8;

absl::StatusOr<std::string> Text(const Json& object, const char* name) {
  const auto field = object.find(name);
  if (field == object.end() || !field->is_string()) {
    return absl::DataLossError(absl::StrCat("field \"", name, "\" is not a string"));
  }
  return field->get<std::string>();
}

absl::StatusOr<CitedPrompt> Parse(std::string_view line) {
  const auto shallow = [](int depth, Json::parse_event_t, Json&) { return depth < kDeepest; };
  const Json object = Json::parse(line, shallow, /*allow_exceptions=*/false);
  if (!object.is_object()) return absl::DataLossError("not a JSON object");
  CitedPrompt prompt;
  WEIR_ASSIGN_OR_RETURN(prompt.question, Text(object, "question"));
  const auto messages = object.find("messages"), quotable = object.find("quotable");
  if (messages == object.end() || !messages->is_array() || messages->empty()) {
    return absl::DataLossError("field \"messages\" is not a list with messages in it");
  }
  for (const Json& message : *messages) {
    if (!message.is_object()) return absl::DataLossError("a message is not an object");
    text::ChatMessage& m = prompt.messages.emplace_back();
    WEIR_ASSIGN_OR_RETURN(m.role, Text(message, "role"));
    WEIR_ASSIGN_OR_RETURN(m.content, Text(message, "content"));
  }
  if (quotable == object.end()) return prompt;
  if (!quotable->is_array()) return absl::DataLossError("field \"quotable\" is not a list");
  for (const Json& text : *quotable) {
    if (!text.is_string()) return absl::DataLossError("field \"quotable\": not a string");
    prompt.quotable.push_back(text.get<std::string>());
  }
  return prompt;
}

}  // namespace

std::string CitedPromptLine(const CitedPrompt& prompt) {
  Json messages = Json::array();
  for (const text::ChatMessage& m : prompt.messages) {
    messages.push_back({{"role", m.role}, {"content", m.content}});
  }
  const Json object = {
      {"question", prompt.question}, {"messages", messages}, {"quotable", prompt.quotable}};
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<std::vector<CitedPrompt>> ParseCitedPrompts(std::string_view name,
                                                           std::string_view lines) {
  std::vector<CitedPrompt> prompts;
  for (size_t begin = 0, number = 1; begin < lines.size(); ++number) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    const std::string_view line = absl::StripAsciiWhitespace(lines.substr(begin, end - begin));
    begin = end + 1;
    if (line.empty()) continue;
    const std::string where = absl::StrCat(name, ":", number);
    if (prompts.size() == kMostPrompts) {
      return absl::ResourceExhaustedError(
          absl::StrCat(where, ": more than ", kMostPrompts, " prompts"));
    }
    absl::StatusOr<CitedPrompt> prompt = Parse(line);
    if (!prompt.ok()) return Annotate(prompt.status(), where);
    prompts.push_back(*std::move(prompt));
  }
  return prompts;
}

}  // namespace weir::generate
