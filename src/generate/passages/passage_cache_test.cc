// Stored passages against a prefill of the same tokens: equal where they must be, close where they
// may differ, and whole again after every kind of damage.
#include "generate/passages/passage_cache.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/threads.h"
#include "generate/kv/policy.h"
#include "generate/passages/stored_rows.h"
#include "gtest/gtest.h"
#include "model/decoder_fixture.h"
#include "model/gguf.h"

namespace weir::generate {
namespace {
namespace fs = std::filesystem;

std::shared_ptr<const model::Decoder> SmallDecoderOf(const std::string& architecture) {
  model::SmallDecoder m{.architecture = architecture, .layers = 6, .hidden = 128, .head_dim = 32};
  if (architecture == "gemma3") m.window = 24, m.window_base = 1000;
  m.Fill();
  if (architecture == "qwen2") {  // as Qwen2.5: biases that dwarf the keys
    for (int l = 0; l < m.layers; ++l) {
      for (float& b : m.tensors["blk." + std::to_string(l) + ".attn_k.bias"]) b *= 400;
    }
  }
  auto bytes = std::make_shared<std::string>(m.Builder().Build());
  auto file = model::GgufFile::Parse(std::as_bytes(std::span(*bytes)));
  EXPECT_TRUE(file.ok()) << file.status();
  // The file borrows the bytes.
  std::shared_ptr<const model::GgufFile> kept(file->get(), [bytes, f = *file](const auto*) {});
  auto decoder = model::Decoder::Load(kept, Context());
  EXPECT_TRUE(decoder.ok()) << decoder.status();
  return *decoder;
}

std::unique_ptr<Session> NewSession(std::shared_ptr<const model::Decoder> decoder) {
  KvChoice choice;
  choice.format = "q8";
  auto session = Session::Make(std::move(decoder), choice, 512);
  EXPECT_TRUE(session.ok()) << session.status();
  return *std::move(session);
}

std::vector<int32_t> Some(int n, int seed) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < n; ++i) tokens.push_back((i * 7 + seed * 13 + i * i % 11) % 50);
  return tokens;
}

PassagePrompt Three() {
  PassagePrompt prompt;
  prompt.head = Some(11, 1);
  for (int i = 0; i < 3; ++i)
    prompt.passages.push_back({"p" + std::to_string(i), Some(37 + i, i + 2)});
  prompt.tail = Some(9, 8);
  return prompt;
}

class PassageCacheTest : public testing::Test {
 protected:
  PassageCacheTest() {
    folder_ = testing::TempDir() + "/weir_passage_cache_test_" + std::to_string(getpid());
    fs::remove_all(folder_);
    context_.threads = &two_;
  }
  ~PassageCacheTest() override { fs::remove_all(folder_); }

  PassageCache NewCache(Session* session, const PassagePrompt& prompt) const {
    const auto fingerprint = PassageCache::Fingerprint("model", prompt.head, *session);
    return PassageCache(PassageStore(folder_, "small", fingerprint), prompt.head, session);
  }

  // Logits after the prompt, its passages read from the store.
  std::vector<float> Stored(Session& session, const PassagePrompt& prompt,
                            const PassageOptions& options, PassageReport* report = nullptr) {
    PassageCache cache = NewCache(&session, prompt);
    auto read = cache.Read(prompt, options, context_);
    EXPECT_TRUE(read.ok()) << read.status();
    if (report != nullptr && read.ok()) *report = *read;
    EXPECT_TRUE(session.Feed(prompt.Tokens(), context_).ok());
    std::vector<float> logits(session.logits().begin(), session.logits().end());
    session.EndBorrow();
    return logits;
  }

  static std::vector<float> Prefilled(std::shared_ptr<const model::Decoder> decoder,
                                      const PassagePrompt& prompt) {
    auto session = NewSession(std::move(decoder));
    EXPECT_TRUE(session->Feed(prompt.Tokens(), Context()).ok());
    return {session->logits().begin(), session->logits().end()};
  }

  std::string folder_;
  Threads two_{2};
  Context context_;
};

double Farthest(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    most = std::max<double>(most, std::fabs(a[i] - b[i]));
    size = std::max<double>(size, std::fabs(a[i]));
  }
  return most / size;
}

