#include "ingest/front_matter.h"

#include <yaml.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "text/fields.h"
#include "text/unicode.h"

namespace weir::ingest {
namespace {

bool OnlySpace(std::string_view s) { return s.find_first_not_of(" \t\r") == s.npos; }

// The lines between the fences, which are taken off `markdown` with them; none if there are not
// two. YAML may end with "..." instead.
std::string_view Take(std::string_view& markdown, std::string_view fence) {
  size_t at = markdown.find('\n');
  if (!markdown.starts_with(fence) || at == markdown.npos ||
      !OnlySpace(markdown.substr(fence.size(), at - fence.size()))) {
    return {};
  }
  const size_t begin = ++at;
  while (at < markdown.size() && at - begin <= kMaxFrontMatter) {
    const size_t end = std::min(markdown.find('\n', at), markdown.size());
    const std::string_view line = markdown.substr(at, end - at);
    const bool closes = line.starts_with(fence) || (fence == "---" && line.starts_with("..."));
    if (closes && OnlySpace(line.substr(fence.size()))) {
      const std::string_view inside = markdown.substr(begin, at - begin);
      markdown.remove_prefix(std::min(end + 1, markdown.size()));
      return inside.empty() ? std::string_view("\n") : inside;
    }
    at = end + 1;
  }
  return {};
}

// Adds values under one name. Lists are often written as one text: "weirs, fish".
class Fields {
 public:
  explicit Fields(text::Document& document) : document_(document) {}

  void AddScalar(std::string_view name, std::string_view value) {
    const std::string known = text::FieldName(name);
    const bool list = known == "tags" || known == "keywords" || known == "categories";
    if (list) {
      text::AddFieldList(name, value, ",;", document_.fields);
    } else {
      text::AddField(name, value, document_.fields);
    }
    Note(known, value);
  }
  void AddItem(std::string_view name, std::string_view value) {
    text::AddField(name, value, document_.fields);
    Note(text::FieldName(name), value);
  }
  void Drop(std::string_view name) {
    const std::string known = text::FieldName(name);
    std::erase_if(document_.fields, [&](const text::Field& f) { return f.name == known; });
    document_.meta.erase(known);
  }

 private:
  void Note(const std::string& name, std::string_view value) {
    if (name.empty() || value.empty()) return;
    std::string& meta = document_.meta[name];
    absl::StrAppend(&meta, meta.empty() ? "" : ", ", value);
    meta.resize(text::CutUtf8(meta, 4 * text::kMaxFieldValue).size());
  }
  text::Document& document_;
};

// libyaml's events, one at a time. Not copied; an event lives until the next.
class YamlEvents {
 public:
  explicit YamlEvents(std::string_view yaml) {
    ready_ = yaml_parser_initialize(&parser_) != 0;
    if (!ready_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(yaml.data()),
                                 yaml.size());
  }
  ~YamlEvents() {
    if (filled_) yaml_event_delete(&event_);
    if (ready_) yaml_parser_delete(&parser_);
  }
  YamlEvents(const YamlEvents&) = delete;

  // False at the end and on an error.
  bool Next() {
    if (filled_) yaml_event_delete(&event_);
    filled_ = ready_ && yaml_parser_parse(&parser_, &event_) != 0;
    failed_ = !filled_;
    return filled_ && event_.type != YAML_STREAM_END_EVENT;
  }
  yaml_event_type_t type() const { return event_.type; }
  // Of a scalar; "" for what YAML reads as null.
  std::string_view value() const {
    const auto& scalar = event_.data.scalar;
    const std::string_view s(reinterpret_cast<const char*>(scalar.value), scalar.length);
    const bool plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return plain && (s == "~" || s == "null" || s == "Null" || s == "NULL") ? "" : s;
  }
  // Passes over the rest of the node that this event begins.
  bool Skip() {
    int depth = 0;
    do {
      if (type() == YAML_SEQUENCE_START_EVENT || type() == YAML_MAPPING_START_EVENT) ++depth;
      if (type() == YAML_SEQUENCE_END_EVENT || type() == YAML_MAPPING_END_EVENT) --depth;
      if (depth == 0) return true;
    } while (Next());
    return false;
  }
  // "" when nothing is wrong.
  std::string Problem() const {
    if (!failed_) return "";
    return absl::StrCat("line ", parser_.problem_mark.line + 1, ": ",
                        parser_.problem == nullptr ? "out of memory" : parser_.problem);
  }

