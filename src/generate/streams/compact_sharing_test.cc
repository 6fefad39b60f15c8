// Prompts that are kept in a format with a compact form: whoever goes on from one computes what it
// would have computed alone, and every form of a block is stored once.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "generate/completion.h"
#include "generate/engine_fixture.h"
#include "generate/kv/feed_fixture.h"
#include "generate/sample/random.h"
#include "generate/session.h"
#include "generate/streams/kv_memory.h"
#include "generate/streams/streams.h"
#include "gtest/gtest.h"
#include "model/gguf.h"

namespace weir::generate {

void RegisterKivi(Registry& registry);

namespace {

using feed::Feed, feed::Ids, feed::kShape;

std::unique_ptr<KvMemory> MemoryOf(const std::string& kv, const KvShape& shape, int64_t tokens) {
  Registry techniques;
  RegisterKivi(techniques);
  return *KvMemory::Make(*KvPolicy::Make({.format = kv}, shape, techniques), shape, tokens);
}

std::vector<std::vector<float>> Rest(PagedSequence& s, const std::vector<int>& ids) {
  return Feed(s, std::span(ids).subspan(s.length()));
}

// The newest `n` tokens of each layer.
std::vector<std::vector<float>> Newest(std::vector<std::vector<float>> out, size_t n) {
  for (auto& layer : out) {
    layer.erase(layer.begin(), layer.end() - static_cast<int64_t>(n * feed::kWidth));
  }
  return out;
}

TEST(CompactSharingTest, APromptAskedAgainStoresNothing) {
  auto memory = MemoryOf("kivi2:residual=64", kShape, 4096);
  PrefixCache& cache = *memory->prefixes();
  const std::vector<int> prompt = Ids(320);
  auto first = memory->NewSequence();
  for (int at = 0; at < 320; at += 64) {
    Feed(*first, std::span(prompt).subspan(at, 64));
    cache.Insert("", prompt, *first, 320);
  }
  const int64_t stored = memory->placement().used_bytes();
  // While its first owner writes on, which keeps no open form of it.
  Feed(*first, Ids(200, 1000));
  std::vector<int> longer = prompt;
  const std::vector<int> more = Ids(200, 1000);
  longer.insert(longer.end(), more.begin(), more.end());
  cache.Insert("", longer, *first, 320);
  first.reset();
  cache.Evict(0);
  EXPECT_EQ(cache.Match("", prompt), 320);
  EXPECT_EQ(cache.Match("", std::span(prompt).first(319)), 288);
  EXPECT_EQ(cache.Match("", longer), 512);
  for (const size_t taken : {320, 319}) {
    const auto wanted = std::span(prompt).first(taken);
    std::vector<std::unique_ptr<PagedSequence>> again;
    const int64_t before = memory->placement().used_bytes();
    for (int i = 0; i < 3; ++i) {
      again.push_back(memory->NewSequence());
      cache.Adopt("", wanted, *again.back());
    }
    EXPECT_EQ(memory->placement().used_bytes(), before);
    for (int i = 0; i < 3; ++i) {
      std::vector<int> ids = prompt;
      const std::vector<int> own = Ids(150, 2000 + 1000 * i);
      ids.insert(ids.end(), own.begin(), own.end());
      const auto got = Rest(*again[i], ids);
      auto alone = memory->NewSequence();
      EXPECT_EQ(got, Newest(Feed(*alone, ids), got[0].size() / feed::kWidth));
    }
  }
  EXPECT_GT(stored, 0);
}

// Open forms are kept for the first block and the prompt's last 3; 6 blocks are compact alone.
TEST(CompactSharingTest, KeepsOpenWhatIsGoneOnFromAlone) {
  auto memory = MemoryOf("kivi2:residual=64", kShape, 4096);
  PrefixCache& cache = *memory->prefixes();
  const std::vector<int> prompt = Ids(320);
  auto s = memory->NewSequence();
  for (int at = 0; at < 320; at += 32) {
    Feed(*s, std::span(prompt).subspan(at, 32));
    cache.Insert("", prompt, *s, 320);
  }
  Feed(*s, Ids(160, 1000));  // all of the prompt is compact now
  cache.Insert("", prompt, *s, 320);
  s.reset();
  const KvFormat& format = memory->policy()->format();
  EXPECT_EQ(memory->placement().used_bytes(),
            kShape.layers * static_cast<int64_t>(10 * format.CompactBytes(kShape) +
                                                 4 * format.BlockBytes(kShape)));
  // A prompt that leaves it at 200 goes on from where all before is open.
  EXPECT_EQ(cache.Match("", std::span(prompt).first(200)), 32);
  EXPECT_EQ(memory->available(), memory->blocks());
  EXPECT_EQ(memory->available_compact(), memory->blocks());
  cache.Clear();
  EXPECT_EQ(memory->placement().used_bytes(), 0);
}

// Prompts of a small tree, taken up, gone on with, cut and let go at random in a memory that is
// short; each result is that of a sequence alone.
TEST(CompactSharingTest, HistoryDoesNotShow) {
  int64_t reused = 0, full = 0;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    auto memory = MemoryOf("kivi2:residual=32", kShape, 40 * 32);
    auto alone_memory = MemoryOf("kivi2:residual=32", kShape, 40 * 32);
    PrefixCache& cache = *memory->prefixes();
    std::vector<std::pair<std::vector<int>, std::unique_ptr<PagedSequence>>> held;
    uint64_t draw = 0;
    const auto below = [&](int n) { return static_cast<int>(UniformAt(seed, draw++) * n); };
    for (int step = 0; step < 120; ++step) {
      if (held.size() > 2 || (!held.empty() && below(3) == 0)) {
        held.erase(held.begin() + below(static_cast<int>(held.size())));
      }
      std::vector<int> ids;
      for (int branch = 0, branches = 1 + below(4); branch < branches; ++branch) {
        const int first = 1000 * branch + 300 * below(2) + 1;
        const std::vector<int> part = Ids(64 + below(2) * 40, first);
        ids.insert(ids.end(), part.begin(), part.end());
      }
      auto s = memory->NewSequence();
      const auto prompt = std::span<const int>(ids);
      while (s->length() < static_cast<int64_t>(ids.size())) {
        if (s->length() % 32 == 0) {
          const int64_t before = s->length();
          reused += cache.Adopt("", prompt, *s) - before;
          if (s->length() == static_cast<int64_t>(ids.size())) break;
        }
        const int64_t left = static_cast<int64_t>(ids.size()) - s->length();
        const int64_t n = std::min<int64_t>(left, 1 + below(90));
        const int64_t at = s->length();
        const bool fits = (at + n + 31) / 32 - s->blocks_per_layer() <= memory->available() &&
                          (at + n + 31) / 32 <= memory->available_compact();
        if (!fits && !s->Reserve(n).ok()) break;
        const auto got = Feed(*s, prompt.subspan(at, n));
        cache.Insert("", ids, *s, static_cast<int64_t>(ids.size()));
        if (below(3) != 0) continue;
        auto alone = alone_memory->NewSequence();
        ASSERT_EQ(got, Newest(Feed(*alone, prompt.first(at + n)), n)) << seed << " " << step;
      }
      full += s->length() < static_cast<int64_t>(ids.size());
      if (below(2) == 0) s->Truncate(s->Reusable(below(static_cast<int>(s->length()) + 1)));
      ids.resize(s->length());
      held.emplace_back(ids, std::move(s));
    }
    held.clear();
    EXPECT_EQ(memory->available(), memory->blocks());
    EXPECT_EQ(memory->available_compact(), memory->blocks());
    cache.Clear();
    EXPECT_EQ(memory->placement().used_bytes(), 0);
  }
  EXPECT_GT(reused, 10000);
  EXPECT_LT(full, 300);
}

TEST(CompactSharingTest, StreamsOverOnePromptWriteWhatTheyWriteAlone) {
  const std::string path = testing::TempDir() + "/weir_compact_sharing_test.gguf";
  const auto bytes = SmallModelBytes(false, kChatTemplate, {.hidden = 128, .head_dim = 32});
  ASSERT_TRUE(WriteFileAtomic(path, bytes).ok());
  const auto file = *model::GgufFile::Open(path);
  const std::shared_ptr<const model::Decoder> decoder = *model::Decoder::Load(file, Context());
  const auto tokenizer = *model::Tokenizer::FromGguf(*file);
  const KvShape shape = KvShapeOf(decoder->shape());
  std::vector<int32_t> prefix(300);
  for (size_t i = 0; i < prefix.size(); ++i)
    prefix[i] = static_cast<int32_t>(UniformAt(3, i) * 256);
  const auto writer_of = [&](const std::vector<int32_t>& prompt, uint64_t seed) {
    text::CompletionRequest request;
    request.max_tokens = 120;
    request.temperature = 1.5;
    request.seed = seed;
    return *CompletionWriter::Make(prompt, request, {.temperature = 1.5, .seed = seed}, nullptr,
                                   *tokenizer, SteadyNowNs);
  };
  auto memory = MemoryOf("kivi2:residual=32", shape, 8 * 512);
  Streams streams(decoder, *memory, {.window = 512, .slots = 8, .step_tokens = 50});
  std::vector<std::vector<int32_t>> prompts;
  for (int i = 0; i < 8; ++i) {
    prompts.push_back(prefix);
    for (int j = 0; j < 9 * (i % 4); ++j) prompts.back().push_back(i);
    ASSERT_TRUE(streams.Submit(prompts.back(), writer_of(prompts.back(), i)).ok());
  }
  int64_t read = 0, most_bytes = 0;
  while (!streams.idle()) {
    streams.Step(Context());
    read += streams.step_prompt_tokens();
    most_bytes = std::max(most_bytes, memory->placement().used_bytes());
  }
  EXPECT_LT(read, 300 + 8 * 80);
  // The prefix once, and up to 200 tokens of each.
  EXPECT_LT(most_bytes, memory->policy()->CacheBytes(shape, 320) +
                            8 * memory->policy()->CacheBytes(shape, 200) +
                            8 * memory->policy()->CacheBytes(shape, 64));
  for (const Streams::Finished& f : streams.TakeFinished()) {
    ASSERT_TRUE(f.completion.ok());
    auto alone_memory = MemoryOf("kivi2:residual=32", shape, 512);
    const auto session = Session::Over(*alone_memory, decoder, 512);
    Speculation off({.on = false});
    const auto& prompt = prompts[f.id];
    const auto alone = *RunCompletion(prompt, *writer_of(prompt, f.id), *session, off, Context());
    EXPECT_EQ(f.completion->text, alone.text);
    EXPECT_EQ(f.completion->tokens, alone.tokens);
  }
}

}  // namespace
}  // namespace weir::generate
