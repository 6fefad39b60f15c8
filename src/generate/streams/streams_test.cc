#include "generate/streams/streams.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/registry.h"
#include "base/threads.h"
#include "generate/completion.h"
#include "generate/engine_fixture.h"
#include "generate/sample/random.h"
#include "generate/session.h"
#include "gtest/gtest.h"
#include "model/gguf.h"

namespace weir::generate {
void RegisterHydragen(Registry& registry);

namespace {

using text::CompletionRequest;

struct Model {
  std::shared_ptr<const model::Decoder> decoder;
  std::unique_ptr<model::Tokenizer> tokenizer;
};

const Model& Small() {
  static const Model model = [] {
    const std::string path = testing::TempDir() + "/weir_streams_test.gguf";
    EXPECT_TRUE(WriteFileAtomic(path, SmallModelBytes()).ok());
    auto file = *model::GgufFile::Open(path);
    return Model{*model::Decoder::Load(file, Context()), *model::Tokenizer::FromGguf(*file)};
  }();
  return model;
}

struct Request {
  std::vector<int32_t> prompt;
  int64_t max_tokens = 20;
  double temperature = 1.5;
  uint64_t seed = 1;
  std::string grammar = "";
  std::vector<std::string> stop = {};
  std::function<bool(std::string_view)> on_text = nullptr;
};

std::unique_ptr<CompletionWriter> WriterOf(const Request& r) {
  CompletionRequest request;
  request.max_tokens = r.max_tokens;
  request.temperature = r.temperature;
  request.seed = r.seed;
  request.stop = r.stop;
  request.on_text = r.on_text;
  std::unique_ptr<Constraint> constraint;
  if (!r.grammar.empty()) {
    auto pieces = std::make_shared<const VocabularyPieces>(*Small().tokenizer);
    constraint = *Constraint::Make(r.grammar, "", pieces);
  }
  return *CompletionWriter::Make(r.prompt, request, {.temperature = r.temperature, .seed = r.seed},
                                 std::move(constraint), *Small().tokenizer, SteadyNowNs);
}

std::vector<int32_t> Prompt(int64_t n, uint64_t seed) {
  std::vector<int32_t> tokens(n);
  for (int64_t i = 0; i < n; ++i) tokens[i] = static_cast<int32_t>(UniformAt(seed, i) * 256);
  return tokens;
}

std::unique_ptr<KvMemory> MemoryOf(int64_t tokens, const std::string& kv = "f16") {
  const KvShape shape = KvShapeOf(Small().decoder->shape());
  Registry techniques;
  RegisterHydragen(techniques);
  const KvChoice choice = *ParseKvChoice(kv, techniques);
  return *KvMemory::Make(*KvPolicy::Make(choice, shape, techniques), shape, tokens);
}

// One alone, on a session without any sharing.
text::Completion Alone(const Request& r, int64_t window = 512) {
  auto session = *Session::Make(Small().decoder, {.format = "f16"}, window);
  Speculation off({.on = false});
  auto done = RunCompletion(r.prompt, *WriterOf(r), *session, off, Context());
  EXPECT_TRUE(done.ok()) << done.status();
  return *std::move(done);
}

std::map<Streams::Id, text::Completion> RunAll(Streams& streams, const Context& context = {}) {
  std::map<Streams::Id, text::Completion> all;
  for (int steps = 0; !streams.idle(); ++steps) {
    EXPECT_LT(steps, 100000);
    streams.Step(context);
    for (Streams::Finished& f : streams.TakeFinished()) {
      EXPECT_TRUE(f.completion.ok()) << f.completion.status();
      all[f.id] = *std::move(f.completion);
    }
  }
  return all;
}

std::vector<Request> Mixed() {
  std::vector<Request> requests;
  const auto system = Prompt(130, 9);
  for (int i = 0; i < 12; ++i) {
    Request r;
    r.prompt = i % 3 == 0 ? Prompt(5 + 17 * i, i) : system;
    if (i % 3 != 0) {
      const auto tail = Prompt(i % 2 == 0 ? 1 + i : 70, i % 3 == 1 ? 40 : i);
      r.prompt.insert(r.prompt.end(), tail.begin(), tail.end());
    }
    r.max_tokens = 3 + 5 * i;
    r.temperature = i % 4 == 0 ? 0 : 1.5;
    r.seed = i;
    if (i == 4) r.grammar = "root ::= \"yes, \" [a-z]{5,20} \".\"";
    if (i == 7) r.stop = {"e", "\n"};
    requests.push_back(r);
  }
  return requests;
}

TEST(StreamsTest, EachWritesWhatItWritesAlone) {
  const std::vector<Request> requests = Mixed();
  std::vector<text::Completion> alone;
  for (const Request& r : requests) alone.push_back(Alone(r));
  Threads two(2);
  for (Threads* threads : {static_cast<Threads*>(nullptr), &two}) {
    Context context;
    context.threads = threads;
    for (const auto& [slots, step_tokens] : {std::pair{1, 256}, {3, 7}, {8, 1}, {8, 64}}) {
      for (const char* kv : {"f16", "f16+per-sequence"}) {
        auto memory = MemoryOf(4096, kv);
        Streams streams(Small().decoder, *memory,
                        {.window = 512, .slots = slots, .step_tokens = step_tokens});
        std::vector<Streams::Id> ids;
        // Half of them come while others run.
        for (size_t i = 0; i < requests.size(); ++i) {
          if (i % 2 == 1) streams.Step(context);
          ids.push_back(*streams.Submit(requests[i].prompt, WriterOf(requests[i])));
        }
        const auto all = RunAll(streams, context);
        ASSERT_EQ(all.size(), requests.size());
        for (size_t i = 0; i < requests.size(); ++i) {
          const text::Completion& c = all.at(ids[i]);
          ASSERT_EQ(c.text, alone[i].text)
              << kv << " " << slots << " " << step_tokens << " " << i;
          ASSERT_EQ(c.finish, alone[i].finish);
          ASSERT_EQ(c.tokens, alone[i].tokens);
          ASSERT_EQ(c.prompt_tokens, alone[i].prompt_tokens);
        }
      }
    }
  }
}

// 16 greedy streams over one prefix: the same tokens, and the prefix is stored once.
TEST(StreamsTest, SharingChangesNoToken) {
  const auto prefix = Prompt(320, 3);
  std::vector<Request> requests;
  for (int i = 0; i < 16; ++i) {
    Request r{.prompt = prefix, .max_tokens = 80, .temperature = 0};
    const auto tail = Prompt(i * 3 % 40, 100 + i);
    r.prompt.insert(r.prompt.end(), tail.begin(), tail.end());
    requests.push_back(r);
  }
  std::map<Streams::Id, text::Completion> results[2];
  int64_t used[2] = {}, shared[2] = {};
  for (int share : {0, 1}) {
    auto memory = MemoryOf(16 * 512, share == 1 ? "f16+hydragen" : "f16+per-sequence");
    Streams streams(Small().decoder, *memory, {.window = 512, .slots = 16});
    for (const Request& r : requests) ASSERT_TRUE(streams.Submit(r.prompt, WriterOf(r)).ok());
    while (!streams.idle()) {
      streams.Step(Context());
      used[share] = std::max(used[share], memory->placement().used_blocks());
      shared[share] = std::max(shared[share], streams.step_shared_tokens());
      for (Streams::Finished& f : streams.TakeFinished()) results[share][f.id] = *f.completion;
    }
  }
  for (const auto& [id, completion] : results[0]) {
    EXPECT_EQ(completion.text, results[1][id].text);
    EXPECT_EQ(completion.text, Alone(requests[id]).text);
  }
  EXPECT_GE(shared[1], 12 * 320);  // those that run at a time; a text may end early
  // 10 blocks of the prefix once; each stream has at most 118 tokens more.
  EXPECT_LE(used[1] / Small().decoder->shape().layers, 10 + 16 * 4);
}

TEST(StreamsTest, EqualPromptsAreReadOnce) {
  auto memory = MemoryOf(8192);
  Streams streams(Small().decoder, *memory, {.window = 1024, .slots = 8, .step_tokens = 64});
  const auto prompt = Prompt(500, 5);
  for (uint64_t seed = 0; seed < 8; ++seed) {
    const Request r{.prompt = prompt, .max_tokens = 4, .seed = seed};
    ASSERT_TRUE(streams.Submit(r.prompt, WriterOf(r)).ok());
  }
  int64_t read = 0;
  while (!streams.idle()) {
    streams.Step(Context());
    read += streams.step_prompt_tokens();
  }
  EXPECT_EQ(read, 500 + 7 * (500 - 480));
  for (const Streams::Finished& f : streams.TakeFinished()) {
    EXPECT_EQ(f.reused, f.id == 0 ? 0 : 480);
    EXPECT_TRUE(f.completion.ok());
  }
}

TEST(StreamsTest, LongPromptsDoNotStallWritersAndShortOnesOvertakeNobody) {
  auto memory = MemoryOf(8192);
  Streams streams(Small().decoder, *memory, {.window = 1024, .slots = 8, .step_tokens = 64});
  int pieces = 0;
  Request writer{.prompt = Prompt(10, 1), .max_tokens = 300};
  writer.grammar = "root ::= [a-z] root";  // never ends by itself
  writer.on_text = [&](std::string_view) { return ++pieces > 0; };
  ASSERT_TRUE(streams.Submit(writer.prompt, WriterOf(writer)).ok());
  streams.Step(Context());
  streams.Step(Context());
  const Request longer{.prompt = Prompt(900, 2), .max_tokens = 1};
  const Request shorter{.prompt = Prompt(64, 3), .max_tokens = 1};
  const Streams::Id a = *streams.Submit(longer.prompt, WriterOf(longer));
  const Streams::Id b = *streams.Submit(shorter.prompt, WriterOf(shorter));
  int steps = 0, b_at = 0, a_at = 0;
  while (a_at == 0 || b_at == 0) {
    const int before = pieces;
    streams.Step(Context());
    ++steps;
    EXPECT_EQ(pieces, before + 1);  // the writer got its token in every step
    EXPECT_LE(streams.step_prompt_tokens(), 64);
    for (const Streams::Finished& f : streams.TakeFinished()) (f.id == a ? a_at : b_at) = steps;
  }
  EXPECT_LT(b_at, 4 + 8);  // in turns: two steps of 32, after steps of 8 while the pace is learnt
  EXPECT_GE(a_at, 900 / 64);
}

TEST(StreamsTest, CancelFreesSlotAndBlocksInsideAPrompt) {
  auto memory = MemoryOf(2048);
  Streams streams(Small().decoder, *memory, {.window = 1024, .slots = 1, .step_tokens = 32});
  CancelToken cancel;
  const Request r{.prompt = Prompt(1000, 1)};
  const Streams::Id a = *streams.Submit(r.prompt, WriterOf(r), &cancel);
  const Request next{.prompt = Prompt(40, 2), .max_tokens = 2};
  const Streams::Id b = *streams.Submit(next.prompt, WriterOf(next));
  for (int i = 0; i < 5; ++i) streams.Step(Context());
  EXPECT_EQ(streams.running(), 1);
  EXPECT_LT(memory->available(), memory->blocks());
  cancel.Cancel();
  streams.Step(Context());  // ends it and begins the next
  auto finished = streams.TakeFinished();
  ASSERT_GE(finished.size(), 1u);
  EXPECT_EQ(finished[0].id, a);
  EXPECT_EQ(finished[0].completion->finish, "cancelled");
  EXPECT_EQ(streams.waiting(), 0);
  RunAll(streams);
  EXPECT_EQ(memory->available(), memory->blocks());  // what is kept can be evicted
  EXPECT_EQ(streams.Submit({}, WriterOf(next)).status().code(),
            absl::StatusCode::kInvalidArgument);
  // By id, waiting or running, and unknown ones.
  const Streams::Id c = *streams.Submit(r.prompt, WriterOf(r));
  const Streams::Id d = *streams.Submit(r.prompt, WriterOf(r));
  streams.Step(Context());
  streams.Cancel(d);
  streams.Cancel(c);
  streams.Cancel(b);
  EXPECT_TRUE(streams.idle());
  EXPECT_EQ(memory->available(), memory->blocks());
  EXPECT_EQ(streams.TakeFinished().size(), 2u);
}

TEST(StreamsTest, TheContextsCancellationEndsAll) {
  auto memory = MemoryOf(2048);
  Streams streams(Small().decoder, *memory, {.window = 512, .slots = 2});
  const Request r{.prompt = Prompt(40, 1), .max_tokens = 400};
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(streams.Submit(r.prompt, WriterOf(r)).ok());
  CancelToken cancel;
  Context context;
  context.cancel = &cancel;
  streams.Step(context);
  cancel.Cancel();
  streams.Step(context);
  EXPECT_TRUE(streams.idle());
  const auto finished = streams.TakeFinished();
  EXPECT_EQ(finished.size(), 4u);
  for (const auto& f : finished) EXPECT_EQ(f.completion->finish, "cancelled");
}

// More wanted than the memory holds: streams wait for each other, and all come to their end.
TEST(StreamsTest, WaitsForMemoryAndRefusesWhatNeverFits) {
  auto memory = MemoryOf(10 * 32);
  Streams streams(Small().decoder, *memory, {.window = 400, .slots = 8});
  std::vector<Request> requests;
  for (uint64_t i = 0; i < 9; ++i) {
    Request r{.prompt = Prompt(60 + 20 * static_cast<int64_t>(i % 3), i), .max_tokens = 60};
    r.seed = i;
    requests.push_back(r);
  }
  for (const Request& r : requests) ASSERT_TRUE(streams.Submit(r.prompt, WriterOf(r)).ok());
  const Request large{.prompt = Prompt(300, 1), .max_tokens = 100};
  EXPECT_EQ(streams.Submit(large.prompt, WriterOf(large)).status().code(),
            absl::StatusCode::kResourceExhausted);
  const Request longer{.prompt = Prompt(401, 1)};
  EXPECT_EQ(streams.Submit(longer.prompt, WriterOf(longer)).status().code(),
            absl::StatusCode::kInvalidArgument);
  streams.Step(Context());
  EXPECT_LT(streams.running(), 4);
  const auto all = RunAll(streams);
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(all.at(static_cast<Streams::Id>(i)).text, Alone(requests[i], 400).text) << i;
  }
  // Memory that somebody else holds for good is an error, not an endless wait.
  auto other = memory->NewSequence();
  ASSERT_TRUE(other->Reserve(8 * 32).ok());
  ASSERT_TRUE(streams.Submit(requests[2].prompt, WriterOf(requests[2])).ok());
  streams.Step(Context());
  const auto finished = streams.TakeFinished();
  ASSERT_EQ(finished.size(), 1u);
  EXPECT_EQ(finished[0].completion.status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(StreamsTest, AFaultyGrammarEndsItsStreamAlone) {
  auto memory = MemoryOf(2048);
  Streams streams(Small().decoder, *memory, {.window = 512});
  Request good{.prompt = Prompt(20, 1), .max_tokens = 10}, bad = good;
  bad.grammar = "root ::= [^\\x00-\\U0010FFFF]";  // matches nothing
  const Streams::Id g = *streams.Submit(good.prompt, WriterOf(good));
  const Streams::Id b = *streams.Submit(bad.prompt, WriterOf(bad));
  std::map<Streams::Id, absl::StatusOr<text::Completion>> all;
  while (!streams.idle()) {
    streams.Step(Context());
    for (Streams::Finished& f : streams.TakeFinished()) all.emplace(f.id, std::move(f.completion));
  }
  EXPECT_EQ(all.at(b).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(all.at(g)->text, Alone(good).text);
}

TEST(StreamsTest, ScopesShareNothing) {
  auto memory = MemoryOf(4096);
  Streams streams(Small().decoder, *memory, {.window = 512});
  const Request r{.prompt = Prompt(200, 1), .max_tokens = 2};
  std::map<Streams::Id, int64_t> reused;
  for (const char* scope : {"anna", "ben", "anna"}) {
    reused[*streams.Submit(r.prompt, WriterOf(r), nullptr, scope)] = -1;
  }
  while (!streams.idle()) streams.Step(Context());
  reused[*streams.Submit(r.prompt, WriterOf(r), nullptr, "carl")] = -1;
  reused[*streams.Submit(r.prompt, WriterOf(r), nullptr, "ben")] = -1;
  while (!streams.idle()) streams.Step(Context());
  for (const auto& f : streams.TakeFinished()) reused[f.id] = f.reused;
  EXPECT_EQ(reused, (std::map<Streams::Id, int64_t>{{0, 0}, {1, 0}, {2, 192}, {3, 0}, {4, 192}}));
}

}  // namespace
}  // namespace weir::generate
