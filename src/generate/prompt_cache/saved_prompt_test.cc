// Whole prompts of a small random model: saved, loaded, continued, damaged, and loaded over links.
#include "generate/prompt_cache/saved_prompt.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "generate/engine_fixture.h"
#include "generate/prompt_cache/cachegen.h"
#include "gtest/gtest.h"

namespace weir::generate {
namespace {

// The small model with a window of 2,048 instead of 512.
std::string LongModelBytes() {
  std::string bytes = SmallModelBytes();
  const std::string key = "llama.context_length";
  const uint32_t window = 2048;
  std::memcpy(&bytes[bytes.find(key) + key.size() + 4], &window, sizeof(window));
  return bytes;
}

class SavedPromptTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/prompts";
    std::filesystem::create_directories(folder_);
    ASSERT_TRUE(WriteFileAtomic(folder_ + "/m.gguf", LongModelBytes()).ok());
    model_ = *PromptModel::Load(folder_ + "/m.gguf", "f16", 2048, context_);
    for (int i = 0; i < 100; ++i) absl::StrAppend(&text_, "line ", i, ". ");
  }
  // Saves text_ and returns the file's bytes.
  std::string Saved(PromptForm form, std::vector<int> levels = {1, 2, 3}) {
    SaveReport report;
    auto bytes = SavePrompt(*model_, form, text_, levels, nullptr, report, context_);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    EXPECT_EQ(report.bytes, static_cast<int64_t>(bytes->size()));
    return *std::move(bytes);
  }
  std::vector<float> LogitsAfter(std::span<const int32_t> tokens) {
    EXPECT_TRUE(model_->session().Feed(tokens, context_).ok());
    return {model_->session().logits().begin(), model_->session().logits().end()};
  }

  Context context_;
  std::string folder_, text_;
  std::unique_ptr<PromptModel> model_;
};

double Distance(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

TEST_F(SavedPromptTest, LoadingStandsForComputing) {
  const std::string bytes = Saved(PromptForm::kPlain);
  const auto file = PromptFile::Parse(bytes, "p.prompt");
  ASSERT_TRUE(file.ok()) << file.status();
  const PromptHead& head = (*file)->head();
  EXPECT_EQ(head.text, text_);
  EXPECT_EQ(head.tokens, *PromptTokensOf(*model_, PromptForm::kPlain, text_));
  EXPECT_EQ(head.chunks(), static_cast<int>((head.cached() + 255) / 256));
  model_->session().Forget();
  const std::vector<float> exact = LogitsAfter(head.tokens);
  double before = 1e9, scale = Distance(exact, std::vector<float>(exact.size(), 0.0f));
  for (int level = 1; level <= kCodecLevels; ++level) {
    const auto report = LoadPrompt(*model_, **file, {.level = level}, context_);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->loaded_tokens, head.cached());
    EXPECT_EQ(report->levels, std::vector<int>(head.chunks(), level));
    EXPECT_EQ(model_->session().size(), head.cached());
    const std::vector<float> logits = LogitsAfter(head.tokens);
    EXPECT_EQ(model_->session().reused(), head.cached());
    const double off = Distance(exact, logits) / scale;
    EXPECT_GT(off, 0);
    EXPECT_LT(off, before) << "level " << level;
    before = off;
  }
  EXPECT_LT(before, 0.1);
}

// What the cache held is what the chunks say, on 1 thread and 2, whichever way it was loaded.
TEST_F(SavedPromptTest, SameBytesWithTwoThreads) {
  const std::string one = Saved(PromptForm::kPlain, {2});
  Threads two(2);
  context_.threads = &two;
  EXPECT_EQ(Saved(PromptForm::kPlain, {2}), one);
  const auto file = *PromptFile::Parse(one, "p");
  ASSERT_TRUE(LoadPrompt(*model_, *file, {}, context_).ok());
  const auto with_two = LogitsAfter(file->head().tokens);
  context_.threads = nullptr;
  ASSERT_TRUE(LoadPrompt(*model_, *file, {}, context_).ok());
  EXPECT_EQ(LogitsAfter(file->head().tokens), with_two);
}

