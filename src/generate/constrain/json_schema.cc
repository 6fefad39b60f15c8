#include "generate/constrain/json_schema.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "nlohmann/json.hpp"

namespace weir::generate {
namespace {

using Json = nlohmann::ordered_json;

// The building blocks, each with the blocks it needs. Numbers and exponents are bounded so that
// what is generated fits a double; surrogate escapes come in pairs.
struct Block {
  std::string_view name, body, needs;
};
constexpr Block kBlocks[] = {
    {"ws", R"(| " " | "\n" [ \t]{0,20})", ""},
    {"boolean", R"("true" | "false")", ""},
    {"null", R"("null")", ""},
    {"integer", R"("-"? ("0" | [1-9] [0-9]{0,17}))", ""},
    {"number", R"("-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]{1,16})? ([eE] [+-]? [0-9]{1,2})?)", ""},
    {"hex", "[0-9a-fA-F]", ""},
    {"char",
     R"([^"\\\x00-\x1F\x7F] | "\\" (["\\/bfnrt] | "u" ([0-9a-cA-CEeFf] hex hex hex | [dD] [0-7] hex hex |)"
     R"( [dD] [89abAB] hex hex "\\u" [dD] [c-fC-F] hex hex)))",
     "hex"},
    {"string", R"("\"" char* "\"")", "char"},
    {"value", "object | array | string | number | boolean | null",
     "object array string number boolean null"},
    {"object", R"("{" ws (member ("," ws member)* ws)? "}")", "ws member"},
    {"member", R"(string ":" ws value)", "string ws value"},
    {"array", R"("[" ws (value ("," ws value)* ws)? "]")", "ws value"},
};

constexpr std::string_view kAnnotations[] = {"$schema",     "$id",       "$comment", "title",
                                             "description", "default",   "examples", "deprecated",
                                             "readOnly",    "writeOnly", "$defs",    "definitions"};
constexpr std::string_view kConstraints[] = {
    "type",  "enum",     "const",    "properties", "required",  "additionalProperties",
    "items", "minItems", "maxItems", "minLength",  "maxLength", "anyOf",
    "oneOf", "$ref"};

template <class List>
bool Contains(const List& list, std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

std::string Literal(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      absl::StrAppend(&out, "\\", std::string(1, c));
    } else if (byte < 0x20 || byte == 0x7F) {
      absl::StrAppend(&out, "\\x", absl::Hex(byte, absl::kZeroPad2));
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

bool HasType(const Json& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "integer") return value.is_number_integer();
  return type == "number" && value.is_number();
}

class SchemaWriter {
 public:
  SchemaWriter(const Json& document, const SchemaLimits& limits)
      : document_(document), limits_(limits) {}

  absl::StatusOr<std::string> Write() {
    WEIR_ASSIGN_OR_RETURN(const std::string root, Reference("#"));
    std::string out = absl::StrCat("root ::= ", root, "\n");
    for (const auto& [name, body] : rules_) absl::StrAppend(&out, name, " ::= ", body, "\n");
    for (const Block& block : kBlocks) {
      if (used_.contains(block.name)) absl::StrAppend(&out, block.name, " ::= ", block.body, "\n");
    }
    return out;
  }

 private:
  absl::Status Wrong(std::string_view where, std::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("JSON schema at ", where, ": ", what));
  }
  absl::Status Unsupported(std::string_view where, std::string_view what) const {
    return absl::UnimplementedError(
        absl::StrCat("JSON schema at ", where, ": ", what, " is not supported"));
  }
  absl::Status Exhausted(std::string_view what, int limit) const {
    return absl::ResourceExhaustedError(absl::StrCat("JSON schema: more than ", limit, " ", what));
  }

  std::string Use(std::string_view name) {
    for (const Block& block : kBlocks) {
      if (block.name != name || !used_.insert(block.name).second) continue;
      for (std::string_view need : absl::StrSplit(block.needs, ' ', absl::SkipEmpty())) Use(need);
    }
    return std::string(name);
  }

  // A rule's number is taken before its body is known, so that a body may refer to it.
  absl::StatusOr<size_t> NewRule() {
    if (rules_.size() >= static_cast<size_t>(limits_.rules))
      return Exhausted("rules", limits_.rules);
    rules_.push_back({absl::StrCat("r", rules_.size()), ""});
    return rules_.size() - 1;
  }
  absl::StatusOr<std::string> NamedRule(std::string body) {
    WEIR_ASSIGN_OR_RETURN(const size_t rule, NewRule());
    rules_[rule].second = std::move(body);
    return rules_[rule].first;
  }

  absl::StatusOr<std::string> Reference(const std::string& pointer) {
    const auto [it, added] = references_.try_emplace(pointer, "");
    if (!added) return it->second;
    if (references_.size() > static_cast<size_t>(limits_.references)) {
      return Exhausted("references", limits_.references);
    }
    WEIR_ASSIGN_OR_RETURN(const Json* target, Resolve(pointer));
    WEIR_ASSIGN_OR_RETURN(const size_t rule, NewRule());
    const std::string name = rules_[rule].first;
    references_[pointer] = name;
    WEIR_ASSIGN_OR_RETURN(rules_[rule].second, Schema(*target, pointer, 0));
    return name;
  }

  absl::StatusOr<const Json*> Resolve(const std::string& pointer) const {
    if (pointer != "#" && !pointer.starts_with("#/")) {
      return Unsupported(pointer, "a reference to another document");
    }
    const Json* node = &document_;
    const std::string_view path =
        std::string_view(pointer).substr(std::min<size_t>(pointer.size(), 2));
    for (std::string_view part : absl::StrSplit(path, '/')) {
      if (pointer == "#") break;
      const std::string key = absl::StrReplaceAll(part, {{"~1", "/"}, {"~0", "~"}});
      if (!node->is_object() || !node->contains(key)) return Wrong(pointer, "no such definition");
      node = &(*node)[key];
    }
    return node;
  }

  // An expression for the schema. `depth` counts schemas inside schemas; a reference starts anew,
  // since it becomes a rule of its own (their number is limited instead).
  absl::StatusOr<std::string> Schema(const Json& schema, const std::string& where, int depth) {
    if (depth > limits_.depth || ++nesting_ > 4 * limits_.depth)
      return Exhausted("nested schemas", limits_.depth);
    absl::StatusOr<std::string> out = SchemaBody(schema, where, depth);
    --nesting_;
    return out;
  }

  absl::StatusOr<std::string> SchemaBody(const Json& schema, const std::string& where, int depth) {
    if (schema.is_boolean() && schema.get<bool>()) return Use("value");
    if (!schema.is_object()) return Wrong(where, "expected an object or true");
    int alternatives = 0, others = 0;
    for (const auto& [key, value] : schema.items()) {
      if (Contains(kAnnotations, key)) continue;
      if (!Contains(kConstraints, key)) return Unsupported(where, absl::StrCat("'", key, "'"));
      (key == "anyOf" || key == "oneOf" || key == "$ref" ? alternatives : others) += 1;
    }
    if (alternatives > 1 || (alternatives == 1 && others > 0)) {
      return Unsupported(where, "anyOf, oneOf or $ref beside another constraint");
    }
    if (const auto ref = schema.find("$ref"); ref != schema.end()) {
      if (!ref->is_string()) return Wrong(where, "$ref: expected a string");
      return Reference(ref->get<std::string>());
    }
    for (const char* key : {"anyOf", "oneOf"}) {
      if (schema.contains(key)) return AnyOf(schema[key], absl::StrCat(where, "/", key), depth);
    }
    const bool values = schema.contains("const") || schema.contains("enum");
    if (values && others > (schema.contains("type") ? 2 : 1)) {
      return Unsupported(where, "enum or const beside a constraint other than type");
    }
    if (schema.contains("const")) return Values(Json::array({schema["const"]}), schema, where);
    if (schema.contains("enum")) return Values(schema["enum"], schema, where);
    return Typed(schema, where, depth);
  }

  absl::StatusOr<std::string> AnyOf(const Json& list, const std::string& where, int depth) {
    if (!list.is_array() || list.empty()) return Wrong(where, "expected a list of schemas");
    std::vector<std::string> parts;
    for (size_t i = 0; i < list.size(); ++i) {
      WEIR_ASSIGN_OR_RETURN(std::string part,
                            Schema(list[i], absl::StrCat(where, "/", i), depth + 1));
      parts.push_back(std::move(part));
    }
    return NamedRule(absl::StrJoin(parts, " | "));
  }

  absl::StatusOr<std::vector<std::string>> Types(const Json& schema,
                                                 const std::string& where) const {
    std::vector<std::string> types;
    const auto type = schema.find("type");
    if (type == schema.end()) {
      // The type is what the other keywords speak of.
      const auto any = [&](std::initializer_list<const char*> keys) {
        return std::any_of(keys.begin(), keys.end(),
                           [&](const char* k) { return schema.contains(k); });
      };
      if (any({"properties", "required", "additionalProperties"})) types.push_back("object");
      if (any({"items", "minItems", "maxItems"})) types.push_back("array");
      if (any({"minLength", "maxLength"})) types.push_back("string");
      return types;
    }
    const Json list = type->is_array() ? *type : Json::array({*type});
    static constexpr std::string_view kTypes[] = {"object",  "array",   "string", "number",
                                                  "integer", "boolean", "null"};
    for (const Json& one : list) {
      if (!one.is_string() || !Contains(kTypes, one.get_ref<const std::string&>())) {
        return Wrong(where,
                     "type: expected object, array, string, number, integer, boolean or null");
      }
      types.push_back(one.get<std::string>());
    }
    if (types.empty()) return Wrong(where, "type: an empty list");
    return types;
  }

  absl::StatusOr<std::string> Values(const Json& list, const Json& schema,
                                     const std::string& where) {
    if (!list.is_array() || list.empty()) return Wrong(where, "enum: expected a list of values");
    WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> types, Types(schema, where));
    std::vector<std::string> parts;
    for (const Json& value : list) {
      const bool fits =
          types.empty() || std::any_of(types.begin(), types.end(),
                                       [&](const std::string& t) { return HasType(value, t); });
      if (fits) parts.push_back(Literal(value.dump()));
    }
    if (parts.empty()) return Wrong(where, "enum: no value is of the type");
    return NamedRule(absl::StrJoin(parts, " | "));
  }

