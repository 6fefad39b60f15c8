// Where option values come from and go to besides the command line: weir.toml, the environment,
// JSON.
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/options.h"
#include "base/status.h"

namespace weir {
namespace {

using Json = nlohmann::ordered_json;

std::string Place(std::string_view path, const toml::source_region& region) {
  return absl::StrCat(path, ":", region.begin.line);
}

absl::StatusOr<toml::table> ParseToml(std::string_view path, std::string_view text) {
  toml::parse_result parsed = toml::parse(text);
  if (parsed.failed()) {
    const toml::parse_error& error = parsed.error();
    return absl::InvalidArgumentError(
        absl::StrCat(Place(path, error.source()), ": ", error.description()));
  }
  return std::move(parsed).table();
}

// The value as OptionField::Set reads it, or what kind of value was expected.
absl::StatusOr<std::string> TomlText(const toml::node& node, std::string_view type) {
  if (type == "bool" && node.is_boolean()) {
    return std::string(node.as_boolean()->get() ? "true" : "false");
  }
  if ((type == "integer" || type == "number") && node.is_integer()) {
    return absl::StrCat(node.as_integer()->get());
  }
  if (type == "number" && node.is_floating_point()) {
    return Json(node.as_floating_point()->get()).dump();
  }
  if (type == "string" && node.is_string()) return node.as_string()->get();
  if (type == "list" && node.is_array()) {
    std::vector<std::string> items;
    for (const toml::node& item : *node.as_array()) {
      if (!item.is_string()) return absl::InvalidArgumentError("expected a list of strings");
      items.push_back(item.as_string()->get());
    }
    return ListText(items);
  }
  return absl::InvalidArgumentError(absl::StrCat("expected a value of type ", type));
}

absl::StatusOr<std::string> JsonText(const Json& value, std::string_view type) {
  if (type == "bool" && value.is_boolean()) return value.dump();
  if (type == "integer" && value.is_number_integer()) return value.dump();
  if (type == "number" && value.is_number()) return value.dump();
  if (type == "string" && value.is_string()) return value.get<std::string>();
  if (type == "list" && value.is_array()) {
    std::vector<std::string> items;
    for (const Json& item : value) {
      if (!item.is_string()) return absl::InvalidArgumentError("expected a list of strings");
      items.push_back(item.get<std::string>());
    }
    return ListText(items);
  }
  return absl::InvalidArgumentError(absl::StrCat("expected a value of type ", type));
}

// The JSON value of an option's text.
Json JsonValue(std::string_view type, const std::string& text) {
  if (type == "bool") return text == "true";
  if (type == "integer") {
    int64_t value = 0;
    return absl::SimpleAtoi(text, &value) ? Json(value) : Json(text);
  }
  if (type == "number") {
    double value = 0;
    return absl::SimpleAtod(text, &value) ? Json(value) : Json(text);
  }
  if (type == "list") return ParseList(text);
  return text;
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json SchemaOf(const OptionField& field) {
  const OptionSpec& spec = field.spec();
  const std::string_view type = field.type_name();
  Json schema;
  schema["type"] = type == "bool" ? "boolean" : type == "list" ? "array" : type;
  if (type == "list") schema["items"] = {{"type", "string"}};
  schema["default"] = JsonValue(type, field.default_text());
  const auto bound = [&](double value) {
    return type == "integer" ? Json(static_cast<int64_t>(value)) : Json(value);
  };
  if (std::isfinite(spec.min)) schema["minimum"] = bound(spec.min);
  if (std::isfinite(spec.max)) schema["maximum"] = bound(spec.max);
  Json& holder = type == "list" ? schema["items"] : schema;
  for (const std::string_view choice : spec.choices) {
    holder["enum"].push_back(JsonValue(type == "list" ? "string" : type, std::string(choice)));
  }
  if (!spec.unit.empty()) schema["unit"] = spec.unit;
  schema["description"] = spec.help;
  return schema;
}

// `prefix` is "" or the section that `table` is, with a dot after it.
absl::Status CheckSections(std::string_view path, const toml::table& table,
                           const std::string& prefix, const std::vector<std::string>& known) {
  for (const auto& [key, value] : table) {
    if (!value.is_table()) continue;
    const std::string section = absl::StrCat(prefix, key.str());
    const std::string below = absl::StrCat(section, ".");
    const bool found = std::any_of(known.begin(), known.end(), [&](const std::string& name) {
      return name == section || name.starts_with(below);
    });
    if (!found) {
      const std::string nearest = NearestName(section, known);
      return absl::InvalidArgumentError(
          absl::StrCat(Place(path, key.source()), ": section [", section, "]: unknown",
                       nearest.empty() ? "" : absl::StrCat("; did you mean \"", nearest, "\"?")));
    }
    WEIR_RETURN_IF_ERROR(CheckSections(path, *value.as_table(), below, known));
  }
  return absl::OkStatus();
}

}  // namespace

std::string OptionTable::JsonSchema() const {
  Json schema = Json::object();
  for (const OptionField& field : fields_) {
    schema[std::string(field.spec().name)] = SchemaOf(field);
  }
  return Dump(schema);
}

std::string OptionTable::JsonValues() const {
  Json values = Json::object();
  for (const OptionField& field : fields_) {
    values[std::string(field.spec().name)] = JsonValue(field.type_name(), field.Get());
  }
  return Dump(values);
}

absl::Status ApplyJson(std::string_view json_text, OptionTable& table) {
  const Json object = Json::parse(json_text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return absl::InvalidArgumentError("options: expected a JSON object");
  for (const auto& [name, value] : object.items()) {
    OptionField* field = table.Find(name);
    if (field == nullptr) return table.Set(name, "");  // says so, with the nearest name
    const absl::StatusOr<std::string> text = JsonText(value, field->type_name());
    if (!text.ok()) return Annotate(text.status(), absl::StrCat("option ", name));
    WEIR_RETURN_IF_ERROR(field->Set(*text));
  }
  return absl::OkStatus();
}

absl::Status ApplyToml(std::string_view path, std::string_view toml_text, std::string_view section,
                       OptionTable& table) {
  WEIR_ASSIGN_OR_RETURN(const toml::table root, ParseToml(path, toml_text));
  const toml::table* part = &root;
  if (!section.empty()) {
    const toml::node_view node = root.at_path(section);
    if (!node) return absl::OkStatus();
    part = node.as_table();
    if (part == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(Place(path, node.node()->source()), ": ",
                                                     section, "; expected a section [", section,
                                                     "]"));
    }
  }
  for (const auto& [key, value] : *part) {
    if (value.is_table()) continue;  // another section
    const std::string place = Place(path, key.source());
    OptionField* field = table.Find(key.str());
    if (field == nullptr) return Annotate(table.Set(key.str(), ""), place);
    const absl::StatusOr<std::string> text = TomlText(value, field->type_name());
    if (!text.ok()) return Annotate(text.status(), absl::StrCat(place, ": option ", key.str()));
    WEIR_RETURN_IF_ERROR(Annotate(field->Set(*text), place));
  }
  return absl::OkStatus();
}

absl::Status CheckTomlSections(std::string_view path, std::string_view toml_text,
                               const std::vector<std::string>& known) {
  WEIR_ASSIGN_OR_RETURN(const toml::table root, ParseToml(path, toml_text));
  return CheckSections(path, root, "", known);
}

std::string EnvironmentName(std::string_view option_name) {
  return absl::StrCat("WEIR_",
                      absl::AsciiStrToUpper(absl::StrReplaceAll(option_name, {{"-", "_"}})));
}

absl::Status ApplyEnvironment(OptionTable& table) {
  for (OptionField& field : table.fields()) {
    const std::string variable = EnvironmentName(field.spec().name);
    const char* value = std::getenv(variable.c_str());
    if (value == nullptr || *value == '\0') continue;  // an empty variable is an unset one
    WEIR_RETURN_IF_ERROR(Annotate(field.Set(value), variable));
  }
  return absl::OkStatus();
}

}  // namespace weir
