#include "answer/verify/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "answer/scripted.h"
#include "answer/verify/claims.h"

namespace weir::answer {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

SentenceVerdict Verdict(std::string_view sentence, std::vector<std::string_view> quotes) {
  BagEncoder encoder;
  return *VerifySentence(sentence, quotes, encoder, Context());
}

TEST(ClaimsTest, NumbersByValue) {
  EXPECT_THAT(ReadClaims("It took 1,200.50 hours and three weeks.", false).numbers,
              Contains("1200.5"));
  EXPECT_THAT(ReadClaims("It took 1,200.50 hours and three weeks.", false).numbers, Contains("3"));
  EXPECT_THAT(ReadClaims("60mg in 95% of 1-3 cases (p<.05)", false).numbers,
              ::testing::IsSupersetOf({"60", "95", "1", "3", "0.05"}));
}

TEST(ClaimsTest, NamesAreNotSentenceStarts) {
  const Claims claims =
      ReadClaims("Patients saw Dr Smith. Doctors use MiniLM and VTE scores.", false);
  EXPECT_THAT(claims.names, ::testing::IsSupersetOf({"smith", "minilm", "vte"}));
  EXPECT_THAT(claims.names, Not(Contains("patients")));
  EXPECT_THAT(claims.names, Not(Contains("doctors")));
}

TEST(VerifyTest, ASentenceProvesItself) {
  const SentenceVerdict v = Verdict("The trial had 44 patients.", {"The trial had 44 patients."});
  EXPECT_TRUE(v.supported);
  EXPECT_EQ(v.support, 1);
}

TEST(VerifyTest, ParaphraseWithTheSameWordsIsSupported) {
  EXPECT_TRUE(Verdict("The trial enrolled 44 patients with heart failure.",
                      {"In all, 44 patients with heart failure were enrolled in the trial."})
                  .supported);
}

// Whatever the weights are fitted on: words that all stand in a longer quote, and near copies of
// one, are what answers consist of.
TEST(VerifyTest, NearCopiesAreAccepted) {
  EXPECT_GE(SupportOf(1, 0.5), kSupportThreshold);
  EXPECT_GE(SupportOf(0.8, 0.7), kSupportThreshold);
  EXPECT_LT(SupportOf(0, 0.9), kSupportThreshold);
  EXPECT_LT(SupportOf(0.3, 0.5), kSupportThreshold);
  EXPECT_TRUE(Verdict("Bleeding was rare after surgery in older adults, the trial found.",
                      {"The trial found that bleeding was rare after surgery in older adults."})
                  .supported);
}

TEST(VerifyTest, AnotherNumberIsRefused) {
  const SentenceVerdict v =
      Verdict("The trial enrolled 45 patients with heart failure.",
              {"In all, 44 patients with heart failure were enrolled in the trial."});
  EXPECT_FALSE(v.supported);
  EXPECT_FALSE(v.numbers);
  EXPECT_THAT(v.reason, HasSubstr("45"));
}

TEST(VerifyTest, AnotherNameIsRefused) {
  const SentenceVerdict v = Verdict("The tool was written by Webb in Leeds.",
                                    {"The tool was written by Webb in Dublin."});
  EXPECT_FALSE(v.names);
  EXPECT_THAT(v.reason, HasSubstr("leeds"));
}

TEST(VerifyTest, NegationMustAgree) {
  EXPECT_FALSE(
      Verdict("Stress is not associated with dementia.", {"Stress is associated with dementia."})
          .polarity);
  EXPECT_FALSE(
      Verdict("Stress is associated with dementia.", {"Stress is not associated with dementia."})
          .polarity);
}

// Found in a real answer: a supported sentence with an ending that the model made up.
TEST(VerifyTest, AnAddedClauseIsRefused) {
  const std::string_view quote =
      "Swimmers and boats are held in this roller, and for that reason low weirs are sometimes "
      "called drowning machines.";
  const SentenceVerdict v = Verdict(
      "Low weirs are sometimes called drowning machines because swimmers and boats are held in "
      "this roller, preventing them from falling into the water.",
      {quote});
  EXPECT_FALSE(v.covered);
  EXPECT_FALSE(v.supported);
  EXPECT_THAT(v.reason, HasSubstr("prevent"));
  EXPECT_TRUE(Verdict("Low weirs are called drowning machines because swimmers and boats are held "
                      "in this roller.",
                      {quote})
                  .supported);
}

TEST(VerifyTest, UnrelatedQuoteIsRefused) {
  const SentenceVerdict v = Verdict("The library indexes documents quickly.",
                                    {"Bleeding was rare after surgery in older adults."});
  EXPECT_FALSE(v.supported);
  EXPECT_FALSE(v.covered);
  EXPECT_LT(v.support, kSupportThreshold);
}

TEST(VerifyTest, AShareOfTheWordsIsNotEnough) {
  const SentenceVerdict v = Verdict("Older adults index documents after dinner quickly.",
                                    {"Bleeding was rare after surgery in older adults."});
  EXPECT_TRUE(v.covered);
  EXPECT_THAT(v.reason, HasSubstr("support"));
}

TEST(VerifyTest, NoCitationNoSupport) { EXPECT_EQ(Verdict("Anything.", {}).reason, "no citation"); }

class AnswerProofTest : public ::testing::Test {
 protected:
  AnswerProofTest() {
    document_.text = "First. The trial had 44 patients. Last.";
    document_.sha256 = "abc";
    text::Citation citation;
    citation.document.path = "a.txt";
    citation.document.sha256 = "abc";
    citation.span = {7, 33};
    citation.quote = "The trial had 44 patients.";
    answer_.sentences.push_back({"The trial had 44 patients.", 1, {citation}});
  }
  AnswerVerdict Verify() {
    BagEncoder encoder;
    return *VerifyAnswer(
        answer_, [&](const std::string&) { return document_; }, encoder, Context());
  }
  text::Document document_;
  text::Answer answer_;
};

TEST_F(AnswerProofTest, HoldsOnTheSameFile) { EXPECT_TRUE(Verify().proved); }

TEST_F(AnswerProofTest, FailsWhenTheFileChanged) {
  document_.sha256 = "def";
  EXPECT_FALSE(Verify().proved);
  EXPECT_THAT(Verify().sentences[0].reason, HasSubstr("changed"));
}

TEST_F(AnswerProofTest, FailsWhenTheQuoteIsNotThere) {
  answer_.sentences[0].citations[0].quote = "The trial had 45 patients.";
  EXPECT_FALSE(Verify().proved);
}

TEST_F(AnswerProofTest, FailsWhenTheSpanIsOutside) {
  answer_.sentences[0].citations[0].span = {7, 3300};
  EXPECT_THAT(Verify().sentences[0].reason, HasSubstr("outside"));
}

TEST_F(AnswerProofTest, FailsWhenTheFileIsGone) {
  BagEncoder encoder;
  const auto verdict = *VerifyAnswer(
      answer_, [](const std::string&) { return absl::NotFoundError("gone"); }, encoder, Context());
  EXPECT_FALSE(verdict.proved);
}

}  // namespace
}  // namespace weir::answer