TEST_F(PassageCacheTest, AllTokensAgainEqualsPrefill) {
  for (const char* architecture : {"llama", "qwen2", "gemma3"}) {
    fs::remove_all(folder_);
    const auto decoder = SmallDecoderOf(architecture);
    auto session = NewSession(decoder);
    PassagePrompt prompt = Three();
    for (int round = 0; round < 3; ++round) {
      std::rotate(prompt.passages.begin(), prompt.passages.begin() + 1, prompt.passages.end());
      const std::vector<float> want = Prefilled(decoder, prompt);
      for (const char* method : {"all", "first", "deviation", "attention"}) {
        // Gemma's passages are longer than its window: what lies before it is not stored.
        const bool whole = std::string(architecture) != "gemma3" || std::string(method) == "all" ||
                           std::string(method) == "first";
        if (!whole) continue;
        EXPECT_EQ(Stored(*session, prompt, {method, 1.0}), want) << architecture << " " << method;
      }
    }
  }
}

TEST_F(PassageCacheTest, TemperatureDividesKeysOfMovedPassages) {
  const auto decoder = SmallDecoderOf("llama");
  auto session = NewSession(decoder);
  const PassagePrompt prompt = Three();
  const KvShape& shape = session->sequence().shape();
  const size_t row = static_cast<size_t>(shape.kv_heads) * shape.head_dim;
  const size_t unmoved = prompt.head.size() + prompt.passages[0].tokens.size();
  const size_t stored = prompt.Tokens().size() - prompt.tail.size();
  const auto read = [&](double temperature) {
    PassageCache cache = NewCache(session.get(), prompt);
    EXPECT_TRUE(cache.Read(prompt, {"none", 0, temperature}, context_).ok());
    std::vector<float> k(stored * row), v(k.size());
    EXPECT_TRUE(session->sequence()
                    .Read(shape.layers - 1, 0, static_cast<int64_t>(stored), k.data(), v.data())
                    .ok());
    session->EndBorrow();
    return std::pair(k, v);
  };
  const auto plain = read(1), sharp = read(0.5);
  EXPECT_EQ(plain.second, sharp.second);
  // A factor of two is exact in every step.
  for (size_t i = 0; i < plain.first.size(); ++i) {
    ASSERT_EQ(sharp.first[i], plain.first[i] * (i / row < unmoved ? 1 : 2)) << i / row;
  }
}

TEST_F(PassageCacheTest, OnePassageEqualsPrefill) {
  for (const char* architecture : {"llama", "qwen2", "gemma3"}) {
    fs::remove_all(folder_);
    const auto decoder = SmallDecoderOf(architecture);
    auto session = NewSession(decoder);
    PassagePrompt prompt = Three();
    prompt.passages.resize(1);
    const std::vector<float> want = Prefilled(decoder, prompt);
    for (const char* method : {"none", "first", "deviation", "attention", "all"}) {
      for (const double share : {0.0, 0.1, 1.0}) {
        EXPECT_EQ(Stored(*session, prompt, {method, share}), want) << architecture << " " << method;
      }
    }
  }
}

// On the first layer keys and values depend on the token and its place alone: what was moved must
// be what prefill would have stored there, but for the second rounding.
TEST_F(PassageCacheTest, MovedKeysAreThoseOfTheirPlace) {
  for (const char* architecture : {"llama", "qwen2", "gemma3"}) {
    fs::remove_all(folder_);
    const auto decoder = SmallDecoderOf(architecture);
    auto session = NewSession(decoder), whole = NewSession(decoder);
    const PassagePrompt prompt = Three();
    PassageCache cache = NewCache(session.get(), prompt);
    ASSERT_TRUE(cache.Read(prompt, {"none", 0, 1}, context_).ok());
    ASSERT_TRUE(whole->Feed(prompt.Tokens(), context_).ok());
    const KvShape& shape = session->sequence().shape();
    const int width = shape.kv_heads * shape.head_dim;
    std::vector<float> k(width), v(width), k0(width), v0(width);
    const auto moved = session->sequence().Blocks(0), want = whole->sequence().Blocks(0);
    const int64_t first = shape.window(0) > 0 ? session->size() - shape.window(0) : 0;
    for (int64_t t = first; t < session->size(); ++t) {
      const KvFormat& format = session->sequence().format();
      ASSERT_TRUE(format.Read(moved[t / 32], t % 32, k.data(), v.data(), shape).ok());
      ASSERT_TRUE(format.Read(want[t / 32], t % 32, k0.data(), v0.data(), shape).ok());
      EXPECT_EQ(v, v0) << architecture << " " << t;
      for (int part = 0; part < width; part += 32) {
        float peak = 0;
        for (int i = part; i < part + 32; ++i) peak = std::max(peak, std::fabs(k0[i]));
        // Half a step of each rounding; a turn mixes two channels of it.
        for (int i = part; i < part + 32; ++i)
          ASSERT_NEAR(k[i], k0[i], peak * 2.6 / 127) << architecture << " " << t << " " << i;
      }
    }
  }
}

