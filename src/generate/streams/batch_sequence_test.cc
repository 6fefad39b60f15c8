#include "generate/streams/batch_sequence.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/threads.h"
#include "generate/sample/random.h"
#include "generate/session.h"
#include "generate/streams/kv_memory.h"
#include "gtest/gtest.h"
#include "model/decoder_fixture.h"
#include "model/gguf.h"

namespace weir::generate {
namespace {

std::shared_ptr<const model::Decoder> DecoderOf(const std::string& architecture, int head_dim) {
  model::SmallDecoder m{
      .architecture = architecture, .hidden = 192, .heads = 6, .head_dim = head_dim};
  if (architecture == "gemma3") m.window = 40, m.window_pattern = 2;
  const std::string path = testing::TempDir() + "/weir_batch_" + architecture + ".gguf";
  EXPECT_TRUE(WriteFileAtomic(path, m.Fill().Builder().Build()).ok());
  auto decoder = model::Decoder::Load(*model::GgufFile::Open(path), Context());
  EXPECT_TRUE(decoder.ok()) << decoder.status();
  return *std::move(decoder);
}

std::vector<int32_t> Tokens(int64_t n, uint64_t seed) {
  std::vector<int32_t> tokens(n);
  for (int64_t i = 0; i < n; ++i) tokens[i] = static_cast<int32_t>(UniformAt(seed, i) * 50);
  return tokens;
}

// Sequences over a prefix, forks of each other and one apart: rows of all in one pass, in any size
// of chunk, give the logits of each alone.
TEST(BatchSequenceTest, LogitsOfAllFamiliesAreThoseOfEachAlone) {
  Threads two(2);
  for (const char* architecture : {"llama", "qwen2", "gemma3"}) {
    for (const char* kv : {"q8", "f16", "q8+per-sequence"}) {
      const auto decoder = DecoderOf(architecture, 32);
      const KvShape shape = KvShapeOf(decoder->shape());
      auto memory = *KvMemory::Make(*KvPolicy::Make(*ParseKvChoice(kv), shape), shape, 4096);
      const auto workspace = decoder->MakeWorkspace(512);
      const auto feed = [&](PagedSequence& s, const std::vector<int32_t>& tokens) {
        ASSERT_TRUE(decoder
                        ->Forward(tokens, s, model::LogitRows::kNone, {}, *workspace, Context())
                        .ok());
      };
      auto base = memory->NewSequence(), apart = memory->NewSequence();
      feed(*base, Tokens(290, 1));
      feed(*apart, Tokens(70, 2));
      const std::vector<int64_t> rows = {1, 5, 1, 3, 1};
      for (int64_t batch : {1, 4, 64}) {
        for (Threads* threads : {static_cast<Threads*>(nullptr), &two}) {
          Context context;
          context.threads = threads;
          // Each alone.
          std::vector<std::vector<float>> alone;
          std::vector<std::unique_ptr<PagedSequence>> together;
          for (size_t i = 0; i < rows.size(); ++i) {
            const PagedSequence& from = i == 2 ? *apart : *base;
            auto s = from.Fork();
            alone.emplace_back(50);
            ASSERT_TRUE(decoder
                            ->Forward(Tokens(rows[i], 10 + i), *s, model::LogitRows::kLast,
                                      std::span(alone.back()), *workspace, Context())
                            .ok());
            together.push_back(from.Fork());
          }
          const auto small = decoder->MakeWorkspace(batch);
          BatchSequence all(memory->policy(), shape);
          std::vector<BatchSequence::Part> parts;
          std::vector<int32_t> tokens, last;
          for (size_t i = 0; i < rows.size(); ++i) {
            parts.push_back({together[i].get(), rows[i]});
            const auto own = Tokens(rows[i], 10 + i);
            tokens.insert(tokens.end(), own.begin(), own.end());
            last.push_back(static_cast<int32_t>(tokens.size()) - 1);
          }
          all.Begin(parts);
          EXPECT_EQ(all.shared_tokens(), 3 * 320);  // also the tail, until it is written to
          std::vector<float> logits(rows.size() * 50);
          const auto status =
              decoder->ForwardRows(tokens, all, last, std::span(logits), *small, context);
          ASSERT_TRUE(status.ok()) << status;
          for (size_t i = 0; i < rows.size(); ++i) {
            ASSERT_EQ(std::memcmp(&logits[i * 50], alone[i].data(), 200), 0)
                << architecture << " " << kv << " " << batch << " " << i;
            EXPECT_EQ(together[i]->length(), (i == 2 ? 70 : 290) + rows[i]);
          }
        }
      }
    }
  }
}

TEST(BatchSequenceTest, NoRoomLeavesAllPartsAsTheyWere) {
  const auto decoder = DecoderOf("llama", 32);
  const KvShape shape = KvShapeOf(decoder->shape());
  auto memory = *KvMemory::Make(*KvPolicy::Make({}, shape), shape, 3 * 32);
  auto a = memory->NewSequence(), b = memory->NewSequence();
  BatchSequence all(memory->policy(), shape);
  const BatchSequence::Part parts[] = {{a.get(), 40}, {b.get(), 40}};
  all.Begin(parts);
  EXPECT_EQ(all.Reserve(80).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(memory->available(), 3);
  EXPECT_EQ(all.Reserve(79).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(BatchSequenceTest, RefusesRowsThatAreNotThere) {
  const auto decoder = DecoderOf("llama", 32);
  const auto workspace = decoder->MakeWorkspace(8);
  auto session = *Session::Make(decoder, {}, 64);
  const std::vector<int32_t> tokens = {1, 2, 3};
  const auto forward = [&](std::vector<int32_t> rows, size_t floats) {
    std::vector<float> logits(floats);
    return decoder
        ->ForwardRows(tokens, session->sequence(), rows, std::span(logits), *workspace, Context())
        .code();
  };
  EXPECT_EQ(forward({3}, 50), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(forward({-1}, 50), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(forward({1, 1}, 100), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(forward({2, 1}, 100), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(forward({1}, 100), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(session->size(), 0);
  EXPECT_EQ(forward({0, 2}, 100), absl::StatusCode::kOk);
}

}  // namespace
}  // namespace weir::generate