TEST_F(SavedPromptTest, AQuestionReusesTheSavedTokens) {
  const std::string bytes = Saved(PromptForm::kChat, {3});
  const auto file = *PromptFile::Parse(bytes, "p");
  for (const char* question : {"Who?", "(a) or (b)?", "\xC3\xA9t\xC3\xA9?"}) {
    ASSERT_TRUE(LoadPrompt(*model_, *file, {}, context_).ok());
    const auto prompt = *QuestionTokens(*model_, file->head().text, question);
    ASSERT_TRUE(model_->session().Feed(prompt, context_).ok());
    EXPECT_EQ(model_->session().reused(), file->head().cached()) << question;
  }
}

TEST_F(SavedPromptTest, TablesOfAModelServeOtherTexts) {
  const auto tokens = *PromptTokensOf(*model_, PromptForm::kPlain, text_);
  ASSERT_TRUE(model_->session().Feed(tokens, context_).ok());
  const auto codec = *FitOnSession(*model_, static_cast<int64_t>(tokens.size()),
                                    std::vector<int>{1, 2, 3}, context_);
  setenv("WEIR_HOME", folder_.c_str(), 1);
  EXPECT_EQ(*ReadTables(model_->identity()), nullptr);
  ASSERT_TRUE(WriteTables(model_->identity(), *codec).ok());
  const auto read = ReadTables(model_->identity());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)->Save(0), codec->Save(0));
  SaveReport report;
  const std::string other = "Another text, which no table has seen: " + std::string(400, 'q');
  const int levels[] = {2};
  const auto bytes =
      SavePrompt(*model_, PromptForm::kPlain, other, levels, *read, report, context_);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const auto file = *PromptFile::Parse(*bytes, "p");
  EXPECT_TRUE(LoadPrompt(*model_, *file, {}, context_).ok());
  // One flipped bit.
  std::string damaged = *ReadFile(TablesPath(model_->identity()));
  damaged[damaged.size() / 2] ^= 4;
  ASSERT_TRUE(WriteFileAtomic(TablesPath(model_->identity()), damaged).ok());
  EXPECT_EQ(ReadTables(model_->identity()).status().code(), absl::StatusCode::kDataLoss);
  std::filesystem::remove(TablesPath(model_->identity()));
  unsetenv("WEIR_HOME");
}

TEST_F(SavedPromptTest, DamageIsFoundAndNamed) {
  const std::string bytes = Saved(PromptForm::kPlain, {1, 3});
  const auto whole = *PromptFile::Parse(bytes, "whole");
  const auto head_bytes = static_cast<size_t>(whole->head_bytes());
  for (size_t size = 0; size < bytes.size(); size += 1 + size / 16) {
    EXPECT_EQ(PromptFile::Parse(std::string_view(bytes).substr(0, size), "cut").status().code(),
              absl::StatusCode::kDataLoss);
  }
  std::mt19937 random(6);
  for (int i = 0; i < 400; ++i) {
    std::string bad = bytes;
    const size_t at = random() % bad.size();
    bad[at] ^= static_cast<char>(1 << random() % 8);
    const auto file = PromptFile::Parse(bad, "bad.prompt");
    if (at < head_bytes) {
      ASSERT_FALSE(file.ok()) << at;
      EXPECT_TRUE(absl::StrContains(file.status().message(), "bad.prompt"));
      continue;
    }
    ASSERT_TRUE(file.ok()) << at << file.status();
    int damaged = 0;
    for (int level : {1, 3}) {
      const auto loaded = LoadPrompt(*model_, **file, {.level = level}, context_);
      if (loaded.ok()) continue;
      ++damaged;
      EXPECT_EQ(loaded.status().code(), absl::StatusCode::kDataLoss);
      EXPECT_TRUE(absl::StrContains(loaded.status().message(), "bad.prompt: chunk "))
          << loaded.status();
    }
    EXPECT_EQ(damaged, 1) << at;
    if (i >= 40 && i % 10 != 0) i += 5;  // loading is the slow part
  }
  std::string other = bytes;
  other[8] = 9;  // the version
  EXPECT_EQ(PromptFile::Parse(other, "p").status().code(), absl::StatusCode::kUnimplemented);
}

