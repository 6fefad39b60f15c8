#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "text/analysis.h"
#include "text/detect.h"
#include "text/language.h"
#include "text/unicode.h"

namespace weir::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<Token> Tokens(std::string_view analyzer, std::string_view text) {
  auto made = Analyzer::Make(analyzer);
  EXPECT_TRUE(made.ok()) << made.status();
  std::vector<Token> out;
  if (made.ok()) (*made)->Analyze(text, out);
  return out;
}

std::vector<std::string> Terms(std::string_view analyzer, std::string_view text) {
  std::vector<std::string> out;
  for (const Token& t : Tokens(analyzer, text)) out.push_back(t.term);
  return out;
}

TEST(Languages, SortedWithDistinctNamesAndCodes) {
  std::set<std::string_view> codes;
  std::string_view last;
  for (const Language& language : Languages()) {
    EXPECT_LT(last, language.name);
    last = language.name;
    EXPECT_EQ(FindLanguage(language.name), &language);
    if (!language.codes.empty()) EXPECT_TRUE(codes.insert(language.codes).second);
    EXPECT_TRUE(Analyzer::Make(language.name).ok()) << language.name;
  }
  EXPECT_EQ(FindLanguage("pl")->name, "polish");
  EXPECT_EQ(FindLanguage("ja")->name, "cjk");
  EXPECT_EQ(FindLanguage("tlh"), nullptr);
}

