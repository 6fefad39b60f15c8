// Well-formed GGUF files whose contents are hostile to what reads them next: tokenizer and decoder.
// The names after '#' are reports against readers in wide use.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/decoder.h"
#include "model/gguf.h"
#include "model/gguf_builder.h"
#include "model/tokenizer.h"

namespace weir::model {
namespace {

using B = GgufBuilder;
using absl::StatusCode;

constexpr int32_t kByteToken = 6;

std::shared_ptr<const GgufFile> Parse(const std::string& bytes) {
  auto file = GgufFile::Parse(std::as_bytes(std::span(bytes)));
  EXPECT_TRUE(file.ok()) << file.status();
  return file.ok() ? *file : nullptr;
}

B SentencePieceBase() {
  return B()
      .Text("general.architecture", "llama")
      .Text("tokenizer.ggml.model", "llama")
      .U32("tokenizer.ggml.bos_token_id", 1);
}

bool IsRefusal(const absl::Status& status) {
  return status.code() == StatusCode::kDataLoss || status.code() == StatusCode::kUnimplemented ||
         status.code() == StatusCode::kResourceExhausted;
}

// #25969: the number in a byte token's text indexed a table. Such a token is refused, or is only
// text.
TEST(HostileModel, ByteTokensOutsideTheTable) {
  for (const char* text :
       {"<0x-1>", "<0x100>", "<0xFFFFFFFF>", "<0x>", "<0xZZ>", "<0x0", "", "x"}) {
    const std::string bytes =
        SentencePieceBase()
            .Texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", text, "<0x41>", "a"})
            .Numbers<float>("tokenizer.ggml.scores", B::kF32, {0, 0, 0, 0, 0, -1})
            .Numbers<int32_t>("tokenizer.ggml.token_type", B::kI32,
                              {2, 3, 3, kByteToken, kByteToken, 1})
            .Build();
    const auto file = Parse(bytes);
    auto tokenizer = Tokenizer::FromGguf(*file);
    if (!tokenizer.ok()) {
      EXPECT_TRUE(IsRefusal(tokenizer.status())) << text << tokenizer.status();
      continue;
    }
    for (int32_t id = -2; id < 8; ++id) EXPECT_LE((*tokenizer)->Piece(id, true).size(), 16u);
    for (int32_t id : (*tokenizer)->Encode("A\xff\x01 a", {.add_special = true})) {
      EXPECT_GE(id, 0);
      EXPECT_LT(id, 6);
    }
  }
}

// CVE-2025-49847 (a token's length as a signed number), #26690 (arrays read as another type).
TEST(HostileModel, TokenizerArraysOfAnotherTypeOrLength) {
  auto with = [](auto change) {
    B b = SentencePieceBase();
    change(b);
    const std::string bytes = b.Build();
    return Tokenizer::FromGguf(*Parse(bytes)).status();
  };
  const std::vector<std::string> tokens = {"<unk>", "<s>", "a"};
  const absl::Status refused[] = {
      with([](B&) {}),  // no tokens at all
      with([](B& b) {
        b.Numbers<float>("tokenizer.ggml.tokens", B::kF32, {1, 2, 3});
      }),
      with([](B& b) { b.Texts("tokenizer.ggml.tokens", {}); }),
      with([&](B& b) {
        b.Texts("tokenizer.ggml.tokens", tokens)
            .Numbers<float>("tokenizer.ggml.scores", B::kF32, {0});
      }),
      with([&](B& b) {
        b.Texts("tokenizer.ggml.tokens", tokens)
            .Numbers<uint8_t>("tokenizer.ggml.scores", B::kU8, {0, 0, 0});
      }),
      with([&](B& b) {
        b.Texts("tokenizer.ggml.tokens", tokens)
            .Numbers<float>("tokenizer.ggml.token_type", B::kF32, {1, 1, 1});
      }),
  };
  for (const absl::Status& status : refused) EXPECT_TRUE(IsRefusal(status)) << status;
  // A long token is no more than long.
  const std::string bytes =
      SentencePieceBase()
          .Texts("tokenizer.ggml.tokens", {"<unk>", "<s>", std::string(1 << 20, 'a'), "a"})
          .Numbers<float>("tokenizer.ggml.scores", B::kF32, {0, 0, 0, -1})
          .Build();
  auto tokenizer = Tokenizer::FromGguf(*Parse(bytes));
  if (tokenizer.ok()) {
    (void)(*tokenizer)->Encode("aaaa", {});
  } else {
    EXPECT_TRUE(IsRefusal(tokenizer.status())) << tokenizer.status();
  }
}

B DecoderBase(uint32_t layers, uint32_t heads) {
  return B()
      .Text("general.architecture", "llama")
      .U32("llama.block_count", layers)
      .U32("llama.embedding_length", 64)
      .U32("llama.feed_forward_length", 64)
      .U32("llama.attention.head_count", heads)
      .U32("llama.context_length", 128)
      .F32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
}

// #25821: more layers than a fixed array has room for, and other shapes that tables are sized by.
TEST(HostileModel, DecoderShapesBeyondTheLimits) {
  auto load = [](const B& b) {
    const std::string bytes = b.Build();
    return Decoder::Load(Parse(bytes), Context()).status();
  };
  EXPECT_TRUE(IsRefusal(load(DecoderBase(513, 4))));
  EXPECT_TRUE(IsRefusal(load(DecoderBase(0xffffffff, 4))));
  EXPECT_TRUE(IsRefusal(load(DecoderBase(1, 0))));
  EXPECT_TRUE(IsRefusal(load(DecoderBase(1, 5))));
  EXPECT_TRUE(IsRefusal(load(DecoderBase(0, 4))));
  const absl::Status no_tensors = load(DecoderBase(2, 4));
  EXPECT_FALSE(no_tensors.ok());
  EXPECT_TRUE(IsRefusal(no_tensors) || no_tensors.code() == StatusCode::kNotFound) << no_tensors;
}

}  // namespace
}  // namespace weir::model
