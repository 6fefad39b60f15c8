// Requests with passages through the engine: what the prompt becomes, that the cache is used and
// kept, and that nothing of it reaches another request.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "generate/engine.h"
#include "generate/engine_fixture.h"
#include "gtest/gtest.h"

namespace weir::generate {
namespace {
namespace fs = std::filesystem;

class PassageEngineTest : public testing::Test {
 protected:
  PassageEngineTest() {
    folder_ = testing::TempDir() + "/weir_passage_engine_test_" + std::to_string(getpid());
    fs::remove_all(folder_);
    const std::string path = testing::TempDir() + "/weir_passage_engine_test.gguf";
    EXPECT_TRUE(WriteFileAtomic(
                    path, SmallModelBytes(false, kChatTemplate, {.hidden = 128, .head_dim = 32}))
                    .ok());
    GenerateOptions options;
    options.kv = "q8";
    auto engine = Engine::Load(path, "small", options, Context());
    EXPECT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
  }
  ~PassageEngineTest() override { fs::remove_all(folder_); }

  static std::vector<text::ChatMessage> Messages(const std::string& question) {
    return {{"system", "Be brief."},
            {"user", std::string("Sources: ") + text::kPassageSlot + "Question: " + question}};
  }
  static std::vector<text::PromptPassage> Passages(const std::vector<std::string>& texts) {
    std::vector<text::PromptPassage> passages;
    for (const std::string& text : texts) passages.push_back({text});
    return passages;
  }
  static text::CompletionRequest Request(const std::string& question,
                                         std::vector<text::PromptPassage> passages) {
    text::CompletionRequest request;
    request.messages = Messages(question);
    request.passages = std::move(passages);
    request.max_tokens = 12;
    return request;
  }
  text::Completion Complete(const text::CompletionRequest& request) {
    auto done = engine_->Complete(request, Context());
    EXPECT_TRUE(done.ok()) << done.status();
    return done.ok() ? *done : text::Completion();
  }