TEST_F(PassageCacheTest, MoreTokensAgainComeCloser) {
  const auto decoder = SmallDecoderOf("llama");
  auto session = NewSession(decoder);
  const PassagePrompt prompt = Three();
  const std::vector<float> want = Prefilled(decoder, prompt);
  for (const char* method : {"first", "deviation", "attention"}) {
    const double none = Farthest(want, Stored(*session, prompt, {"none", 0}));
    const double most = Farthest(want, Stored(*session, prompt, {method, 0.9}));
    EXPECT_GT(none, 0) << method;
    EXPECT_LT(most, none) << method;
    PassageReport report;
    Stored(*session, prompt, {method, 0.25}, &report);
    EXPECT_EQ(report.tokens, 37 + 38 + 39);
    EXPECT_NEAR(report.again, 0.25 * (38 + 39), 2) << method;
  }
}

TEST_F(PassageCacheTest, ThreadsAndOrderOfFillingDoNotMatter) {
  const auto decoder = SmallDecoderOf("llama");
  const PassagePrompt prompt = Three();
  auto first = NewSession(decoder), second = NewSession(decoder);
  const std::vector<float> want = Stored(*first, prompt, {"first", 0.1});
  fs::remove_all(folder_);
  context_.threads = nullptr;
  PassageCache cache = NewCache(second.get(), prompt);
  for (int i : {2, 0, 1}) {
    auto filled = cache.Fill(prompt.passages[i], context_);
    ASSERT_TRUE(filled.ok()) << filled.status();
    EXPECT_TRUE(*filled);
    EXPECT_FALSE(*cache.Fill(prompt.passages[i], context_));
  }
  PassageReport report;
  EXPECT_EQ(Stored(*second, prompt, {"first", 0.1}, &report), want);
  EXPECT_EQ(report.missing, 0);
}

TEST_F(PassageCacheTest, NothingApproximateOutlivesARead) {
  const auto decoder = SmallDecoderOf("llama");
  auto session = NewSession(decoder);
  const PassagePrompt prompt = Three();
  const std::vector<float> want = Prefilled(decoder, prompt);
  EXPECT_NE(Stored(*session, prompt, {"none", 0}), want);
  ASSERT_TRUE(session->Feed(prompt.Tokens(), context_).ok());
  EXPECT_EQ(std::vector<float>(session->logits().begin(), session->logits().end()), want);
  EXPECT_EQ(session->reused(), 11 + 37);  // the head and the passage that was not moved
}

TEST_F(PassageCacheTest, DamagedAndForeignFilesAreComputedAgain) {
  const auto decoder = SmallDecoderOf("llama");
  auto session = NewSession(decoder);
  const PassagePrompt prompt = Three();
  const std::vector<float> want = Stored(*session, prompt, {"first", 0.1});
  PassageCache cache = NewCache(session.get(), prompt);
  const std::string path = cache.store().folder() + "/p1.kv";
  auto original = ReadFile(path);
  ASSERT_TRUE(original.ok());
  for (size_t at :
       {size_t{3}, size_t{50}, size_t{90}, original->size() / 2, original->size() - 70}) {
    std::string damaged = *original;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    ASSERT_TRUE(WriteFileAtomic(path, damaged).ok());
    PassageReport report;
    EXPECT_EQ(Stored(*session, prompt, {"first", 0.1}, &report), want) << at;
    EXPECT_EQ(report.missing, 1) << at;
    EXPECT_EQ(*ReadFile(path), *original) << at;
    ASSERT_TRUE(WriteFileAtomic(path, damaged).ok());
    EXPECT_TRUE(cache.Fill(prompt.passages[1], context_).value()) << at;
    EXPECT_EQ(*ReadFile(path), *original) << at;
    EXPECT_FALSE(cache.Fill(prompt.passages[1], context_).value()) << at;
  }
  // The file of another passage under this name.
  ASSERT_TRUE(WriteFileAtomic(path, *ReadFile(cache.store().folder() + "/p2.kv")).ok());
  EXPECT_EQ(Stored(*session, prompt, {"first", 0.1}), want);
}

