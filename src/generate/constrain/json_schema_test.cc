#include "generate/constrain/json_schema.h"

#include <limits>
#include <string>
#include <vector>

#include "generate/constrain/grammar.h"
#include "generate/constrain/matcher.h"
#include "generate/sample/random.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace weir::generate {
namespace {

using Json = nlohmann::json;

std::shared_ptr<const Grammar> Compile(const std::string& schema) {
  auto gbnf = JsonSchemaToGbnf(schema);
  EXPECT_TRUE(gbnf.ok()) << gbnf.status() << schema;
  if (!gbnf.ok()) return nullptr;
  auto grammar = Grammar::ParseGbnf(*gbnf);
  EXPECT_TRUE(grammar.ok()) << grammar.status() << *gbnf;
  return grammar.ok() ? *grammar : nullptr;
}

bool Accepts(const std::string& schema, const std::string& text) {
  const auto grammar = Compile(schema);
  if (grammar == nullptr) return false;
  Matcher matcher(grammar);
  if (!matcher.Admits(text)) return false;
  matcher.Accept(text);
  return matcher.CanEnd();
}

TEST(JsonSchemaTest, AcceptsAndRejects) {
  struct Case {
    std::string schema;
    std::vector<std::string> accepted, rejected;
  };
  const Case cases[] = {
      {R"({"type":"string"})",
       {R"("")", R"("a\n\u00e9\ud83d\ude00")"},
       {"a", R"("\ud83d")", R"("\x")", "\"\n\""}},
      {R"({"type":"string","minLength":2,"maxLength":3})",
       {R"("ab")", "\"\xC3\xA9\xC3\xA9\xC3\xA9\""},
       {R"("a")", R"("abcd")"}},
      {R"({"type":"integer"})", {"0", "-17"}, {"01", "1.5", "+1", "-"}},
      {R"({"type":"number"})", {"0", "-1.25e-3"}, {".5", "1.", "1e", "00"}},
      {R"({"type":["boolean","null"]})", {"true", "false", "null"}, {"nul", "0"}},
      {R"({"enum":["a",1,null,{"k":[1]}]})", {R"("a")", "1", "null", R"({"k":[1]})"}, {"a", "2"}},
      {R"({"type":"string","enum":["a",1]})", {R"("a")"}, {"1"}},
      {R"({"const":"x\"y"})", {R"("x\"y")"}, {R"("x")"}},
      {R"({"type":"array","items":{"type":"integer"}})",
       {"[]", "[1]", "[1, 2,\n 3]"},
       {"[1,]", "[\"a\"]", "["}},
      {R"({"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3})",
       {"[1,2]", "[1,2,3]"},
       {"[]", "[1]", "[1,2,3,4]"}},
      {R"({"items":{"type":"null"},"maxItems":0})", {"[]"}, {"[null]"}},
      {R"({"type":"object","properties":{"b":{"type":"integer"},"a":{"type":"string"},"c":{"type":"null"}},
          "required":["a"],"additionalProperties":false})",
       {R"({"a":"x"})", R"({"b":1,"a":"x"})", R"({"a":"x","c":null})",
        R"({ "b": 1, "a": "", "c": null})"},
       {"{}", R"({"b":1})", R"({"a":"x","b":1})", R"({"a":"x",})", R"({"a":"x","d":1})",
        R"({,"a":"x"})"}},
      {R"({"properties":{"a":{"type":"null"},"b":{"type":"null"}}})",
       {"{}", R"({"a":null})", R"({"b":null})", R"({"a":null,"b":null})"},
       {R"({"b":null,"a":null})", R"({"a":null "b":null})"}},
      {R"({"type":"object","additionalProperties":{"type":"integer"}})",
       {"{}", R"({"x":1,"y":2})"},
       {R"({"x":"1"})"}},
      {R"({"type":"object","additionalProperties":false})", {"{}"}, {R"({"x":1})"}},
      {R"({"anyOf":[{"type":"integer"},{"type":"null"}]})", {"3", "null"}, {"true"}},
      {R"({"$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},
          "required":["v","next"]}},"$ref":"#/$defs/n"})",
       {R"({"v":1,"next":{"v":2,"next":null}})"},
       {R"({"v":1,"next":1})", R"({"v":1})"}},
      {R"({"type":"array","items":{"$ref":"#"}})", {"[]", "[[],[[]]]"}, {"[1]"}},
      {"{}", {"1", R"({"a":[true,{}]})"}, {"tru", "{a:1}"}},
      {"true", {"null"}, {""}},
  };
  for (const Case& c : cases) {
    for (const auto& text : c.accepted)
      EXPECT_TRUE(Accepts(c.schema, text)) << c.schema << "\n" << text;
    for (const auto& text : c.rejected)
      EXPECT_FALSE(Accepts(c.schema, text)) << c.schema << "\n" << text;
  }
}

