#include "base/options.h"

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct SampleOptions {
  bool dedupe = true;
  int64_t top_k = 10;
  double weight = 0.5;
  std::string fuse = "convex";
  std::vector<std::string> tags;
  std::string note = "plain";

  template <class V>
  void Visit(V& v) {
    v(dedupe, {.name = "dedupe", .help = "Drops repeated passages."});
    v(top_k, {.name = "top-k", .help = "How many hits.", .unit = "hits", .min = 1, .max = 1000});
    v(weight, {.name = "weight", .help = "Weight of the dense score.", .min = 0, .max = 1});
    v(fuse, {.name = "fuse", .help = "How lists are fused.", .choices = {"rrf", "convex", "none"}});
    v(tags, {.name = "tags", .help = "Tags to keep."});
    v(note, {.name = "note", .help = "Free text.", .fingerprint = false});
  }
  bool operator==(const SampleOptions&) const = default;
};

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(Options, DefaultIsWhatTheMemberHeld) {
  SampleOptions options;
  options.top_k = 7;
  OptionTable table = BindOptions(options);
  ASSERT_EQ(table.fields().size(), 6u);
  EXPECT_EQ(table.Find("top-k")->default_text(), "7");
  EXPECT_EQ(table.Find("weight")->default_text(), "0.5");
  EXPECT_EQ(table.Find("dedupe")->default_text(), "true");
  ASSERT_TRUE(table.Set("top-k", "8").ok());
  EXPECT_EQ(options.top_k, 8);
  EXPECT_EQ(table.Find("top-k")->default_text(), "7");
}

TEST(Options, TypesHaveNames) {
  SampleOptions options;
  const OptionTable table = BindOptions(options);
  std::vector<std::string_view> names;
  for (const OptionField& field : table.fields()) names.push_back(field.type_name());
  EXPECT_THAT(names, ElementsAre("bool", "integer", "number", "string", "list", "string"));
}

// Text to struct to text and back again, over random values of every type.
TEST(Options, RoundTrip) {
  std::mt19937_64 random(1);
  const std::string alphabet = "ab,\\e;= \"\n\xC3\xA9";
  for (int round = 0; round < 2000; ++round) {
    SampleOptions options;
    options.dedupe = random() % 2;
    options.top_k = 1 + static_cast<int64_t>(random() % 1000);
    options.weight = std::ldexp(static_cast<double>(random() >> 11), -53);
    options.fuse = std::vector<std::string>{"rrf", "convex", "none"}[random() % 3];
    for (uint64_t i = random() % 4; i > 0; --i) {
      std::string item;
      for (uint64_t j = random() % 5; j > 0; --j) item += alphabet[random() % alphabet.size()];
      options.tags.push_back(item);
      options.note += item;
    }
    OptionTable from = BindOptions(options);
    SampleOptions copy;
    OptionTable to = BindOptions(copy);
    for (const OptionField& field : from.fields()) {
      ASSERT_TRUE(to.Set(field.spec().name, field.Get()).ok()) << field.Get();
    }
    ASSERT_EQ(options, copy);
    ASSERT_EQ(from.Fingerprint(), to.Fingerprint());
    const absl::StatusOr<SampleOptions> read = ReadOptions<SampleOptions>(from);
    ASSERT_TRUE(read.ok());
    ASSERT_EQ(*read, options);
  }
}

TEST(Options, ListTextTellsNoneFromOneEmpty) {
  EXPECT_EQ(ListText({}), "");
  EXPECT_EQ(ListText({""}), "\\e");
  EXPECT_THAT(ParseList("a,b c,"), ElementsAre("a", "b c", ""));
  EXPECT_THAT(ParseList("a\\,b,\\\\,\\x"), ElementsAre("a,b", "\\", "\\x"));
  EXPECT_TRUE(ParseList("").empty());
}

