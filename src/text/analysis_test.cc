#include "text/analysis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unicode/brkiter.h>

#include <random>

#include "text/unicode.h"
#include "text/words.h"

namespace weir::text {
namespace {

using ::testing::ElementsAre;

std::vector<Token> Tokens(std::string_view analyzer, std::string_view text) {
  auto made = Analyzer::Make(analyzer);
  EXPECT_TRUE(made.ok()) << made.status();
  std::vector<Token> out;
  (*made)->Analyze(text, out);
  return out;
}

std::vector<std::string> Terms(std::string_view analyzer, std::string_view text) {
  std::vector<std::string> out;
  for (const Token& t : Tokens(analyzer, text)) out.push_back(t.term);
  return out;
}

TEST(Analysis, EnglishStemsAndStops) {
  EXPECT_THAT(Terms("english", "The cats are running quickly in the houses"),
              ElementsAre("cat", "run", "quickli", "hous"));
  EXPECT_THAT(Terms("english", "generalizations of relational databases"),
              ElementsAre("gener", "relat", "databas"));
  EXPECT_THAT(Terms("english", "Darwin's finches; it's the patients' choice"),
              ElementsAre("darwin", "finch", "patient", "choic"));
}

TEST(Analysis, PlainKeepsAll) {
  EXPECT_THAT(Terms("plain", "The Cats are RUNNING"), ElementsAre("the", "cats", "are", "running"));
}

TEST(Analysis, NumbersAndJoiners) {
  EXPECT_THAT(Terms("plain", "3.14 and 1,000,000 don't re-run foo_bar U.S.A. a:b e.g. x,y"),
              ElementsAre("3.14", "and", "1,000,000", "don't", "re", "run", "foo_bar", "u.s.a", "a",
                          "b", "e.g", "x", "y"));
  EXPECT_THAT(Terms("plain", "__ . _ ' p<.05"), ElementsAre("p", "05"));
}

TEST(Analysis, UnicodeFolds) {
  EXPECT_THAT(
      Terms("plain", "STRASSE Stra\u00DFe \uFB01nal co\u00ADop \u00C4RZTE don\u2019t \uFF21\uFF22"),
      ElementsAre("strasse", "strasse", "final", "coop", "\u00E4rzte", "don't", "ab"));
  // Composed and decomposed forms are one term.
  EXPECT_EQ(Terms("plain", "caf\u00E9"), Terms("plain", "cafe\u0301"));
  EXPECT_THAT(Terms("plain", "\u6771\u4eac \u30AB\u30BF \u3072\u3089"),
              ElementsAre("\u6771", "\u4eac", "\u30AB\u30BF", "\u3072", "\u3089"));
}

TEST(Analysis, PositionsCountStopWordsAndSpansAreSurface) {
  const std::string text = "of the \u00C4rzte Running";
  const auto tokens = Tokens("english", text);
  ASSERT_EQ(tokens.size(), 2);
  EXPECT_EQ(tokens[0].position, 2);
  EXPECT_EQ(text.substr(tokens[0].span.start, tokens[0].span.size()), "\u00C4rzte");
  EXPECT_EQ(tokens[1].position, 3);
  EXPECT_EQ(text.substr(tokens[1].span.start, tokens[1].span.size()), "Running");
}

TEST(Analysis, UnknownNameIsRefused) {
  EXPECT_EQ(Analyzer::Make("klingon").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Analysis, LongWordsAreCut) {
  const auto tokens = Tokens("plain", std::string(1000, 'x'));
  ASSERT_EQ(tokens.size(), 4);
  EXPECT_EQ(tokens[0].span.size(), kMaxWordCodePoints);
}

TEST(Analysis, StopWords) {
  EXPECT_TRUE(IsStopWord("the"));
  EXPECT_FALSE(IsStopWord("The"));
  EXPECT_FALSE(IsStopWord("weir"));
}

// Against ICU's word breaker, on scripts for which both follow UAX #29 alone.
TEST(Words, AgreesWithIcu) {
  UErrorCode error = U_ZERO_ERROR;
  std::unique_ptr<icu::BreakIterator> breaker(
      icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), error));
  ASSERT_TRUE(U_SUCCESS(error));
  const std::vector<std::string> parts = {
      "a", "Z", "9", "0", ".", ",", ";", "'", "_", " ", "-", "\u00E9", "\u0301", "\u2019", "\u00AD",
      "\u0416", "\u0661", "\u00B7", "\u30AB", "(", "\n", "\u0915", "/"};
  std::mt19937 random(11);
  for (int round = 0; round < 4000; ++round) {
    std::string text;
    const int n = random() % 14;
    for (int i = 0; i < n; ++i) text += parts[random() % parts.size()];
    std::vector<std::string> expected;
    UText utext = UTEXT_INITIALIZER;
    utext_openUTF8(&utext, text.data(), text.size(), &error);
    breaker->setText(&utext, error);
    for (int32_t from = breaker->first(), to = breaker->next(); to != icu::BreakIterator::DONE;
         from = to, to = breaker->next()) {
      // Rule status is 0 for "a_" at times; what counts is a letter or digit inside.
      const std::string piece = text.substr(from, to - from);
      size_t at = 0;
      Span word;
      bool ascii;
      if (NextWord(piece, at, word, ascii)) expected.push_back(piece);
    }
    utext_close(&utext);
    std::vector<std::string> got;
    size_t at = 0;
    Span word;
    bool ascii;
    while (NextWord(text, at, word, ascii)) got.push_back(text.substr(word.start, word.size()));
    ASSERT_EQ(got, expected) << text;
  }
}

}  // namespace
}  // namespace weir::text
