#include "generate/speculate/speculation.h"

#include <string>

#include "base/metrics.h"
#include "base/threads.h"
#include "generate/engine.h"
#include "generate/engine_fixture.h"
#include "generate/sample/random.h"
#include "generate/session.h"
#include "gtest/gtest.h"
#include "model/gguf.h"

namespace weir::generate {
namespace {

using text::Completion;
using text::CompletionRequest;

std::string ModelPath() {
  const std::string path = testing::TempDir() + "/weir_speculation_test.gguf";
  static const bool written = WriteFileAtomic(path, SmallModelBytes()).ok();
  EXPECT_TRUE(written);
  return path;
}

std::unique_ptr<Engine> Make(const std::string& speculate, GenerateOptions options = {}) {
  options.speculate.speculate = speculate;
  auto engine = Engine::Load(ModelPath(), "small", options, Context());
  EXPECT_TRUE(engine.ok()) << engine.status();
  return *std::move(engine);
}

// Asks engines with and without drafts the same and compares all but the times.
class Pair {
 public:
  explicit Pair(GenerateOptions options = {}) {
    off_ = Make("off", options);
    for (const char* word : {"auto", "1", "4", "15"}) on_.push_back(Make(word, options));
  }

  Completion Ask(const CompletionRequest& request, const Context& context = Context()) {
    const auto [expected, expected_reuse] = One(*off_, request, context);
    EXPECT_EQ(expected.draft_passes, 0);
    for (const auto& engine : on_) {
      const auto [done, reuse] = One(*engine, request, context);
      EXPECT_EQ(done.text, expected.text);
      EXPECT_EQ(done.finish, expected.finish);
      EXPECT_EQ(done.tokens, expected.tokens);
      EXPECT_EQ(done.prompt_tokens, expected.prompt_tokens);
      EXPECT_EQ(reuse, expected_reuse);  // the cache held the same
      EXPECT_LE(done.accepted, done.drafted);
      EXPECT_LE(done.draft_passes, done.drafted);
      accepted += done.accepted;
      wrong += done.drafted - done.accepted;
    }
    return expected;
  }

  int64_t accepted = 0, wrong = 0;

 private:
  static std::pair<Completion, double> One(Engine& engine, const CompletionRequest& request,
                                           Context context) {
    Metrics metrics;
    context.metrics = &metrics;
    auto done = engine.Complete(request, context);
    EXPECT_TRUE(done.ok()) << done.status();
    if (!done.ok()) return {};
    EXPECT_EQ(metrics.Snapshot()["generate_drafted_tokens"], static_cast<double>(done->drafted));
    return {*done, metrics.Snapshot()["generate_reused_prompt_tokens"]};
  }