TEST_F(PassageCacheTest, TheColdFormIsSmallerAndClose) {
  for (const char* architecture : {"llama", "qwen2", "gemma3"}) {
    fs::remove_all(folder_);
    const auto decoder = SmallDecoderOf(architecture);
    auto session = NewSession(decoder);
    const PassagePrompt prompt = Three();
    const std::vector<float> hot = Stored(*session, prompt, {"first", 0.1});
    PassageCache cache = NewCache(session.get(), prompt);
    const int64_t hot_bytes = cache.store().Measure()->bytes;
    const std::vector<std::string> keys = {"p0", "p1", "p2"};
    EXPECT_FALSE(cache.HasTables());
    ASSERT_TRUE(cache.Cool(keys, 3, context_).ok());
    EXPECT_TRUE(cache.HasTables());
    EXPECT_LT(cache.store().Measure()->bytes, hot_bytes) << architecture;
    EXPECT_EQ(cache.store().Measure()->passages, 4);
    ASSERT_TRUE(cache.Cool(keys, 3, context_).ok());  // cold already
    PassageReport report;
    const std::vector<float> cold = Stored(*session, prompt, {"first", 0.1}, &report);
    EXPECT_EQ(report.missing, 0) << architecture;
    EXPECT_LT(Farthest(hot, cold), 0.5) << architecture;
    EXPECT_EQ(Stored(*session, prompt, {"all", 1}), Prefilled(decoder, prompt)) << architecture;
    // Without its tables, or damaged, it is computed again.
    const std::string folder = cache.store().folder();
    for (const char* name : {"/p1.cold", "/tables.codec"}) {
      std::string bytes = *ReadFile(folder + name);
      bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
      ASSERT_TRUE(WriteFileAtomic(folder + name, bytes).ok());
      Stored(*session, prompt, {"first", 0.1}, &report);
      EXPECT_GT(report.missing, 0) << name;
    }
    EXPECT_EQ(Stored(*session, prompt, {"first", 0.1}), hot) << architecture;
  }
}

TEST_F(PassageCacheTest, PruneKeepsTheHeadAndWhatLives) {
  auto session = NewSession(SmallDecoderOf("llama"));
  PassagePrompt prompt = Three();
  Stored(*session, prompt, {"none", 0});
  PassageCache cache = NewCache(session.get(), prompt);
  ASSERT_TRUE(WriteFileAtomic(cache.store().folder() + "/p0.kv.tmp.7", "half").ok());
  prompt.head.push_back(3);  // another fingerprint, another folder
  Stored(*session, prompt, {"none", 0});
  EXPECT_EQ(cache.store().Measure()->passages, 4);
  auto removed = cache.store().Prune({"p0", "p2"});
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_EQ(removed->passages, 1 + 1 + 4);  // p1, the rest of a write, the other folder's
  EXPECT_TRUE(cache.store().Has(kHeadKey));
  EXPECT_TRUE(cache.store().Has("p0"));
  EXPECT_FALSE(cache.store().Has("p1"));
  EXPECT_EQ(PrunePassages(folder_, {})->passages, 2);
  EXPECT_TRUE(cache.store().Has(kHeadKey));
  EXPECT_EQ(PrunePassages(folder_ + "/none", {})->passages, 0);
}

TEST_F(PassageCacheTest, RefusesWhatDoesNotFit) {
  const auto decoder = SmallDecoderOf("llama");
  auto session = NewSession(decoder);
  PassagePrompt prompt = Three();
  prompt.passages.resize(1);
  prompt.passages[0].tokens = Some(500, 3);
  PassageCache cache = NewCache(session.get(), prompt);
  EXPECT_TRUE(absl::IsInvalidArgument(cache.Read(prompt, {}, context_).status()));
  KvChoice half;
  half.format = "f16";
  auto other = Session::Make(decoder, half, 512);
  ASSERT_TRUE(other.ok());
  EXPECT_TRUE(absl::IsUnimplemented(PassageCache::Check(**other)));
  EXPECT_TRUE(PassageCache::Check(*session).ok());
}

TEST_F(PassageCacheTest, ATruncatedFileIsNamed) {
  auto session = NewSession(SmallDecoderOf("llama"));
  const PassagePrompt prompt = Three();
  Stored(*session, prompt, {"none", 0});
  PassageCache cache = NewCache(session.get(), prompt);
  const std::string path = cache.store().folder() + "/p1.kv";
  const std::string bytes = *ReadFile(path);
  for (size_t size : {size_t{0}, size_t{10}, size_t{80}, size_t{400}, bytes.size() - 1}) {
    ASSERT_TRUE(WriteFileAtomic(path, bytes.substr(0, size)).ok());
    const absl::Status status = PassageFile::Open(path).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << size;
    EXPECT_NE(status.message().find(path), std::string::npos) << status;
  }
  std::string other = bytes;
  other[8] = 9;
  ASSERT_TRUE(WriteFileAtomic(path, other).ok());
  EXPECT_TRUE(absl::IsUnimplemented(PassageFile::Open(path).status()));
}

}  // namespace
}  // namespace weir::generate