  std::string folder_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(PassageEngineTest, PromptIsHeadPassagesTail) {
  const auto prompt =
      engine_->PromptOver(Messages("why?"), Passages({"one ", "two "}));
  ASSERT_TRUE(prompt.ok()) << prompt.status();
  // Every byte is a token of its own: the parts are those of the whole text.
  std::vector<text::ChatMessage> whole = Messages("why?");
  whole[1].content = "Sources: one two Question: why?";
  EXPECT_EQ(prompt->Tokens(), *engine_->PromptTokens(whole));
  EXPECT_EQ(prompt->head, engine_->PromptOver(Messages("another"), {})->head);
  EXPECT_TRUE(absl::IsInvalidArgument(
      engine_->PromptOver({{"user", "no slot"}}, {}).status()));
}

TEST_F(PassageEngineTest, ControlTokensAndSlotsInTextsStayText) {
  const std::string slot = text::kPassageSlot;
  const auto prompt = engine_->PromptOver(Messages("a<|im_end|>" + slot + "b"),
                                          Passages({"x<|im_start|>" + slot}));
  ASSERT_TRUE(prompt.ok()) << prompt.status();
  const auto plain = engine_->PromptOver(Messages("ab"), Passages({"x"}));
  const auto controls = [](const std::vector<int32_t>& tokens) {
    return std::count_if(tokens.begin(), tokens.end(), [](int32_t t) { return t >= kImStart; });
  };
  EXPECT_EQ(controls(prompt->Tokens()), controls(plain->Tokens()));
}

TEST_F(PassageEngineTest, StoredPassagesAreReadAndKept) {
  const auto request =
      Request("who?", Passages({"Alpha says one. ", "Beta says two. ", "Gamma. "}));
  const text::Completion prefilled = Complete(request);  // no cache yet
  EXPECT_EQ(engine_->passages(), nullptr);
  ASSERT_TRUE(engine_->UsePassages(folder_, Messages(""), {"all", 0}).ok());
  const text::Completion all = Complete(request);
  EXPECT_EQ(all.text, prefilled.text);
  EXPECT_EQ(engine_->passage_report().missing, 3);
  EXPECT_EQ(Complete(request).text, prefilled.text);
  EXPECT_EQ(engine_->passage_report().missing, 0);
  engine_->SetPassageOptions({"first", 0.1});
  const text::Completion some =
      Complete(Request("who?", Passages({"Gamma. ", "Alpha says one. "})));
  EXPECT_EQ(engine_->passage_report().again, 2);
  EXPECT_GT(some.reused_tokens, some.prompt_tokens / 2);
  // Nothing approximate is left for others.
  engine_->SetPassageOptions({"prefill", 0});
  EXPECT_EQ(Complete(request).text, prefilled.text);
  EXPECT_EQ(engine_->passage_report().passages, 0);
}

TEST_F(PassageEngineTest, AnotherHeadIsComputedWhole) {
  ASSERT_TRUE(engine_->UsePassages(folder_, Messages(""), {"none", 0}).ok());
  auto request = Request("who?", Passages({"Alpha. ", "Beta. "}));
  request.messages[0].content = "Be long.";
  const text::Completion done = Complete(request);
  EXPECT_EQ(engine_->passage_report().passages, 0);
  EXPECT_GT(done.tokens, 0);
}

TEST_F(PassageEngineTest, LikelihoodsAreThoseOfTheSamePrompt) {
  ASSERT_TRUE(engine_->UsePassages(folder_, Messages(""), {"all", 0}).ok());
  const auto prompt =
      engine_->PromptOver(Messages("who?"), Passages({"Alpha. ", "Beta. "}));
  ASSERT_TRUE(prompt.ok());
  const std::vector<std::string> replies = {"Alpha", "Beta did."};
  const auto stored = engine_->LogLikelihoodOver(*prompt, replies, Context());
  engine_->SetPassageOptions({"prefill", 0});
  const auto prefilled = engine_->LogLikelihoodOver(*prompt, replies, Context());
  ASSERT_TRUE(stored.ok() && prefilled.ok());
  EXPECT_EQ(*stored, *prefilled);
}

TEST_F(PassageEngineTest, WhatWasReadIsNotKeptForOtherPrompts) {
  const auto passages = Passages({"Alpha says one thing and then two more of them. ",
                                  "Beta did not say a word the whole of that day. "});
  const std::vector<std::string> replies = {"Alpha"};
  const auto prompt = *engine_->PromptOver(Messages("who?"), passages);
  const auto exact = engine_->LogLikelihoodOver(prompt, replies, Context());
  ASSERT_TRUE(engine_->UsePassages(folder_, Messages(""), {"none", 0}).ok());
  Complete(Request("who?", passages));
  EXPECT_EQ(engine_->passage_report().passages, 2);
  const auto borrowed = engine_->LogLikelihoodOver(prompt, replies, Context());
  engine_->SetPassageOptions({"prefill", 0});
  const auto prefilled = engine_->LogLikelihoodOver(prompt, replies, Context());
  ASSERT_TRUE(exact.ok() && borrowed.ok() && prefilled.ok());
  EXPECT_NE(*borrowed, *exact);  // else the test says nothing
  EXPECT_EQ(*prefilled, *exact);
}

TEST_F(PassageEngineTest, BehindItsPredecessorAPassageIsAsInItsDocument) {
  const text::PromptPassage alpha{"Alpha says one thing. "};
  const text::PromptPassage beta{"Beta says that it is so. ", {alpha.text}};
  const std::vector<std::string> replies = {"Alpha", "Beta did."};
  const auto scores = [&](const std::vector<text::PromptPassage>& passages, const char* method) {
    engine_->SetPassageOptions({method, 0, /*temperature=*/1});
    const auto prompt = *engine_->PromptOver(Messages("who?"), passages);
    return *engine_->LogLikelihoodOver(prompt, replies, Context());
  };
  ASSERT_TRUE(engine_->UsePassages(folder_, Messages(""), {"none", 0}).ok());
  EXPECT_EQ(scores({alpha, beta}, "none"), scores({alpha, beta}, "prefill"));
  EXPECT_EQ(scores({alpha, beta}, "none"), scores({alpha, beta}, "prefill"));  // from the files
  EXPECT_NE(scores({beta, alpha}, "none"), scores({beta, alpha}, "prefill"));
  // Where a passage stood before says what it is: another neighbour, another file.
  const text::PromptPassage alone{beta.text};
  EXPECT_NE(scores({alpha, alone}, "none"), scores({alpha, alone}, "prefill"));
  EXPECT_EQ(engine_->passages()->store().Measure()->passages, 4);  // and the head
}

TEST_F(PassageEngineTest, WhatStandsBeforeIsCutToTheWindow) {
  const text::PromptPassage late{"The end. ", {std::string(5000, 'x'), "Just before. "}};
  ASSERT_TRUE(engine_->UsePassages(folder_, Messages(""), {"none", 0}).ok());
  Complete(Request("who?", {late}));
  EXPECT_EQ(engine_->passage_report().missing, 1);
  Complete(Request("who?", {late}));
  EXPECT_EQ(engine_->passage_report().missing, 0);
}

TEST_F(PassageEngineTest, CancellingWhileReadingIsAResult) {
  ASSERT_TRUE(engine_->UsePassages(folder_, Messages(""), {"all", 0}).ok());
  CancelToken token;
  token.Cancel();
  Context context;
  context.cancel = &token;
  const auto done = engine_->Complete(Request("who?", Passages({"Alpha. "})), context);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->finish, "cancelled");
}

}  // namespace
}  // namespace weir::generate
