// Both planners over scripted ports.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "answer/ask.h"
#include "answer/cite.h"
#include "answer/direct.h"
#include "answer/draft.h"
#include "answer/extract.h"
#include "answer/pack.h"
#include "answer/scripted.h"

namespace weir::answer {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::vector<std::string> kPassages = {
    "The tower is tall. The lighthouse of Alder was built in 1874 by James Douglass. It has 214 "
    "steps.",
    "Tea is grown in the hills. The harvest of tea begins in March and ends in October."};

class PlannersTest : public ::testing::Test {
 protected:
  absl::StatusOr<text::Answer> Run(const Planner& planner, std::string_view question,
                                   std::string says) {
    completer_ = std::make_unique<SayingCompleter>(std::move(says));
    const AnswerPorts ports{pipeline_, encoder_, completer_.get(), nullptr};
    return planner.Work(question, ports, options_, Context());
  }
  FixedPipeline pipeline_{kPassages};
  BagEncoder encoder_;
  std::unique_ptr<SayingCompleter> completer_;
  AnswerOptions options_;
};

TEST_F(PlannersTest, QuotesAreVerbatim) {
  options_.risk = 0;
  const text::Answer answer = *Run(ExtractPlanner(), "When was the lighthouse of Alder built?", "");
  ASSERT_FALSE(answer.sentences.empty());
  EXPECT_THAT(answer.sentences[0].text, HasSubstr("1874"));
  for (const text::AnswerSentence& s : answer.sentences) {
    for (const text::Citation& c : s.citations) {
      EXPECT_EQ(kPassages[c.document.id].substr(c.span.start, c.span.size()), c.quote);
      EXPECT_EQ(c.quote, s.text);
    }
  }
}

// The question shares no word with its evidence; only what the model wrote does.
TEST_F(PlannersTest, TheDraftPointsToTheSentence) {
  options_.risk = 0;
  const std::string question = "How far must one climb?";
  EXPECT_NE(Run(ExtractPlanner(), question, "")->sentences[0].text, "It has 214 steps.");
  const text::Answer answer = *Run(ExtractPlanner(), question, "One climbs 214 steps.");
  EXPECT_EQ(answer.sentences[0].text, "It has 214 steps.");
  EXPECT_EQ(answer.sentences[0].citations[0].quote, "It has 214 steps.");
}

TEST_F(PlannersTest, ADraftIsGroundedByWhatItAdds) {
  const AnswerPorts ports{pipeline_, encoder_, nullptr, nullptr};
  const std::string question = "How many steps does the lighthouse of Alder have?";
  EvidenceSet set = *CollectEvidence(question, ports, Context());
  auto grounded = [&](std::string_view draft) {
    EXPECT_TRUE(RankByDraft(question, draft, encoder_, Context(), set).ok());
    return set.refusal.grounded;
  };
  EXPECT_DOUBLE_EQ(grounded("Steps of the lighthouse: 214."), 0.5);  // "214", over one and one more
  EXPECT_EQ(grounded("The lighthouse of Alder: steps."), 0);         // adds nothing
  EXPECT_EQ(grounded("Steps of the lighthouse: 300."), 0);           // adds what nothing says
}

TEST_F(PlannersTest, RefusesWithoutEvidence) {
  options_.risk = 1;
  EXPECT_THAT(Run(ExtractPlanner(), "When was the lighthouse of Alder built?", "")->sentences,
              IsEmpty());
}

TEST_F(PlannersTest, DropsWhatIsNotSupported) {
  options_.risk = 0;
  const text::Answer answer =
      *Run(DirectPlanner(), "When was the lighthouse of Alder built?",
           "The lighthouse of Alder was built in 1874. It was painted green by Peter Pan in 1999.");
  EXPECT_EQ(answer.status, "partial");
  for (const text::AnswerSentence& s : answer.sentences) {
    EXPECT_THAT(s.text, ::testing::Not(HasSubstr("Peter")));
    EXPECT_THAT(s.citations, ::testing::Not(IsEmpty()));
  }
  EXPECT_THAT(answer.sentences[0].text, HasSubstr("1874"));
}

// Of several drafts the best supported one is answered with; the first of equals.
TEST_F(PlannersTest, OfSamplesTheBestSupportedIsTaken) {
  const AnswerPorts none{pipeline_, encoder_, nullptr, nullptr};
  const std::string question = "When was the lighthouse of Alder built?";
  const EvidenceSet set = *CollectEvidence(question, none, Context());
  SayingCompleter completer("It was painted green by Peter Pan in 1999.");
  const AnswerPorts ports{pipeline_, encoder_, &completer, nullptr};
  const PackedContext packed = *Pack(set, options_, completer);
  options_.samples = 4;
  const std::string good = "The lighthouse of Alder was built in 1874.";
  completer.others = {"It was painted green by Peter Pan in 1999.", good,
                      good + " Peter Pan painted it."};
  const auto draft = WriteBestDraft(question, packed, set, ports, options_, Context());
  ASSERT_TRUE(draft.ok()) << draft.status();
  EXPECT_EQ(draft->text, good);
  ASSERT_EQ(completer.requests.size(), 4u);
  EXPECT_EQ(completer.requests[0].temperature, 0);
  for (size_t i = 1; i < 4; ++i) {
    EXPECT_GT(completer.requests[i].temperature, 0);
    EXPECT_EQ(completer.requests[i].seed, i);
    EXPECT_EQ(completer.requests[i].messages.back().content,
              completer.requests[0].messages.back().content);
  }
  options_.samples = 1;
  EXPECT_EQ(WriteBestDraft(question, packed, set, ports, options_, Context())->text,
            "It was painted green by Peter Pan in 1999.");
}

TEST_F(PlannersTest, PacksTheBestPassageFirst) {
  options_.risk = 0;
  ASSERT_TRUE(Run(DirectPlanner(), "When does the tea harvest begin?", "In March.").ok());
  const std::string& prompt = completer_->last_prompt;
  EXPECT_LT(prompt.find("harvest"), prompt.find("lighthouse"));
}

TEST_F(PlannersTest, CitationsIgnoreTheModelsOwnNumbers) {
  const AnswerPorts ports{pipeline_, encoder_, nullptr, nullptr};
  const EvidenceSet set = *CollectEvidence("When was the lighthouse built?", ports, Context());
  const auto citations =
      *FindCitations("James Douglass built the lighthouse in 1874 [2].", set, encoder_, Context());
  ASSERT_FALSE(citations.empty());
  EXPECT_EQ(citations[0].document.id, 0);
  EXPECT_THAT(citations[0].quote, HasSubstr("Douglass"));
}

}  // namespace
}  // namespace weir::answer
