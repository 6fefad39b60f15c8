// Renders equal Jinja2's on the templates of real models, on styles of public ones and on one
// feature each (tests/data/templates); hostile templates end in an error, soon.
#include "model/chat_template.h"

#include <gtest/gtest.h>

#include <ctime>
#include <fstream>
#include <iterator>

#include "nlohmann/json.hpp"

namespace weir::model {
namespace {

using Json = nlohmann::json;

absl::StatusOr<std::string> Render(std::string_view source, const TemplateLimits& limits = {},
                                   const std::vector<text::ChatMessage>& messages = {
                                       {"user", "hi"}}) {
  auto compiled = ChatTemplate::Compile(source, limits);
  if (!compiled.ok()) return compiled.status();
  return compiled->Render(messages, true, "<s>", "</s>");
}

TEST(ChatTemplate, EqualsJinja) {
  std::ifstream in(WEIR_SOURCE_DIR "/tests/data/templates/goldens.json");
  const Json goldens = Json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
  int renders = 0;
  for (const Json& one : goldens["cases"]) {
    SCOPED_TRACE(one["name"].dump() + one["source"].dump().substr(0, 300));
    auto compiled = ChatTemplate::Compile(one["source"].get<std::string>());
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    for (const Json& render : one["renders"]) {
      std::vector<text::ChatMessage> messages;
      for (const Json& m : goldens["chats"][render["chat"].get<size_t>()]) {
        messages.push_back({m["role"], m["content"]});
      }
      const auto text = compiled->Render(messages, render["prompt"].get<bool>(), "<s>", "</s>");
      ++renders;
      if (render["text"].is_null()) {
        EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument) << text.status();
        continue;
      }
      ASSERT_TRUE(text.ok()) << text.status() << " chat " << render["chat"];
      EXPECT_EQ(*text, render["text"].get<std::string>()) << "chat " << render["chat"];
    }
  }
  EXPECT_GE(renders, 400);
}

struct Hostile {
  const char* name;
  std::string source;
  absl::StatusCode code;
};

std::string Repeat(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

// long: a table of cases
std::vector<Hostile> HostileTemplates() {
  using enum absl::StatusCode;
  const std::string doubling = "{% set ns = namespace(s='x') %}{% for i in range(200) %}";
  return {
      {"endless product", "{{ 'x' * 1000000000000 }}", kResourceExhausted},
      {"product that overflows", "{{ 'xx' * 9223372036854775807 }}", kResourceExhausted},
      {"list product", "{{ [1] * 100000000 }}", kResourceExhausted},
      {"list of lists", "{{ ([[1]] * 1000) * 100000 }}", kResourceExhausted},
      {"range bomb", "{% for i in range(100000000000) %}x{% endfor %}", kResourceExhausted},
      {"range down", "{{ range(0, -9223372036854775807, -1) }}", kResourceExhausted},
      {"nested ranges", Repeat("{% for i in range(99999) %}", 5) + "x" + Repeat("{% endfor %}", 5),
       kResourceExhausted},
      {"doubling string", doubling + "{% set ns.s = ns.s + ns.s %}{% endfor %}",
       kResourceExhausted},
      {"doubling by tilde", doubling + "{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
       kResourceExhausted},
      {"doubling list", doubling + "{% set ns.s = [ns.s, ns.s] %}{% endfor %}", kResourceExhausted},
      {"doubling dict", doubling + "{% set ns.s = {'a': ns.s, 'b': ns.s} %}{% endfor %}",
       kResourceExhausted},
      {"nesting list",
       "{% set ns = namespace(s=1) %}{% for i in range(90000) %}{% set ns.s = [ns.s] %}{% endfor "
       "%}",
       kResourceExhausted},
      {"replace bomb", "{% set a = 'x' * 100000 %}{{ a.replace('x', a) }}", kResourceExhausted},
      {"replace of nothing", "{% set a = 'x' * 100000 %}{{ a.replace('', a) }}",
       kResourceExhausted},
      {"join bomb", "{% set a = 'x' * 1000000 %}{{ range(1000)|join(a) }}", kResourceExhausted},
      {"indent bomb", "{{ ('\\n' * 1000000)|indent(1000) }}", kResourceExhausted},
      {"output bomb", "{% set a = 'x' * 1000000 %}{% for i in range(100) %}{{ a }}{% endfor %}",
       kResourceExhausted},
      {"endless macro", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", kResourceExhausted},
      {"two macros", "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
       kResourceExhausted},
      {"deep brackets", "{{ " + Repeat("(", 100000) + "1" + Repeat(")", 100000) + " }}",
       kResourceExhausted},
      {"deep lists", "{{ " + Repeat("[", 100000) + Repeat("]", 100000) + " }}", kResourceExhausted},
      {"deep nots", "{{ " + Repeat("not ", 100000) + "1 }}", kResourceExhausted},
      {"deep signs", "{{ " + Repeat("-", 100000) + "1 }}", kResourceExhausted},
      {"deep ifs", Repeat("{% if 1 %}", 50000), kResourceExhausted},
      {"deep conditionals", "{{ " + Repeat("1 if 0 else ", 50000) + "1 }}", kResourceExhausted},
      {"deep subscripts", "{{ a" + Repeat("[a", 50000) + Repeat("]", 50000) + " }}",
       kResourceExhausted},
      {"integer overflow", "{{ 9223372036854775807 + 1 }}", kResourceExhausted},
      {"integer product", "{{ 9223372036854775807 * 2 }}", kResourceExhausted},
      {"lowest by minus one", "{{ (-9223372036854775807 - 1) // -1 }}", kResourceExhausted},
      {"division by zero", "{{ 1 // 0 }}{{ 1 % 0 }}", kDataLoss},
      {"huge integer", "{{ 99999999999999999999 }}", kDataLoss},
      {"class attribute", "{{ ''.__class__ }}", kUnimplemented},
      {"class item", "{{ ''['__class__']['__mro__'] }}", kUnimplemented},
      {"globals of a function", "{{ range.__globals__ }}", kUnimplemented},
      {"subclasses", "{{ messages.__class__.__base__.__subclasses__() }}", kUnimplemented},
      {"attr filter", "{{ ''|attr('__class__') }}", kUnimplemented},
      {"map by attribute", "{{ ['a']|map(attribute='__class__')|list }}", kUnimplemented},
      {"format method", "{{ '{0.__class__}'.format(1) }}", kUnimplemented},
      {"include", "{% include '/etc/passwd' %}", kUnimplemented},
      {"import", "{% import 'os' as os %}", kUnimplemented},
      {"extends", "{% extends 'x' %}", kUnimplemented},
      {"clock", "{{ strftime_now('%Y') }}", kUnimplemented},
      {"unknown filter", "{{ 1|pprint }}", kUnimplemented},
      {"unknown test", "{{ 1 is prime }}", kUnimplemented},
      {"unpacking", "{{ range(*[1]) }}", kUnimplemented},
      {"namespace in a list", "{% set ns = namespace() %}{% set ns.x = [ns] %}", kDataLoss},
      {"namespace in itself", "{% set ns = namespace() %}{% set ns.x = ns %}", kDataLoss},
      {"missing attribute", "{{ nothing.at.all }}", kDataLoss},
      {"call of a string", "{{ 'x'() }}", kDataLoss},
      {"text and number", "{{ 'x' + 1 }}", kDataLoss},
      {"unclosed output", "{{ 'x'", kDataLoss},
      {"unclosed string", "{{ 'x }}", kDataLoss},
      {"unclosed comment", "{# x", kDataLoss},
      {"unclosed raw", "{% raw %}x", kDataLoss},
      {"unclosed if", "{% if 1 %}x", kDataLoss},
      {"stray end", "x{% endif %}", kDataLoss},
      {"stray else", "{% else %}", kDataLoss},
      {"break outside", "{% break %}", kDataLoss},
      {"unbalanced", "{{ (1] }}", kDataLoss},
      {"bad escape", "{{ '\\xZZ' }}", kDataLoss},
      {"empty output", "{{ }}", kDataLoss},
      {"not UTF-8", "\xFF", kDataLoss},
      {"raise", "{{ raise_exception('no') }}", kInvalidArgument},
  };
}

TEST(ChatTemplate, HostileTemplatesEndInAnError) {
  for (const Hostile& hostile : HostileTemplates()) {
    const auto start = std::clock();
    const auto text = Render(hostile.source);
    EXPECT_EQ(text.status().code(), hostile.code) << hostile.name << ": " << text.status();
    EXPECT_LT(std::clock() - start, 10 * CLOCKS_PER_SEC) << hostile.name;
  }
}

TEST(ChatTemplate, LongChainsAreNoNesting) {
  EXPECT_EQ(Render("{{ 0" + Repeat(" + 1", 20000) + " }}").value_or("?"), "20000");
  EXPECT_EQ(Render("{{ 'x'" + Repeat("|upper", 20000) + " }}").value_or("?"), "X");
  EXPECT_EQ(Render(Repeat("{% if 0 %}a{% endif %}", 20000)).value_or("?"), "");
  EXPECT_EQ(
      Render("{% if 0 %}" + Repeat("{% elif 0 %}", 20000) + "{% else %}y{% endif %}").value_or("?"),
      "y");
}

TEST(ChatTemplate, LimitsAreTheCallers) {
  TemplateLimits limits;
  limits.output_bytes = 10;
  EXPECT_EQ(Render("{{ 'x' * 10 }}", limits).value_or("?"), "xxxxxxxxxx");
  EXPECT_EQ(Render("{{ 'x' * 11 }}", limits).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Render("{% for i in range(11) %}x{% endfor %}", limits).status().code(),
            absl::StatusCode::kResourceExhausted);
  limits = {};
  limits.steps = 100;
  EXPECT_EQ(Render("{% for i in range(99) %}{% endfor %}", limits).status().code(),
            absl::StatusCode::kResourceExhausted);
  limits = {};
  limits.source_bytes = 3;
  EXPECT_EQ(Render("abcd", limits).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(ChatTemplate, MessagesAreDataOnly) {
  const std::vector<text::ChatMessage> messages = {{"user", "{{ 7 * 7 }}{% for %}"},
                                                   {"u\xFF", "\xC3"}};
  EXPECT_EQ(Render("{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}", {}, messages)
                .value_or("?"),
            "user:{{ 7 * 7 }}{% for %};u\xEF\xBF\xBD:\xEF\xBF\xBD;");
}

}  // namespace
}  // namespace weir::model
