#include "text/sentences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

namespace weir::text {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> out;
  for (const Span& s : Sentences(text)) out.push_back(text.substr(s.start, s.size()));
  return out;
}

TEST(Sentences, PlainText) {
  EXPECT_THAT(Split("One came. Two left! Did three?  Yes."),
              ElementsAre("One came.", "Two left!", "Did three?", "Yes."));
  EXPECT_THAT(Split(""), ElementsAre());
  EXPECT_THAT(Split(" \n\t "), ElementsAre());
  EXPECT_THAT(Split("no end"), ElementsAre("no end"));
}

TEST(Sentences, AbbreviationsStayInside) {
  for (const std::string text : {
           "As Smith et al. (2010) showed, Fig. 3 and Eq. 4 agree.",
           "See Figs. 1 and 2, Ref. 12, Sec. 4 and Vol. 3, pp. 12-14.",
           "Tests, e.g. PCR, i.e. amplification, vs. ELISA were used.",
           "Dr. Jones met Mrs. Brown and Prof. J. R. R. Tolkien in St. Louis.",
           "Webb et al. used E. coli K-12 and S. cerevisiae.",
           "It is No. 5 on the list, cf. Table 2.",
           "It lasted approx. 30 min. 5 s longer than before."}) {
    EXPECT_THAT(Split(text), ElementsAre(text));
  }
}

TEST(Sentences, AbbreviationsThatEnd) {
  EXPECT_THAT(Split("This was shown by Webb et al. The method is fast."),
              ElementsAre("This was shown by Webb et al.", "The method is fast."));
  EXPECT_THAT(Split("It was made in the U.S. We bought one."),
              ElementsAre("It was made in the U.S.", "We bought one."));
  EXPECT_THAT(Split("The U.S. Army paid."), ElementsAre("The U.S. Army paid."));
  EXPECT_THAT(Split("The answer is no. Nobody came."),
              ElementsAre("The answer is no.", "Nobody came."));
  EXPECT_THAT(Split("They lacked vitamin C. The others did not."),
              ElementsAre("They lacked vitamin C.", "The others did not."));
}

TEST(Sentences, NumbersAndStatistics) {
  EXPECT_THAT(Split("The rate was 3.14 (p < .05). In 1999. 20 patients came."),
              ElementsAre("The rate was 3.14 (p < .05).", "In 1999.", "20 patients came."));
  EXPECT_THAT(Split("We found p = 0.02. The rest (n = 4) did not."),
              ElementsAre("We found p = 0.02.", "The rest (n = 4) did not."));
  EXPECT_THAT(Split("Version 1.2.3 of foo.bar at www.example.com/a.b is out."),
              ElementsAre("Version 1.2.3 of foo.bar at www.example.com/a.b is out."));
  EXPECT_THAT(Split("1. Introduction to weirs"), ElementsAre("1. Introduction to weirs"));
}

TEST(Sentences, Citations) {
  EXPECT_THAT(Split("This is known [12]. We agree."),
              ElementsAre("This is known [12].", "We agree."));
  EXPECT_THAT(Split("This is known. [12, 13] We agree."),
              ElementsAre("This is known. [12, 13]", "We agree."));
  EXPECT_THAT(Split("This is known.[3-5] We agree."),
              ElementsAre("This is known.[3-5]", "We agree."));
  EXPECT_THAT(Split("This is known.12,13 We agree."),
              ElementsAre("This is known.12,13", "We agree."));
  EXPECT_THAT(Split("It grew to section.12 and on."), ElementsAre("It grew to section.12 and on."));
}

TEST(Sentences, QuotesAndBrackets) {
  EXPECT_THAT(Split("\"Stop!\" he said. \u201CWhy?\u201D She left."),
              ElementsAre("\"Stop!\" he said.", "\u201CWhy?\u201D", "She left."));
  EXPECT_THAT(Split("It works (see above.) Then it stops. (We tried.) \"Good.\""),
              ElementsAre("It works (see above.)", "Then it stops.", "(We tried.)", "\"Good.\""));
}

TEST(Sentences, Ellipsis) {
  EXPECT_THAT(Split("Well... maybe. Well... Maybe not."),
              ElementsAre("Well... maybe.", "Well...", "Maybe not."));
}

TEST(Sentences, LinesAndParagraphs) {
  EXPECT_THAT(Split("a title\n\nA first line\nwraps here. And ends\n \nnext"),
              ElementsAre("a title", "A first line\nwraps here.", "And ends", "next"));
  EXPECT_THAT(Split("a | b\nc | d\n\nEnd."), ElementsAre("a | b", "c | d", "End."));
  EXPECT_THAT(Split("- one\n- two\n\u2022 three"), ElementsAre("- one", "- two", "\u2022 three"));
  EXPECT_THAT(Split("one\ftwo"), ElementsAre("one", "two"));
}

TEST(Sentences, SmallFirstLetters) {
  EXPECT_THAT(Split("It fell. mRNA rose. then it ended."),
              ElementsAre("It fell.", "mRNA rose. then it ended."));
}

TEST(Sentences, OtherScripts) {
  EXPECT_THAT(Split("\u4eca\u65e5\u3002\u660e\u65e5\u3002"),
              ElementsAre("\u4eca\u65e5\u3002", "\u660e\u65e5\u3002"));
  EXPECT_THAT(Split("Das war gut. \u00DCber uns."), ElementsAre("Das war gut.", "\u00DCber uns."));
}

// The contract, on random text: in order, apart, trimmed, and every non-space byte is in one.
TEST(Sentences, CoversEveryByteOfRandomText) {
  const std::vector<std::string> parts = {
      ".",   "!",  "?",  " ",      "\n",  "\n\n",  "a",      "B",      "12",
      "[3]", "(",  ")",  "\"",     "Dr",  "et al", "\u2026", "\u3002", "\u00e9",
      "|",   "- ", "\f", "\u201D", "The", ",",     "e.g"};
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    const int n = random() % 40;
    for (int i = 0; i < n; ++i) text += parts[random() % parts.size()];
    std::vector<bool> covered(text.size());
    int64_t last = 0;
    for (const Span& s : Sentences(text)) {
      ASSERT_LT(s.start, s.end);
      ASSERT_GE(s.start, last);
      ASSERT_LE(s.end, text.size());
      ASSERT_FALSE(isspace(static_cast<uint8_t>(text[s.start]))) << text;
      ASSERT_FALSE(isspace(static_cast<uint8_t>(text[s.end - 1]))) << text;
      ASSERT_NE(static_cast<uint8_t>(text[s.start]) & 0xC0, 0x80);
      for (int64_t i = s.start; i < s.end; ++i) covered[i] = true;
      last = s.end;
    }
    for (size_t i = 0; i < text.size(); ++i) {
      ASSERT_TRUE(covered[i] || isspace(static_cast<uint8_t>(text[i]))) << text;
    }
  }
}

}  // namespace
}  // namespace weir::text
