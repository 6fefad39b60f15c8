#include "text/records_json.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "text/unicode.h"

namespace weir::text {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxAnswerBytes = size_t{64} << 20;

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json ToJson(const DocumentRef& d) {
  return Json{{"id", d.id}, {"path", d.path}, {"sha256", d.sha256}, {"title", d.title}};
}

Json ToJson(const Hit& hit) {
  Json scores = Json::object();
  for (const auto& [name, value] : hit.scores) scores[name] = value;
  return Json{
      {"rank", hit.rank},
      {"score", hit.score},
      {"scores", std::move(scores)},
      {"document", ToJson(hit.document)},
      {"passage", hit.passage.id},
      {"page", hit.passage.page},
      {"start", hit.passage.span.start},
      {"end", hit.passage.span.end},
      {"box", {hit.passage.box.x0, hit.passage.box.y0, hit.passage.box.x1, hit.passage.box.y1}},
      {"heading", hit.passage.heading},
      {"text", hit.passage.text}};
}

Json ToJson(const Citation& c) {
  return Json{{"document", {{"path", c.document.path}, {"sha256", c.document.sha256}}},
              {"page", c.page},
              {"start", c.span.start},
              {"end", c.span.end},
              {"quote", c.quote}};
}

Json ToJson(const AnswerSentence& sentence) {
  Json citations = Json::array();
  for (const Citation& c : sentence.citations) citations.push_back(ToJson(c));
  return Json{{"text", sentence.text}, {"support", sentence.support}, {"citations", citations}};
}

// Reads fields of one object; the first failure sticks, so callers check once.
class FieldReader {
 public:
  FieldReader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) Fail("", "an object");
  }

  void String(const char* name, std::string& out) {
    if (const Json* field = Find(name, "a string")) {
      if (field->is_string()) out = field->get_ref<const std::string&>();
      else Fail(name, "a string");
    }
  }
  template <class Number>
  void Value(const char* name, Number& out) {
    if (const Json* field = Find(name, "a number")) {
      if (field->is_number()) out = field->get<Number>();
      else Fail(name, "a number");
    }
  }
  const Json* Array(const char* name) {
    const Json* field = Find(name, "an array");
    if (field != nullptr && field->is_array()) return field;
    if (field != nullptr) Fail(name, "an array");
    return nullptr;
  }
  const Json* Object(const char* name) {
    const Json* field = Find(name, "an object");
    if (field != nullptr && field->is_object()) return field;
    if (field != nullptr) Fail(name, "an object");
    return nullptr;
  }
  const absl::Status& status() const { return status_; }

 private:
  const Json* Find(const char* name, const char* expected) {
    if (!status_.ok()) return nullptr;
    auto it = json_.find(name);
    if (it != json_.end()) return &*it;
    Fail(name, expected);
    return nullptr;
  }
  void Fail(std::string_view name, std::string_view expected) {
    if (!status_.ok()) return;
    status_ = absl::DataLossError(absl::StrCat(where_, ".", name, ": expected ", expected));
  }

  const Json& json_;
  std::string where_;
  absl::Status status_;
};

absl::StatusOr<Citation> CitationFrom(const Json& json, const std::string& where) {
  Citation out;
  FieldReader fields(json, where);
  fields.Value("page", out.page);
  fields.Value("start", out.span.start);
  fields.Value("end", out.span.end);
  fields.String("quote", out.quote);
  if (const Json* document = fields.Object("document")) {
    FieldReader inner(*document, where + ".document");
    inner.String("path", out.document.path);
    inner.String("sha256", out.document.sha256);
    WEIR_RETURN_IF_ERROR(inner.status());
  }
  WEIR_RETURN_IF_ERROR(fields.status());
  return out;
}

absl::StatusOr<AnswerSentence> SentenceFrom(const Json& json, const std::string& where) {
  AnswerSentence out;
  FieldReader fields(json, where);
  fields.String("text", out.text);
  fields.Value("support", out.support);
  if (const Json* citations = fields.Array("citations")) {
    for (size_t i = 0; i < citations->size(); ++i) {
      WEIR_ASSIGN_OR_RETURN(
          Citation c, CitationFrom((*citations)[i], absl::StrCat(where, ".citations[", i, "]")));
      out.citations.push_back(std::move(c));
    }
  }
  WEIR_RETURN_IF_ERROR(fields.status());
  return out;
}

}  // namespace