TEST(Options, RangesAndTypesAreChecked) {
  SampleOptions options;
  OptionTable table = BindOptions(options);
  for (const char* bad : {"0", "1001", "ten", "", "1.5", "99999999999999999999"}) {
    const absl::Status status = table.Set("top-k", bad);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(Message(status), AllOf(HasSubstr("option top-k"), HasSubstr("from 1 to 1000")));
  }
  for (const char* bad : {"-0.1", "1.1", "nan", "inf", "x"}) {
    EXPECT_FALSE(table.Set("weight", bad).ok()) << bad;
  }
  for (const char* bad : {"maybe", "", "2"}) EXPECT_FALSE(table.Set("dedupe", bad).ok()) << bad;
  EXPECT_EQ(options, SampleOptions());  // a refused value changes nothing
  for (const char* good : {"1", "1000", " 5 "}) EXPECT_TRUE(table.Set("top-k", good).ok()) << good;
  EXPECT_TRUE(table.Set("weight", "1").ok());
  EXPECT_TRUE(table.Set("dedupe", "off").ok());
  EXPECT_FALSE(options.dedupe);
}

TEST(Options, ChoicesAreChecked) {
  SampleOptions options;
  OptionTable table = BindOptions(options);
  EXPECT_TRUE(table.Set("fuse", "rrf").ok());
  const absl::Status status = table.Set("fuse", "rff");
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr("rrf, convex, none"), HasSubstr("did you mean \"rrf\"?")));
}

TEST(Options, UnknownNamesGetTheNearest) {
  SampleOptions options;
  OptionTable table = BindOptions(options);
  EXPECT_EQ(Message(table.Set("topk", "1")), "option topk: unknown; did you mean \"top-k\"?");
  EXPECT_EQ(Message(table.Set("quantise", "1")), "option quantise: unknown");
}

TEST(Options, NearestName) {
  const std::vector<std::string> names = {"search", "ask", "index", "serve"};
  EXPECT_EQ(NearestName("serach", names), "search");
  EXPECT_EQ(NearestName("idnex", names), "index");
  EXPECT_EQ(NearestName("as", names), "ask");
  EXPECT_EQ(NearestName("zzz", names), "");
  EXPECT_EQ(NearestName("", names), "");
  EXPECT_EQ(NearestName(std::string(1000, 'a'), names), "");
}

TEST(Options, SchemaNamesEveryProperty) {
  SampleOptions options;
  OptionTable table = BindOptions(options);
  const auto schema = nlohmann::json::parse(table.JsonSchema());
  EXPECT_EQ(schema["top-k"], nlohmann::json::parse(R"({"type":"integer","default":10,"minimum":1,
      "maximum":1000,"unit":"hits","description":"How many hits."})"));
  EXPECT_EQ(schema["dedupe"]["type"], "boolean");
  EXPECT_EQ(schema["dedupe"]["default"], true);
  EXPECT_EQ(schema["fuse"]["enum"], nlohmann::json({"rrf", "convex", "none"}));
  EXPECT_EQ(schema["tags"]["items"]["type"], "string");
  EXPECT_EQ(schema["tags"]["default"], nlohmann::json::array());
  EXPECT_EQ(schema.size(), table.fields().size());
}

TEST(Options, FingerprintIsSortedAndLeavesOutWhatDoesNotMatter) {
  SampleOptions options;
  OptionTable table = BindOptions(options);
  const std::string before = table.Fingerprint();
  EXPECT_EQ(before, "dedupe=true;fuse=convex;tags=;top-k=10;weight=0.5");
  ASSERT_TRUE(table.Set("note", "other").ok());
  EXPECT_EQ(table.Fingerprint(), before);
  ASSERT_TRUE(table.Set("tags", "a;b").ok());
  EXPECT_THAT(table.Fingerprint(), HasSubstr("tags=a\\;b;top-k"));
}

TEST(Options, OwnedTablesOutliveTheirMaker) {
  OptionTable both = OwnedOptions<SampleOptions>();
  {
    OptionTable other = OwnedOptions<SampleOptions>();
    both.Append(std::move(other));
  }
  EXPECT_EQ(both.fields().size(), 12u);
  EXPECT_TRUE(both.fields()[7].Set("44").ok());
  EXPECT_EQ(both.fields()[7].Get(), "44");
  EXPECT_EQ(both.fields()[1].Get(), "10");
}