TEST(Languages, UnknownNamesAndVariantsAreRefused) {
  const absl::Status near = Analyzer::Make("polsh").status();
  EXPECT_EQ(near.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(near.message()), HasSubstr("did you mean polish"));
  for (const char* name : {"english:x", "code:x", "cjk:x", "thai:x", "polish:x", ""}) {
    EXPECT_EQ(Analyzer::Make(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

TEST(Languages, StemsAndStopWords) {
  EXPECT_THAT(Terms("german", "Die H\u00e4user der Stra\u00dfen"), ElementsAre("haus", "strass"));
  EXPECT_THAT(Terms("french", "L\u2019avion et les chevaux qu'elle"),
              ElementsAre("avion", "cheval"));
  EXPECT_THAT(Terms("italian", "dell'universit\u00e0"), ElementsAre("univers"));
  EXPECT_EQ(Terms("russian", "\u043a\u043d\u0438\u0433\u0430"),
            Terms("russian", "\u043a\u043d\u0438\u0433\u0438"));
  // both kinds of i, and the suffixes behind an apostrophe
  EXPECT_EQ(Terms("turkish", "I\u015eIK \u0130stanbul'da"),
            Terms("turkish", "\u0131\u015f\u0131k istanbul"));
}

TEST(Languages, ChineseInPairs) {
  const auto tokens = Tokens("cjk", "\u6771\u4eac\u90fd ABC");
  std::vector<std::string> terms;
  for (const Token& t : tokens) terms.push_back(t.term);
  EXPECT_THAT(terms,
              ElementsAre("\u6771", "\u4eac", "\u6771\u4eac", "\u90fd", "\u4eac\u90fd", "abc"));
  EXPECT_EQ(tokens[1].position, tokens[2].position);
  EXPECT_EQ(tokens[2].span.start, 0);
  EXPECT_EQ(tokens[2].span.end, 6);
  EXPECT_THAT(Terms("cjk", "\u6771 \u4eac"), ElementsAre("\u6771", "\u4eac"));
  // a word of three syllables, whole and in pairs
  EXPECT_EQ(Terms("cjk", "\ud55c\uad6d\uc5b4").size(), 3);
}

TEST(Languages, ThaiIsCutIntoWords) {
  EXPECT_THAT(Terms("thai", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22 Thai"),
              ElementsAre("\u0e20\u0e32\u0e29\u0e32", "\u0e44\u0e17\u0e22", "thai"));
}

TEST(Code, IdentifiersWholeAndInParts) {
  EXPECT_THAT(Terms("code", "fooBarHTTP2"), ElementsAre("foobarhttp2", "foo", "bar", "http", "2"));
  EXPECT_THAT(Terms("code", "HTTPServer"), ElementsAre("httpserver", "http", "server"));
  EXPECT_THAT(Terms("code", "__snake_case_name__"),
              ElementsAre("snake_case_name", "snake", "case", "name"));
  EXPECT_THAT(Terms("code", "SCREAMING_CASE x1"),
              ElementsAre("screaming_case", "scream", "case", "x1", "x", "1"));
  EXPECT_THAT(Terms("code", "\u00e9t\u00e9Num\u00e9ro"),
              ElementsAre("\u00e9t\u00e9num\u00e9ro", "\u00e9t\u00e9", "num\u00e9ro"));
  EXPECT_THAT(Terms("code", "3.14"), ElementsAre("3.14", "3", "14"));
  EXPECT_THAT(Terms("code", "___ _"), ElementsAre());
  const auto tokens = Tokens("code", "getName the value");
  ASSERT_EQ(tokens.size(), 4);
  EXPECT_EQ(tokens[0].position, tokens[2].position);
  EXPECT_EQ(tokens[0].weight, 1);
  EXPECT_LT(tokens[1].weight, 1);
  EXPECT_EQ(tokens[3].position, 2) << "the stop word keeps its place";
}

TEST(Code, JoinedWordsAndOperators) {
  EXPECT_THAT(Terms("code", "x->size(n) <<= 2"),
              ElementsAre("x", "->", "size", "x size", "n", "size n", "<<=", "2"));
  // white space or a sentence's punctuation joins nothing
  EXPECT_THAT(Terms("code", "sorts lists. Returns one, copied"),
              ElementsAre("sort", "list", "return", "on", "copi"));
  EXPECT_THAT(Terms("code", "x ------- y"), ElementsAre("x", "y"));
}

TEST(Detect, Languages) {
  EXPECT_EQ(
      DetectLanguage("The weir holds the water of the river back, and that is what it is for."),
      "english");
  EXPECT_EQ(DetectLanguage(
                "W starym zamku nad rzek\u0105 mieszka\u0142a kiedy\u015b ksi\u0119\u017cniczka."),
            "polish");
  EXPECT_EQ(
      DetectLanguage("Das Wehr h\u00e4lt das Wasser des Flusses zur\u00fcck und lenkt es um."),
      "german");
  EXPECT_EQ(
      DetectLanguage("\u041f\u043b\u043e\u0442\u0438\u043d\u0430 \u0443\u0434\u0435\u0440\u0436"
                     "\u0438\u0432\u0430\u0435\u0442 \u0432\u043e\u0434\u0443 \u0440\u0435\u043a"
                     "\u0438 \u0432 \u0433\u043e\u0440\u043e\u0434\u0435."),
      "russian");
  // recognised, without an entry of its own
  EXPECT_EQ(DetectLanguage("Star\u00fd mlyn\u00e1\u0159 postavil jez p\u0159es \u0159eku a voda, "
                           "kter\u00e1 se za n\u00edm zadr\u017eela, ot\u00e1\u010dela kola "
                           "v\u0161ech ml\u00fdn\u016f ve vesnici."),
            "plain");
  EXPECT_EQ(DetectLanguage("kota"), "") << "too short";
  EXPECT_EQ(DetectLanguage("12345 67890 +++ 2.71828 3.14159"), "");
}

TEST(Detect, ShortPassagesFollowTheirDocument) {
  const std::vector<std::string_view> passages = {
      "W starym zamku nad rzek\u0105 mieszka\u0142a kiedy\u015b ksi\u0119\u017cniczka, kt\u00f3ra "
      "lubi\u0142a czyta\u0107 ksi\u0105\u017cki.",
      "Tabela 3",
      "The weir holds the water of the river back, and that is what it is for."};
  EXPECT_THAT(DetectLanguages(passages, "english"), ElementsAre("polish", "polish", "english"));
  EXPECT_THAT(DetectLanguages(std::vector<std::string_view>{"7"}, "german"),
              ElementsAre("german"));
}

// Whatever the text: spans lie in it on character boundaries and ascend, positions ascend, terms of
// a position differ, and the same text gives the same tokens again.
TEST(Languages, ContractsOnRandomText) {
  const std::vector<std::string> parts = {
      "a",      "Bc",     "9",      ".",      "'",      "_",          " ",      "-",      "\u00e9",
      "\u0301", "\u2019", "\u0416", "\u0430", "\u6771", "\u4eac",     "\u3072", "\uac00", "\ub098",
      "\ub2e4", "\u0e44", "\u0e17", "\u0e22", "->",     "\U0001F600", "z\u0142", "nie",   "I",
      "\u0130", "\n",     "(",      "getX",   "l'",     "\ufb01",     "==",     "\u0627", "\u0915"};
  std::mt19937 random(7);
  for (const Language& language : Languages()) {
    const auto analyzer = *Analyzer::Make(language.name);
    std::vector<Token> tokens, again;
    for (int round = 0; round < 150; ++round) {
      std::string text;
      for (int n = static_cast<int>(random() % 40); n > 0; --n)
        text += parts[random() % parts.size()];
      analyzer->Analyze(text, tokens);
      std::set<std::string> here;
      int32_t position = -1;
      for (const Token& t : tokens) {
        ASSERT_GE(t.position, position) << language.name << ": " << text;
        if (t.position != position) here.clear();
        position = t.position;
        ASSERT_TRUE(here.insert(t.term).second) << language.name << ": " << text << " " << t.term;
        ASSERT_FALSE(t.term.empty());
        ASSERT_TRUE(IsValidUtf8(t.term)) << language.name << ": " << text;
        ASSERT_GE(t.span.start, 0);
        ASSERT_LT(t.span.start, t.span.end);
        ASSERT_LE(t.span.end, static_cast<int64_t>(text.size()));
        ASSERT_TRUE(IsValidUtf8(text.substr(t.span.start, t.span.size())));
        ASSERT_GT(t.weight, 0);
        ASSERT_LE(t.weight, 1);
      }
      analyzer->Analyze(text, again);
      ASSERT_EQ(again.size(), tokens.size());
    }
  }
}

}  // namespace
}  // namespace weir::text
