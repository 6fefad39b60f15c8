// Marks and snippets: what matches by the analyser is marked, bounds fit characters, the snippet
// shows the most.
#include "index/lexical/highlight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "text/unicode.h"

namespace weir::index {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Marked(const std::string& query, const std::string& text,
                                const char* language = "english") {
  const auto analyzer = *text::Analyzer::Make(language);
  text::Analyzer* const one = analyzer.get();
  std::vector<std::string> out;
  for (const text::Span& mark : Highlighter(query, {&one, 1}).Mark(text).marks)
    out.push_back(text.substr(mark.start, mark.size()));
  return out;
}

TEST(Highlighter, StemsAndPhrases) {
  EXPECT_THAT(Marked("weirs flowing", "The WEIR flows; weirdly."), ElementsAre("WEIR", "flows"));
  EXPECT_THAT(Marked("\"low weir\"", "A low weir, low gates, the weir; Low Weirs."),
              ElementsAre("low weir", "Low Weirs"));
  EXPECT_THAT(Marked("\"gate of iron\"", "gates of iron, gate iron"),
              ElementsAre("gates of iron"));  // a stop word keeps its place
  EXPECT_THAT(Marked("\"weir low\"~2", "low old weir, low gates at last weir"),
              ElementsAre("low", "weir"));
  EXPECT_THAT(Marked("\"low weir\" low", "a low weir, low"), ElementsAre("low weir", "low"));
  EXPECT_THAT(Marked("+weir -gate mill", "gate weir mill"), ElementsAre("weir", "mill"));
  EXPECT_THAT(Marked("the of", "the mill of it"), IsEmpty());
}

TEST(Highlighter, Scripts) {
  EXPECT_THAT(Marked("\u00E9cluse", "L'\u00C9cluse et l'\u00E9cluse.", "french"),
              ElementsAre("L'\u00C9cluse", "l'\u00E9cluse"));
  // Ideographs are found by pairs; those that overlap are one mark.
  EXPECT_THAT(Marked("\u6C34\u8ECA\u5C0F\u5C4B", "\u53E4\u3044\u6C34\u8ECA\u5C0F\u5C4B\u3067\u3059",
                     "cjk"),
              ElementsAre("\u6C34\u8ECA\u5C0F\u5C4B"));
  // e with an accent of its own is one character, and found by the composed one.
  EXPECT_THAT(Marked("caf\u00E9", "un cafe\u0301 noir", "plain"), ElementsAre("cafe\u0301"));
}

TEST(Highlighter, SnippetShowsTheMost) {
  std::string text;
  for (int i = 0; i < 40; ++i) absl::StrAppend(&text, "The weir number ", i, " is old. ");
  const std::string best = "The mill has a weir and a wheel of oak.";
  text.insert(text.find("The weir number 30"), best + " ");
  const auto analyzer = *text::Analyzer::Make("english");
  text::Analyzer* const one = analyzer.get();
  const Highlights found = Highlighter("weir wheel mill", {&one, 1}).Mark(text);
  const std::string shown = text.substr(found.snippet.start, found.snippet.size());
  EXPECT_THAT(shown, HasSubstr(best));
  EXPECT_LE(shown.size(), kSnippetBytes);
  EXPECT_TRUE(shown.starts_with("The ")) << shown;  // at the beginning of a sentence
  EXPECT_EQ(text[found.snippet.end], ' ');
  const Highlights none = Highlighter("nothing", {&one, 1}).Mark(text);
  EXPECT_EQ(none.snippet.start, 0);
  EXPECT_THAT(none.marks, IsEmpty());
  EXPECT_EQ(Highlighter("weir", {&one, 1}).Mark("").snippet.end, 0);
}

// Any text, any query: ordered marks within the text, all bounds where characters begin.
TEST(Highlighter, BoundsFitCharacters) {
  std::mt19937 random(1);
  const std::vector<std::string> pieces = {"a",
                                           "weir",
                                           " ",
                                           ".",
                                           "\n",
                                           "e\u0301",
                                           "\u6C34",
                                           "\u8ECA",
                                           "\u0E19\u0E49\u0E33",
                                           "\U0001F469\u200D\U0001F4BB",
                                           "\u0301",
                                           "\u00DF",
                                           "\"",
                                           "-",
                                           "\u0928\u0926\u0940",
                                           "\u0643"};
  const auto some = [&](size_t n) {
    std::string out;
    for (size_t i = 0; i < n; ++i) out += pieces[random() % pieces.size()];
    return out;
  };
  for (const char* language : {"english", "plain", "cjk", "thai", "code", "arabic"}) {
    const auto made = text::Analyzer::Make(language);
    if (!made.ok()) continue;
    text::Analyzer* const one = made->get();
    for (int round = 0; round < 200; ++round) {
      const std::string text = some(random() % 300), query = some(random() % 8);
      const Highlights found = Highlighter(query, {&one, 1}).Mark(text);
      const auto fits = [&](int64_t at) {
        return at >= 0 && at <= static_cast<int64_t>(text.size()) &&
               (at == static_cast<int64_t>(text.size()) || (text[at] & 0xC0) != 0x80);
      };
      ASSERT_TRUE(fits(found.snippet.start) && fits(found.snippet.end));
      ASSERT_LE(found.snippet.start, found.snippet.end);
      ASSERT_TRUE(text::BeginsCharacter(text, static_cast<size_t>(found.snippet.end)));
      int64_t last = -1;
      for (const text::Span& mark : found.marks) {
        ASSERT_GT(mark.start, last);
        ASSERT_GT(mark.end, mark.start);
        ASSERT_TRUE(fits(mark.start) && fits(mark.end));
        ASSERT_TRUE(text::BeginsCharacter(text, static_cast<size_t>(mark.end)));
        last = mark.end;
      }
    }
  }
}

}  // namespace
}  // namespace weir::index