TEST(JsonSchemaTest, RefusesWithTheRightCode) {
  using Code = absl::StatusCode;
  std::string deep = "1", wide = R"({"anyOf":[)";
  for (int i = 0; i < 200; ++i) deep = R"({"items":)" + deep + "}";
  for (int i = 0; i < 3000; ++i)
    wide += std::string(i ? "," : "") + R"({"enum":[)" + std::to_string(i) + "]}";
  wide += "]}";
  const std::pair<std::string, Code> cases[] = {
      {"", Code::kInvalidArgument},
      {"{", Code::kInvalidArgument},
      {"3", Code::kInvalidArgument},
      {"false", Code::kInvalidArgument},
      {R"({"type":"strange"})", Code::kInvalidArgument},
      {R"({"type":[]})", Code::kInvalidArgument},
      {R"({"enum":[]})", Code::kInvalidArgument},
      {R"({"type":"null","enum":[1]})", Code::kInvalidArgument},
      {R"({"type":"array","minItems":3,"maxItems":2})", Code::kInvalidArgument},
      {R"({"type":"array","minItems":-1})", Code::kInvalidArgument},
      {R"({"type":"string","maxLength":1e9})", Code::kInvalidArgument},
      {R"({"$ref":"#/$defs/none"})", Code::kInvalidArgument},
      {R"({"$ref":3})", Code::kInvalidArgument},
      {R"({"properties":[]})", Code::kInvalidArgument},
      {R"({"required":"a"})", Code::kInvalidArgument},
      {R"({"type":"string","pattern":"a+"})", Code::kUnimplemented},
      {R"({"type":"integer","minimum":3})", Code::kUnimplemented},
      {R"({"type":"string","enum":["a"],"minLength":2})", Code::kUnimplemented},
      {R"({"allOf":[{"type":"string"}]})", Code::kUnimplemented},
      {R"({"$ref":"http://example.org/x"})", Code::kUnimplemented},
      {R"({"anyOf":[{}],"type":"string"})", Code::kUnimplemented},
      {R"({"properties":{"a":{}},"required":["b"]})", Code::kUnimplemented},
      {R"({"properties":{"a":{}},"additionalProperties":true})", Code::kUnimplemented},
      {deep, Code::kResourceExhausted},
      {wide, Code::kResourceExhausted},
  };
  for (const auto& [schema, code] : cases) {
    EXPECT_EQ(JsonSchemaToGbnf(schema).status().code(), code)
        << schema.substr(0, 80) << JsonSchemaToGbnf(schema).status();
  }
  // A reference that only leads to itself is left recursion, found by the grammar.
  auto loop = JsonSchemaToGbnf(R"({"$ref":"#"})");
  ASSERT_TRUE(loop.ok());
  EXPECT_EQ(Grammar::ParseGbnf(*loop).status().code(), absl::StatusCode::kInvalidArgument);
}

// A validator written against the specification's words, for the keywords the converter supports.
bool Valid(const Json& schema, const Json& v, const Json& root) {
  if (schema.is_boolean()) return schema.get<bool>();
  if (schema.contains("$ref")) {
    const std::string ref = schema["$ref"];
    return Valid(ref == "#" ? root : root[Json::json_pointer(ref.substr(1))], v, root);
  }
  if (schema.contains("anyOf")) {
    for (const Json& s : schema["anyOf"]) {
      if (Valid(s, v, root)) return true;
    }
    return false;
  }
  if (schema.contains("enum"))
    return std::find(schema["enum"].begin(), schema["enum"].end(), v) != schema["enum"].end();
  const std::string type = schema.value("type", "");
  if (type == "integer") return v.is_number_integer();
  if (type == "number") return v.is_number();
  if (type == "boolean") return v.is_boolean();
  if (type == "null") return v.is_null();
  if (type == "string") {
    if (!v.is_string()) return false;
    size_t length = 0;
    for (char c : v.get<std::string>()) length += (c & 0xC0) != 0x80;
    return length >= schema.value("minLength", size_t{0}) &&
           length <= schema.value("maxLength", SIZE_MAX);
  }
  if (type == "array") {
    if (!v.is_array() || v.size() < schema.value("minItems", size_t{0}) ||
        v.size() > schema.value("maxItems", SIZE_MAX))
      return false;
    for (const Json& item : v) {
      if (schema.contains("items") && !Valid(schema["items"], item, root)) return false;
    }
    return true;
  }
  if (type == "object") {
    if (!v.is_object()) return false;
    for (const auto& name : schema.value("required", Json::array())) {
      if (!v.contains(name.get<std::string>())) return false;
    }
    for (const auto& [name, value] : v.items()) {
      if (!schema["properties"].contains(name) || !Valid(schema["properties"][name], value, root))
        return false;
    }
    return true;
  }
  return true;
}

// Random walks through the automaton: whatever it generates parses as JSON and satisfies the
// schema.
TEST(JsonSchemaTest, GeneratedTextParsesAndValidates) {
  const std::string schemas[] = {
      R"({"type":"object","properties":{"name":{"type":"string","minLength":1,"maxLength":6},"age":{"type":"integer"},
        "tags":{"type":"array","items":{"enum":["a","b\"c",3]},"maxItems":3},"score":{"type":"number"}},
        "required":["name","tags"],"additionalProperties":false})",
      R"({"$defs":{"t":{"type":"object","properties":{"v":{"anyOf":[{"type":"null"},{"type":"boolean"}]},
        "kids":{"type":"array","items":{"$ref":"#/$defs/t"},"maxItems":2}},"required":["v"],"additionalProperties":false}},"$ref":"#/$defs/t"})",
  };
  for (const std::string& schema : schemas) {
    const Json parsed_schema = Json::parse(schema);
    const auto grammar = Compile(schema);
    ASSERT_NE(grammar, nullptr);
    int finished = 0;
    for (uint64_t seed = 0; seed < 300; ++seed) {
      Matcher matcher(grammar);
      std::string text;
      for (uint64_t step = 0; step < 4000 && !matcher.CanEnd(); ++step) {
        std::vector<char> choices;
        for (int b = 0; b < 256; ++b) {
          const char c = static_cast<char>(b);
          // White space is left out of most walks, else they drown in it.
          if ((c == ' ' || c == '\n' || c == '\t') && seed % 4 != 0) continue;
          if (matcher.Admits(std::string_view(&c, 1))) choices.push_back(c);
        }
        ASSERT_FALSE(choices.empty()) << text;
        const char c = choices[static_cast<size_t>(UniformAt(seed, step) * choices.size())];
        matcher.Accept(std::string_view(&c, 1));
        text.push_back(c);
      }
      if (!matcher.CanEnd()) continue;
      ++finished;
      const Json value = Json::parse(text, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << text;
      EXPECT_TRUE(Valid(parsed_schema, value, parsed_schema)) << text;
    }
    EXPECT_GT(finished, 100);
  }
}

}  // namespace
}  // namespace weir::generate