 private:
  yaml_parser_t parser_;
  yaml_event_t event_;
  bool ready_ = false, filled_ = false, failed_ = false;
};

bool TakeList(YamlEvents& events, const std::string& name, Fields& fields) {
  while (events.Next()) {
    if (events.type() == YAML_SEQUENCE_END_EVENT) return true;
    if (events.type() == YAML_SCALAR_EVENT) {
      fields.AddItem(name, events.value());
    } else if (!events.Skip()) {
      return false;
    }
  }
  return false;
}

// What is wrong, "" for nothing.
std::string TakeYaml(std::string_view yaml, Fields& fields) {
  YamlEvents events(yaml);
  do {  // the beginnings of stream and document
    if (!events.Next()) return events.Problem();
  } while (events.type() == YAML_STREAM_START_EVENT || events.type() == YAML_DOCUMENT_START_EVENT);
  if (events.type() != YAML_MAPPING_START_EVENT) return "line 1: expected NAME: VALUE";
  std::string name;
  while (events.Next() && events.type() != YAML_MAPPING_END_EVENT) {
    const bool named = events.type() == YAML_SCALAR_EVENT;
    name = named ? events.value() : "";
    if (!events.Skip() || !events.Next()) break;
    if (named && events.type() == YAML_SCALAR_EVENT) {
      fields.AddScalar(name, events.value());
    } else if (named && events.type() == YAML_SEQUENCE_START_EVENT) {
      if (!TakeList(events, name, fields)) break;
    } else if (!events.Skip()) {
      break;
    }
  }
  // In "title: a: b" the mistake shows behind the a: the last value is not to be trusted.
  const std::string problem = events.Problem();
  if (!problem.empty()) fields.Drop(name);
  return problem;
}

std::string_view Trim(std::string_view s) {
  const size_t begin = std::min(s.find_first_not_of(" \t\r"), s.size());
  const size_t end = s.find_last_not_of(" \t\r");
  return end == s.npos ? std::string_view() : s.substr(begin, end + 1 - begin);
}

// Takes a quoted or a bare value off the start of `line`. False for a quote that is not closed.
bool TakeTomlScalar(std::string_view& line, std::string& out) {
  out.clear();
  line = Trim(line);
  const char quote = line.empty() ? '\0' : line[0];
  if (quote != '"' && quote != '\'') {
    const size_t end = std::min(line.find_first_of(",]#"), line.size());
    out = std::string(Trim(line.substr(0, end)));
    line.remove_prefix(end);
    return !out.empty();
  }
  size_t at = 1;
  for (; at < line.size() && line[at] != quote; ++at) {
    if (quote == '"' && line[at] == '\\' && at + 1 < line.size()) {
      const char c = line[++at];
      out.push_back(c == 'n' || c == 't' || c == 'r' ? ' ' : c);
    } else {
      out.push_back(line[at]);
    }
  }
  if (at >= line.size()) return false;
  line.remove_prefix(at + 1);
  return true;
}

// A scalar, or a list of some. False for what is neither, on this line.
bool TakeTomlValue(std::string_view line, std::string_view name, Fields& fields) {
  std::string value;
  line = Trim(line);
  if (line.starts_with("\"\"\"") || line.starts_with("'''") || line.starts_with('{')) return false;
  if (!line.starts_with('[')) {
    if (!TakeTomlScalar(line, value)) return false;
    line = Trim(line);
    if (!line.empty() && line[0] != '#') return false;
    fields.AddScalar(name, value);
    return true;
  }
  std::vector<std::string> items;
  line = Trim(line.substr(1));
  while (!line.starts_with(']')) {
    if (line.starts_with('[') || line.starts_with('{')) return false;
    if (!TakeTomlScalar(line, value)) return false;
    items.push_back(value);
    line = Trim(line);
    if (line.starts_with(',')) line = Trim(line.substr(1));
    else if (!line.starts_with(']')) return false;
  }
  for (const std::string& item : items) fields.AddItem(name, item);
  return true;
}

// The lines NAME = VALUE before the first table, where the value ends on its line. Not toml++: it
// ends the process by an assertion on some malformed keys.
std::string TakeToml(std::string_view toml, Fields& fields) {
  std::string problem;
  for (int number = 1; !toml.empty(); ++number) {
    const size_t end = std::min(toml.find('\n'), toml.size());
    const std::string_view line = Trim(toml.substr(0, end));
    toml.remove_prefix(std::min(end + 1, toml.size()));
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[') break;
    const size_t equals = line.find('=');
    std::string_view rest = line.substr(0, std::min(equals, line.size()));
    std::string name;
    const bool good = equals != line.npos && TakeTomlScalar(rest, name) && Trim(rest).empty() &&
                      TakeTomlValue(line.substr(equals + 1), name, fields);
    if (!good && problem.empty())
      problem = absl::StrCat("line ", number, ": expected NAME = VALUE on one line");
  }
  return problem;
}

}  // namespace

void TakeFrontMatter(std::string_view& markdown, text::Document& document) {
  const bool toml = markdown.starts_with("+++");
  const std::string_view inside = Take(markdown, toml ? "+++" : "---");
  if (inside.empty()) return;
  Fields fields(document);
  const std::string problem = toml ? TakeToml(inside, fields) : TakeYaml(inside, fields);
  if (!problem.empty()) {
    document.warnings.push_back(
        absl::StrCat("front matter: ", text::CutUtf8(text::RepairUtf8(problem), 200)));
  }
}

}  // namespace weir::ingest