  absl::StatusOr<std::string> Typed(const Json& schema, const std::string& where, int depth) {
    WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> types, Types(schema, where));
    if (types.empty()) return Use("value");
    std::vector<std::string> parts;
    for (const std::string& type : types) {
      if (type == "object") {
        WEIR_ASSIGN_OR_RETURN(std::string part, Object(schema, where, depth));
        parts.push_back(std::move(part));
      } else if (type == "array") {
        WEIR_ASSIGN_OR_RETURN(std::string part, Array(schema, where, depth));
        parts.push_back(std::move(part));
      } else if (type == "string") {
        WEIR_ASSIGN_OR_RETURN(std::string part, String(schema, where));
        parts.push_back(std::move(part));
      } else {
        parts.push_back(Use(type));
      }
    }
    if (parts.size() == 1) return parts[0];
    return NamedRule(absl::StrJoin(parts, " | "));
  }

  absl::Status Bound(const Json& schema, const char* key, const std::string& where,
                     int64_t& out) const {
    const auto value = schema.find(key);
    if (value == schema.end()) return absl::OkStatus();
    const bool whole = value->is_number_unsigned() && value->get<uint64_t>() <= 4096;
    if (!whole) return Wrong(where, absl::StrCat(key, ": expected a whole number up to 4096"));
    out = value->get<int64_t>();
    return absl::OkStatus();
  }

  absl::Status Bounds(const Json& schema, const char* low, const char* high,
                      const std::string& where, int64_t& min, int64_t& max) const {
    WEIR_RETURN_IF_ERROR(Bound(schema, low, where, min));
    WEIR_RETURN_IF_ERROR(Bound(schema, high, where, max));
    if (max >= 0 && max < min) return Wrong(where, absl::StrCat(high, " is below ", low));
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> String(const Json& schema, const std::string& where) {
    int64_t min = 0, max = -1;
    WEIR_RETURN_IF_ERROR(Bounds(schema, "minLength", "maxLength", where, min, max));
    if (min == 0 && max < 0) return Use("string");
    return absl::StrCat("(\"\\\"\" ", Use("char"), "{", min, ",", max < 0 ? "" : absl::StrCat(max),
                        "} \"\\\"\")");
  }

  absl::StatusOr<std::string> Array(const Json& schema, const std::string& where, int depth) {
    int64_t min = 0, max = -1;
    WEIR_RETURN_IF_ERROR(Bounds(schema, "minItems", "maxItems", where, min, max));
    std::string item = Use("value");
    const std::string ws = Use("ws");
    if (const auto items = schema.find("items"); items != schema.end()) {
      WEIR_ASSIGN_OR_RETURN(item, Schema(*items, absl::StrCat(where, "/items"), depth + 1));
    }
    if (max == 0) return NamedRule(absl::StrCat("\"[\" ", ws, " \"]\""));
    const std::string some =
        absl::StrCat(item, " (\",\" ", ws, " ", item, "){", std::max<int64_t>(min - 1, 0), ",",
                     max < 0 ? "" : absl::StrCat(max - 1), "} ", ws);
    return NamedRule(
        absl::StrCat("\"[\" ", ws, " ", min == 0 ? absl::StrCat("(", some, ")?") : some, " \"]\""));
  }

  absl::StatusOr<std::string> Object(const Json& schema, const std::string& where, int depth) {
    std::set<std::string> required;
    if (const auto names = schema.find("required"); names != schema.end()) {
      if (!names->is_array()) return Wrong(where, "required: expected a list of names");
      for (const Json& name : *names) {
        if (!name.is_string()) return Wrong(where, "required: expected a list of names");
        required.insert(name.get<std::string>());
      }
    }
    const auto extra = schema.find("additionalProperties");
    const bool closed = extra != schema.end() && extra->is_boolean() && !extra->get<bool>();
    const auto properties = schema.find("properties");
    if (properties != schema.end() && !properties->is_object())
      return Wrong(where, "properties: expected an object");
    if (properties == schema.end() || properties->empty()) {
      if (!required.empty())
        return Unsupported(where, "a required name that is not among the properties");
      if (closed || (properties != schema.end() && extra == schema.end())) {
        return NamedRule(absl::StrCat("\"{\" ", Use("ws"), " \"}\""));
      }
      if (extra == schema.end()) return Use("object");
      return Map(*extra, absl::StrCat(where, "/additionalProperties"), depth);
    }
    if (extra != schema.end() && !closed)
      return Unsupported(where, "additionalProperties beside properties");
    for (const std::string& name : required) {
      if (!properties->contains(name))
        return Unsupported(where, "a required name that is not among the properties");
    }
    return Members(*properties, required, where, depth);
  }

  absl::StatusOr<std::string> Map(const Json& value, const std::string& where, int depth) {
    WEIR_ASSIGN_OR_RETURN(const std::string expression, Schema(value, where, depth + 1));
    const std::string ws = Use("ws");
    WEIR_ASSIGN_OR_RETURN(const std::string member,
                          NamedRule(absl::StrCat(Use("string"), " \":\" ", ws, " ", expression)));
    return NamedRule(absl::StrCat("\"{\" ", ws, " (", member, " (\",\" ", ws, " ", member, ")* ",
                                  ws, ")? \"}\""));
  }

  // Members in the schema's order, optional ones left out at will. For each property two rules:
  // what follows when nothing was written yet, and when a comma is due. Built from the last to the
  // first.
  absl::StatusOr<std::string> Members(const Json& properties, const std::set<std::string>& required,
                                      const std::string& where, int depth) {
    const std::string ws = Use("ws");
    struct Member {
      std::string text;
      bool required;
    };
    std::vector<Member> members;
    for (const auto& [name, schema] : properties.items()) {
      WEIR_ASSIGN_OR_RETURN(const std::string value,
                            Schema(schema, absl::StrCat(where, "/properties/", name), depth + 1));
      WEIR_ASSIGN_OR_RETURN(std::string text, NamedRule(absl::StrCat(Literal(Json(name).dump()),
                                                                     " \":\" ", ws, " ", value)));
      members.push_back({std::move(text), required.contains(name)});
    }
    std::string first = "\"\"", later = ws;
    for (size_t i = members.size(); i-- > 0;) {
      std::string new_first = absl::StrCat(members[i].text, " ", later);
      std::string new_later = absl::StrCat("\",\" ", ws, " ", new_first);
      if (!members[i].required) {
        absl::StrAppend(&new_first, " | ", first);
        absl::StrAppend(&new_later, " | ", later);
      }
      WEIR_ASSIGN_OR_RETURN(first, NamedRule(std::move(new_first)));
      WEIR_ASSIGN_OR_RETURN(later, NamedRule(std::move(new_later)));
    }
    return NamedRule(absl::StrCat("\"{\" ", ws, " ", first, " \"}\""));
  }

  const Json& document_;
  const SchemaLimits& limits_;
  int nesting_ = 0;
  std::vector<std::pair<std::string, std::string>> rules_;
  absl::flat_hash_set<std::string_view> used_;
  absl::flat_hash_map<std::string, std::string> references_;
};

// Brackets open at once, strings skipped: bounds the recursion of all that walks the document.
int Nesting(std::string_view text) {
  int depth = 0, deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

absl::StatusOr<std::string> JsonSchemaToGbnf(std::string_view schema, const SchemaLimits& limits) {
  if (schema.size() > limits.source_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("JSON schema: ", schema.size(), " bytes; at most ", limits.source_bytes));
  }
  // A schema level takes up to three levels of the document (properties, name, value).
  if (Nesting(schema) > 4 * limits.depth) {
    return absl::ResourceExhaustedError(
        absl::StrCat("JSON schema: nested deeper than ", 4 * limits.depth));
  }
  const Json document = Json::parse(schema, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) return absl::InvalidArgumentError("JSON schema: not valid JSON");
  return SchemaWriter(document, limits).Write();
}

}  // namespace weir::generate
