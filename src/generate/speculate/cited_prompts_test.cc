#include "generate/speculate/cited_prompts.h"

#include "gtest/gtest.h"

namespace weir::generate {
namespace {

TEST(CitedPromptsTest, ReadsWhatItWrites) {
  const CitedPrompt one{"Why?", {{"system", "s"}, {"user", "a \"b\"\n\xC3\xA9"}}, {"x", ""}};
  const CitedPrompt two{"", {{"user", ""}}, {}};
  const std::string lines = CitedPromptLine(one) + "\n\n  \r\n" + CitedPromptLine(two);
  const auto read = ParseCitedPrompts("p", lines);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ((*read)[0].question, "Why?");
  EXPECT_EQ((*read)[0].messages[1].role, "user");
  EXPECT_EQ((*read)[0].messages[1].content, "a \"b\"\n\xC3\xA9");
  EXPECT_EQ((*read)[0].quotable, one.quotable);
  EXPECT_EQ(CitedPromptLine((*read)[1]), CitedPromptLine(two));
  EXPECT_TRUE(ParseCitedPrompts("p", R"({"question":"q","messages":[{"role":"u","content":"c"}]})")
                  .ok());
  EXPECT_TRUE(ParseCitedPrompts("p", "")->empty());
}

TEST(CitedPromptsTest, NamesFileAndLineOfWhatIsWrong) {
  const std::string good = CitedPromptLine({"q", {{"user", "c"}}, {}}) + "\n";
  for (const char* bad :
       {"{", "[]", "7", R"({"question":1,"messages":[]})", R"({"messages":[]})",
        R"({"question":"q"})", R"({"question":"q","messages":[]})",
        R"({"question":"q","messages":{}})", R"({"question":"q","messages":["m"]})",
        R"({"question":"q","messages":[{"role":"u"}]})",
        R"({"question":"q","messages":[{"role":"u","content":"c"}],"quotable":"x"})",
        R"({"question":"q","messages":[{"role":"u","content":"c"}],"quotable":[1]})"}) {
    const absl::Status status = ParseCitedPrompts("p.jsonl", good + bad).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << bad;
    EXPECT_EQ(status.message().find("p.jsonl:2: "), 0u) << status;
  }
  // Deep nesting neither recurses nor counts.
  const std::string deep = R"({"question":)" + std::string(200000, '[');
  EXPECT_FALSE(ParseCitedPrompts("p", deep).ok());
  EXPECT_FALSE(ParseCitedPrompts("p", deep + std::string(200000, ']') + "}").ok());
  std::string many;
  for (int i = 0; i <= 10000; ++i) many += good;
  EXPECT_EQ(ParseCitedPrompts("p", many).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace weir::generate