std::string AnswerToJson(const Answer& answer) {
  Json sentences = Json::array();
  for (const AnswerSentence& s : answer.sentences) sentences.push_back(ToJson(s));
  Json nearest = Json::array();
  for (const Hit& hit : answer.nearest) nearest.push_back(ToJson(hit));
  Json timings = Json::object();
  for (const auto& [name, value] : answer.timings) timings[name] = value;
  return Dump(Json{{"version", kRecordVersion},
                   {"question", answer.question},
                   {"status", answer.status},
                   {"sentences", std::move(sentences)},
                   {"nearest", std::move(nearest)},
                   {"model", answer.model},
                   {"seed", answer.seed},
                   {"timings", std::move(timings)}});
}

absl::StatusOr<Answer> AnswerFromJson(std::string_view text) {
  if (text.size() > kMaxAnswerBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("answer: ", text.size(), " bytes; at most ", kMaxAnswerBytes));
  }
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::DataLossError("answer: not a JSON text");
  Answer out;
  FieldReader fields(json, "answer");
  fields.String("question", out.question);
  fields.String("status", out.status);
  if (const Json* sentences = fields.Array("sentences")) {
    for (size_t i = 0; i < sentences->size(); ++i) {
      WEIR_ASSIGN_OR_RETURN(
          AnswerSentence s,
          SentenceFrom((*sentences)[i], absl::StrCat("answer.sentences[", i, "]")));
      out.sentences.push_back(std::move(s));
    }
  }
  WEIR_RETURN_IF_ERROR(fields.status());
  return out;
}

std::string SearchToJson(const SearchRecord& search) {
  Json hits = Json::array();
  for (const Hit& hit : search.hits) {
    Json json = ToJson(hit);
    Json marks = Json::array();
    for (const Span& mark : hit.marks) marks.push_back(Json::array({mark.start, mark.end}));
    json["snippet"] = Json{{"start", hit.snippet.start}, {"end", hit.snippet.end}};
    json["marks"] = std::move(marks);
    hits.push_back(std::move(json));
  }
  Json spelling = Json::array();
  for (const Spelling& word : search.spelling) {
    Json suggestions = Json::array();
    for (const Spelling::Suggestion& s : word.suggestions) {
      suggestions.push_back(
          {{"text", s.text}, {"distance", s.distance}, {"passages", s.passages}});
    }
    spelling.push_back({{"word", word.word},
                        {"start", word.span.start},
                        {"end", word.span.end},
                        {"suggestions", std::move(suggestions)}});
  }
  return Dump(Json{{"version", kRecordVersion},
                   {"query", search.query},
                   {"hits", std::move(hits)},
                   {"spelling", std::move(spelling)},
                   {"did_you_mean", search.did_you_mean},
                   {"took_us", search.took_us}});
}

std::string DocumentToJson(const Document& document) {
  static constexpr const char* kKinds[] = {"paragraph", "heading", "list", "code",
                                           "table",     "caption", "other"};
  Json blocks = Json::array();
  for (const Block& b : document.blocks) {
    blocks.push_back({{"kind", kKinds[static_cast<int>(b.kind)]},
                      {"start", b.span.start},
                      {"end", b.span.end},
                      {"level", b.level},
                      {"page", b.page},
                      {"box", {b.box.x0, b.box.y0, b.box.x1, b.box.y1}}});
  }
  Json pages = Json::array();
  for (const Page& p : document.pages) {
    pages.push_back({{"number", p.number},
                     {"start", p.span.start},
                     {"end", p.span.end},
                     {"width", p.width},
                     {"height", p.height}});
  }
  Json meta = Json::object();
  for (const auto& [key, value] : document.meta) meta[key] = value;
  Json fields = Json::object();
  for (const Field& field : document.fields) fields[field.name].push_back(field.value);
  return Dump(Json{{"version", kRecordVersion},
                   {"path", document.path},
                   {"sha256", document.sha256},
                   {"format", document.format},
                   {"title", document.title},
                   {"meta", std::move(meta)},
                   {"fields", std::move(fields)},
                   {"pages", std::move(pages)},
                   {"blocks", std::move(blocks)},
                   {"warnings", document.warnings},
                   {"text", document.text}});
}

}  // namespace weir::text