TEST(OptionsToml, SetsASection) {
  SampleOptions options;
  OptionTable table = BindOptions(options);
  const char* text =
      "[ask]\nplanner = 'x'\n[search]\ntop-k = 25\nweight = 1\ndedupe = false\n"
      "fuse = \"rrf\"\ntags = [\"a,b\", \"c\"]\n";
  ASSERT_TRUE(ApplyToml("weir.toml", text, "search", table).ok());
  EXPECT_EQ(options.top_k, 25);
  EXPECT_EQ(options.weight, 1);
  EXPECT_FALSE(options.dedupe);
  EXPECT_EQ(options.fuse, "rrf");
  EXPECT_THAT(options.tags, ElementsAre("a,b", "c"));
  EXPECT_TRUE(ApplyToml("weir.toml", text, "index", table).ok());  // no such section
  EXPECT_TRUE(ApplyToml("weir.toml", "[search.more]\nx = 1\n[search]\n", "search", table).ok());
}

TEST(OptionsToml, ErrorsNameFileAndLine) {
  SampleOptions options;
  OptionTable table = BindOptions(options);
  const auto error = [&](const char* text, const char* section = "search") {
    const absl::Status status = ApplyToml("a/weir.toml", text, section, table);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return Message(status);
  };
  EXPECT_EQ(error("[search]\ntop-k = 1\ntopk = 2\n"),
            "a/weir.toml:3: option topk: unknown; did you mean \"top-k\"?");
  EXPECT_THAT(error("[search]\n\ntop-k = 0\n"), HasSubstr("a/weir.toml:3: option top-k: \"0\""));
  EXPECT_EQ(error("[search]\ntop-k = '5'\n"),
            "a/weir.toml:2: option top-k: expected a value of type integer");
  EXPECT_THAT(error("[search]\ntags = [1]\n"), HasSubstr("a list of strings"));
  EXPECT_THAT(error("[search\n"), HasSubstr("a/weir.toml:1: "));
  EXPECT_THAT(error("search = 1\n"), HasSubstr("expected a section [search]"));
  EXPECT_THAT(error("top-q = 1\n[search]\n", ""), HasSubstr("a/weir.toml:1: option top-q"));
}

TEST(OptionsToml, UnknownSections) {
  const std::vector<std::string> known = {"search", "ask"};
  EXPECT_TRUE(CheckTomlSections("w", "store = 'x'\n[ask]\n", known).ok());
  EXPECT_EQ(Message(CheckTomlSections("w", "\n[serach]\n", known)),
            "w:2: section [serach]: unknown; did you mean \"search\"?");
  EXPECT_TRUE(CheckTomlSections("w", "[model.add]\n", {"model.add"}).ok());
  EXPECT_EQ(Message(CheckTomlSections("w", "[model.ad]\n", {"model.add"})),
            "w:1: section [model.ad]: unknown; did you mean \"model.add\"?");
}

TEST(OptionsJson, RoundTripAndStrictTypes) {
  SampleOptions options;
  OptionTable table = BindOptions(options);
  ASSERT_TRUE(
      ApplyJson(R"({"top-k": 3, "weight": 0.25, "tags": ["x"], "dedupe": false})", table).ok());
  EXPECT_EQ(options.top_k, 3);
  EXPECT_EQ(options.weight, 0.25);
  SampleOptions copy;
  OptionTable other = BindOptions(copy);
  ASSERT_TRUE(ApplyJson(table.JsonValues(), other).ok());
  EXPECT_EQ(options, copy);
  for (const char* bad : {"", "[]", "{", R"({"top-k":"3"})", R"({"top-k":1.5})", R"({"topk":3})",
                          R"({"tags":[1]})", R"({"dedupe":1})", R"({"top-k":5000})"}) {
    EXPECT_EQ(ApplyJson(bad, table).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(OptionsEnvironment, VariablesAreNamedAfterOptions) {
  EXPECT_EQ(EnvironmentName("top-k"), "WEIR_TOP_K");
  SampleOptions options;
  OptionTable table = BindOptions(options);
  ::setenv("WEIR_TOP_K", "77", 1);
  ::setenv("WEIR_FUSE", "", 1);  // as good as unset
  EXPECT_TRUE(ApplyEnvironment(table).ok());
  EXPECT_EQ(options.top_k, 77);
  EXPECT_EQ(options.fuse, "convex");
  ::setenv("WEIR_TOP_K", "many", 1);
  EXPECT_THAT(Message(ApplyEnvironment(table)), HasSubstr("WEIR_TOP_K: option top-k: \"many\""));
  ::unsetenv("WEIR_TOP_K");
  ::unsetenv("WEIR_FUSE");
}

}  // namespace
}  // namespace weir