  std::unique_ptr<Engine> off_;
  std::vector<std::unique_ptr<Engine>> on_;
};

CompletionRequest Request(const std::string& content, int64_t max_tokens, double temperature,
                          uint64_t seed) {
  CompletionRequest request;
  request.messages = {{"user", content}};
  request.max_tokens = max_tokens;
  request.temperature = temperature;
  request.seed = seed;
  return request;
}

TEST(SpeculationTest, SameTokensAsWithout) {
  for (double repetition : {1.0, 1.3}) {
    Pair pair({.top_k = 4, .repetition = repetition, .context = 512});
    for (uint64_t seed = 0; seed < 6; ++seed) {
      // The small model repeats itself when greedy and wanders when hot.
      for (double temperature : {0.0, 0.3, 1.5}) {
        CompletionRequest request =
            Request("abcabcabc" + std::string(seed, 'x'), 80, temperature, seed);
        if (seed % 2 == 1) request.quotable = {"what the answer may quote", "", "\xC3\xA9"};
        pair.Ask(request);
      }
    }
    EXPECT_GT(pair.accepted, repetition == 1 ? 100 : 10);  // the penalty is what hinders it
    EXPECT_GT(pair.wrong, 100) << repetition;
  }
}

TEST(SpeculationTest, GrammarsStopsAndLimitsHold) {
  Pair pair({.top_k = 0, .min_p = 0, .context = 128});
  for (uint64_t seed = 0; seed < 8; ++seed) {
    CompletionRequest request = Request("go", 60, 1, seed);
    request.grammar = "root ::= (\"ab\" | \"abc\" | [0-9])+ \".\"";
    pair.Ask(request);
    request.grammar = "root ::= \"x\" [xy] root";  // never ends by itself
    const Completion whole = pair.Ask(request);
    EXPECT_EQ(whole.finish, "length");
    request.max_tokens = 1000;  // the window ends it
    const Completion full = pair.Ask(request);
    EXPECT_EQ(full.prompt_tokens + full.tokens, 128 + 1);
    for (int64_t n : {1, 2, 7}) {
      request.max_tokens = n;
      EXPECT_EQ(pair.Ask(request).tokens, n);
    }
    request.max_tokens = 60;
    for (size_t at : {5, 17, 30}) {
      request.stop = {whole.text.substr(at, 6)};
      EXPECT_EQ(pair.Ask(request).text, whole.text.substr(0, whole.text.find(request.stop[0])));
    }
  }
  EXPECT_GT(pair.accepted, 100);
  EXPECT_GT(pair.wrong, 100);
}

TEST(SpeculationTest, CallersEndItBetweenDraftedTokens) {
  Pair pair({.context = 256});
  CompletionRequest request = Request("go", 60, 0, 0);
  request.grammar = "root ::= \"ab\" root";
  for (int most : {1, 3, 10, 11, 12, 13}) {
    int calls = 0;
    // Each engine counts anew: calls of the ones before are taken off at its first one.
    std::string streamed;
    request.on_text = [&](std::string_view piece) {
      if (calls == most) calls = 0, streamed.clear();
      streamed += piece;
      return ++calls < most;
    };
    const Completion done = pair.Ask(request);
    EXPECT_EQ(done.finish, "cancelled");
    EXPECT_EQ(streamed, done.text);
    EXPECT_EQ(done.tokens, most);
  }
  EXPECT_GT(pair.accepted, 10);
  // The same by a token that another thread may set.
  for (const char* word : {"off", "4", "15"}) {
    auto engine = Make(word);
    CancelToken cancel;
    Context context;
    context.cancel = &cancel;
    int calls = 0;
    request.on_text = [&](std::string_view) {
      if (++calls == 23) cancel.Cancel();
      return true;
    };
    auto done = engine->Complete(request, context);
    ASSERT_TRUE(done.ok());
    EXPECT_EQ(done->finish, "cancelled");
    EXPECT_EQ(done->tokens, 23) << word;
  }
}

TEST(SpeculationTest, ThreadsDoNotChangeTheText) {
  Threads two(2);
  Context context;
  context.threads = &two;
  CompletionRequest request = Request("threads threads", 60, 0.4, 11);
  const auto expected = Make("off")->Complete(request, Context());
  const auto with_two = Make("7")->Complete(request, context);
  ASSERT_TRUE(expected.ok() && with_two.ok());
  EXPECT_EQ(with_two->text, expected->text);
  EXPECT_GT(with_two->drafted, 0);
}

// What the whole rests on: several rows in one pass and what they leave behind are bit-equal to one
// at a time, for every format of the cache and across its blocks.
TEST(SpeculationTest, RowsOfAPassAreBitEqual) {
  const std::string path = testing::TempDir() + "/weir_speculation_heads.gguf";
  model::SmallDecoder small{.hidden = 128, .head_dim = 32, .vocabulary = 258};
  ASSERT_TRUE(WriteFileAtomic(path, small.Fill().Builder().Build()).ok());
  auto decoder = *model::Decoder::Load(*model::GgufFile::Open(path), Context());
  const auto formats = *KvValues("format");
  for (std::string_view format : formats) {
    KvChoice choice;
    choice.format = std::string(format);
    auto one = *Session::Make(decoder, choice, 200), many = *Session::Make(decoder, choice, 200);
    uint64_t draw = 0;
    const auto token = [&] { return static_cast<int32_t>(UniformAt(5, draw++) * 256); };
    const std::vector<int32_t> prompt = {1, 2, 3};
    ASSERT_TRUE(one->Feed(prompt, Context()).ok());
    ASSERT_TRUE(many->Feed(prompt, Context()).ok());
    const size_t vocabulary = one->logits().size();
    while (one->size() + 16 < 200) {
      const int n = 1 + static_cast<int>(UniformAt(6, draw) * 15);
      const int keep = 1 + static_cast<int>(UniformAt(7, draw) * n);
      std::vector<int32_t> tokens;
      for (int i = 0; i < n; ++i) tokens.push_back(token());
      const auto rows = many->AppendAll(tokens, Context());
      ASSERT_TRUE(rows.ok()) << rows.status();
      for (int i = 0; i < keep; ++i) {
        ASSERT_TRUE(one->Append(tokens[i], Context()).ok());
        const auto row = rows->subspan(i * vocabulary, vocabulary);
        ASSERT_TRUE(std::equal(row.begin(), row.end(), one->logits().begin()))
            << format << " row " << i << " of " << n << " at " << one->size();
      }
      many->Truncate(one->size());
      ASSERT_EQ(many->size(), one->size());
    }
  }
}

TEST(SpeculationTest, ReadsWhatTheOptionSays) {
  EXPECT_TRUE(ParseSpeculate("auto")->on);
  EXPECT_FALSE(ParseSpeculate("off")->on);
  EXPECT_EQ(ParseSpeculate("15")->fixed, 15);
  for (const char* word : {"", "0", "16", "-1", "on", "4x", "99999999999999999999"}) {
    EXPECT_EQ(ParseSpeculate(word).status().code(), absl::StatusCode::kInvalidArgument) << word;
  }
  GenerateOptions options;
  options.speculate.speculate = "sometimes";
  EXPECT_EQ(Engine::Load(ModelPath(), "small", options, Context()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// The controller inside the loop: a clock that a test turns, passes of one row that take 10 ms.
TEST(SpeculationTest, SwitchesItselfOffOnTextThatDoesNotRepeat) {
  for (const bool repeats : {false, true}) {
    Speculation speculation({});
    speculation.Begin(std::vector<int32_t>{1, 2, 3}, {});
    speculation.PromptTook(500, 500'000'000);
    double time = 0;
    int tokens = 0;
    uint64_t draw = 0;
    // 40 kinds of token, so that pairs do recur, by chance.
    const auto next = [&](int i) {
      return repeats ? i * i % 23 : static_cast<int32_t>(UniformAt(3, draw++) * 40);
    };
    int32_t right = next(0);
    while (tokens < 1000) {
      speculation.Took(right);
      const auto draft = speculation.Next(1 << 20);
      const double took = 1e7 * (1 + 0.1 * draft.size());
      time += took;
      const std::vector<int32_t> checked(draft.begin(), draft.end());
      size_t accepted = 0;
      right = next(++tokens);
      while (accepted < checked.size() && checked[accepted] == right) {
        ++accepted;
        speculation.Took(right);
        right = next(++tokens);
      }
      speculation.Checked(accepted, static_cast<int64_t>(took));
    }
    if (repeats) {
      EXPECT_LT(time, 0.3 * 1e7 * tokens);
    } else {
      EXPECT_LT(time, 1.02 * 1e7 * tokens);
      EXPECT_LT(speculation.counts().drafted, tokens / 10);
    }
  }
}

}  // namespace
}  // namespace weir::generate
