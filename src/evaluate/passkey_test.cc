#include "evaluate/passkey.h"

#include <algorithm>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace weir::evaluate {
namespace {

// Finds the key as a reader does, in the prompts whose numbers it is told to answer.
class Reader : public text::Completer {
 public:
  explicit Reader(int every) : every_(every) {}
  std::string name() const override { return "reader"; }
  int64_t context_tokens() const override { return 1 << 20; }
  absl::StatusOr<int64_t> CountTokens(std::string_view text) const override {
    return std::count(text.begin(), text.end(), ' ');
  }
  absl::StatusOr<text::Completion> Complete(const text::CompletionRequest& request,
                                            const Context&) override {
    const std::string& text = request.messages.back().content;
    const size_t at = text.find("The pass key is ") + 16;
    text::Completion c;
    c.text = asked_++ % every_ == 0 ? text.substr(at, 5) : "00000";
    c.prompt_tokens = *CountTokens(text);
    return c;
  }
  absl::StatusOr<std::vector<double>> LogLikelihood(const std::vector<text::ChatMessage>&,
                                                    std::span<const std::string>,
                                                    const Context&) override {
    return absl::UnimplementedError("reader");
  }

 private:
  int every_, asked_ = 0;
};

TEST(PasskeyTest, CountsWholeKeys) {
  Reader all(1), third(3);
  const auto everything = RunPasskey(all, {.prompts = 30, .tokens = 1000}, Context());
  ASSERT_TRUE(everything.ok()) << everything.status();
  EXPECT_EQ(everything->right, 30);
  EXPECT_GT(everything->least_tokens, 850);
  EXPECT_LT(everything->most_tokens, 1000);
  EXPECT_EQ(RunPasskey(third, {.prompts = 30, .tokens = 1000}, Context())->right, 10);
}

TEST(PasskeyTest, KeysHaveFiveDigitsAndStandAnywhere) {
  std::set<size_t> places;
  for (int64_t i = 0; i < 200; ++i) {
    const PasskeyPrompt p = MakePasskeyPrompt(5, i, 20);
    int key = 0;
    ASSERT_TRUE(absl::SimpleAtoi(p.key, &key));
    EXPECT_GE(key, 10000);
    EXPECT_LE(key, 99999);
    const std::vector<std::string> around = absl::StrSplit(p.text, p.key);
    ASSERT_EQ(around.size(), 3u);
    places.insert(around[0].size());
    EXPECT_EQ(p.text, MakePasskeyPrompt(5, i, 20).text);
    EXPECT_NE(p.text, MakePasskeyPrompt(6, i, 20).text);
  }
  EXPECT_EQ(places.size(), 21u);
}

TEST(PasskeyTest, RefusesWhatCannotBeAsked) {
  Reader reader(1);
  EXPECT_EQ(RunPasskey(reader, {.prompts = 0}, Context()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RunPasskey(reader, {.tokens = 50}, Context()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace weir::evaluate