TEST_F(SavedPromptTest, AnotherModelIsRefused) {
  const std::string bytes = Saved(PromptForm::kPlain, {2});
  const auto file = *PromptFile::Parse(bytes, "p.prompt");
  const ModelIdentity& mine = file->head().identity;
  const auto refused = [&](const ModelIdentity& other, std::string_view word) {
    const absl::Status status = mine.CheckSame(other);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(absl::StrContains(status.message(), word)) << status;
  };
  ModelIdentity other = mine;
  EXPECT_TRUE(mine.CheckSame(other).ok());
  other.weights ^= 1, refused(other, "weights");
  other.tokenizer ^= 1, refused(other, "tokenizer");
  other.rope_bases[0] = 12345, refused(other, "rope base");
  other.types = "Q8_0 9", refused(other, "quantisation F32");
  other.shape.layers += 1, refused(other, "shape");
  other.architecture = "gemma3", refused(other, "architecture llama, the loaded one has gemma3");
  // A model of the same shape with one weight changed.
  std::string changed = LongModelBytes();
  changed[changed.size() - 5] ^= 1;
  ASSERT_TRUE(WriteFileAtomic(folder_ + "/other.gguf", changed).ok());
  const auto model = *PromptModel::Load(folder_ + "/other.gguf", "f16", 2048, context_);
  const auto loaded = LoadPrompt(*model, *file, {}, context_);
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(loaded.status().message(), "p.prompt")) << loaded.status();
  EXPECT_TRUE(absl::StrContains(loaded.status().message(), "weights")) << loaded.status();
}

TEST_F(SavedPromptTest, RefusesWhatDoesNotFit) {
  const std::string bytes = Saved(PromptForm::kPlain, {2});
  const auto file = *PromptFile::Parse(bytes, "p");
  EXPECT_EQ(LoadPrompt(*model_, *file, {.level = 3}, context_).status().code(),
            absl::StatusCode::kInvalidArgument);
  const auto small = *PromptModel::Load(folder_ + "/m.gguf", "f16", 300, context_);
  EXPECT_EQ(LoadPrompt(*small, *file, {}, context_).status().code(),
            absl::StatusCode::kResourceExhausted);
  SaveReport report;
  for (const std::vector<int>& levels :
       {std::vector<int>{}, std::vector<int>{2, 1}, std::vector<int>{4}, std::vector<int>{1, 1}}) {
    EXPECT_EQ(SavePrompt(*model_, PromptForm::kPlain, text_, levels, nullptr, report, context_)
                  .status()
                  .code(),
              absl::StatusCode::kInvalidArgument);
  }
  const int two[] = {2};
  EXPECT_FALSE(
      SavePrompt(*model_, PromptForm::kPlain, "", two, nullptr, report, context_).ok());
}

// The link dies after two chunks: the rest is computed, and the answer is there. (While nothing is
// known of the link, the first chunk is computed too: it is a small part of the time.)
TEST_F(SavedPromptTest, ADeadLinkFallsBackToText) {
  const std::string bytes = Saved(PromptForm::kPlain);
  const auto file = *PromptFile::Parse(bytes, "p");
  ASSERT_GE(file->head().chunks(), 4);
  LoadOptions options{.deadline_s = 5};
  options.bandwidth.step_s = 0.1;
  const double two_chunks = static_cast<double>(file->chunk_bytes(0, 2) + file->chunk_bytes(1, 3));
  options.bandwidth.bytes_per_s = {two_chunks * 10.5, 0};
  const auto report = LoadPrompt(*model_, *file, options, context_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->levels[0], 0);
  EXPECT_GT(report->levels[1], 0);
  EXPECT_EQ(report->levels.back(), 0);
  EXPECT_EQ(report->loaded_tokens + report->computed_tokens, file->head().cached());
  EXPECT_GE(report->computed_tokens, 256);
  EXPECT_LT(report->seconds, 5);
  EXPECT_EQ(LogitsAfter(file->head().tokens).size(), model_->session().logits().size());
  EXPECT_EQ(model_->session().reused(), file->head().cached());
}

// Decoding a chunk overlaps the transfer of the next: the whole takes no longer than the link.
TEST_F(SavedPromptTest, ASlowLinkIsKeptBusy) {
  const std::string bytes = Saved(PromptForm::kPlain, {2});
  const auto file = *PromptFile::Parse(bytes, "p");
  LoadOptions options;
  int64_t all = 0;
  for (int i = 0; i < file->head().chunks(); ++i) all += file->chunk_bytes(i, 2);
  options.bandwidth.bytes_per_s = {static_cast<double>(all) / 0.4};
  const auto report = LoadPrompt(*model_, *file, options, context_);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->fetched_bytes, all);
  EXPECT_GE(report->seconds, 0.39);
  EXPECT_LT(report->seconds, 0.4 + 0.3);
}

}  // namespace
}  // namespace weir::generate
