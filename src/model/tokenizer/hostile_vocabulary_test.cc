// Vocabularies that lie: each ends in a clear error or does no harm.
#include <gtest/gtest.h>

#include <ctime>
#include <cmath>
#include <limits>

#include "model/gguf.h"
#include "model/gguf_builder.h"
#include "model/tokenizer.h"

namespace weir::model {
namespace {

using Texts = std::vector<std::string>;

absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const GgufBuilder& builder) {
  static std::string bytes;  // outlives the parsed file
  bytes = builder.Build();
  auto file = GgufFile::Parse(std::as_bytes(std::span(bytes)));
  if (!file.ok()) return file.status();
  return Tokenizer::FromGguf(**file);
}

GgufBuilder Gguf(const char* model, const Texts& tokens) {
  GgufBuilder b;
  b.Text("tokenizer.ggml.model", model).Texts("tokenizer.ggml.tokens", tokens);
  return b;
}

void UseAll(const Tokenizer& t) {
  for (const char* text : {"", "a", "hello <s> \xF0\x9F\x9A\x80", "\xFF\xC3", "\xE2\x96\x81"}) {
    for (const bool special : {false, true}) {
      for (const int32_t id : t.Encode(text, {special, special})) {
        EXPECT_GE(id, 0);
        EXPECT_LT(id, t.vocabulary_size());
      }
    }
  }
  for (int32_t id = -2; id < t.vocabulary_size() + 2; ++id) (void)t.Piece(id, true);
  const std::vector<int32_t> odd = {-5, 0, std::numeric_limits<int32_t>::max()};
  (void)t.Decode(odd);
}

TEST(HostileGguf, RefusesWhatCannotBeRead) {
  const Texts tokens = {"<unk>", "<s>", "</s>", "a"};
  EXPECT_EQ(Load(GgufBuilder()).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Load(Gguf("gpt2", {})).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Load(Gguf("gpt2", tokens)).status().code(), absl::StatusCode::kDataLoss);  // no merges
  EXPECT_EQ(Load(Gguf("rwkv", tokens)).status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(Load(Gguf("gpt2", tokens)
                     .Texts("tokenizer.ggml.merges", {})
                     .Text("tokenizer.ggml.pre", "\x1b[2J"))
                .status()
                .code(),
            absl::StatusCode::kUnimplemented);
  const float nan = std::nanf(""), infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {nan, infinity, -infinity}) {
    for (const char* model : {"llama", "t5"}) {
      auto b = Gguf(model, tokens);
      b.Numbers<float>("tokenizer.ggml.scores", GgufBuilder::kF32, {0, bad, 0, 0});
      EXPECT_EQ(Load(b).status().code(), absl::StatusCode::kDataLoss) << model << bad;
    }
  }
  EXPECT_EQ(
      Load(Gguf("llama", tokens).Numbers<float>("tokenizer.ggml.scores", GgufBuilder::kF32, {0, 1}))
          .status()
          .code(),
      absl::StatusCode::kDataLoss);
  EXPECT_EQ(Load(Gguf("llama", tokens)
                     .Numbers<int32_t>("tokenizer.ggml.token_type", GgufBuilder::kI32, {1}))
                .status()
                .code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(Load(Gguf("llama", tokens).Text("tokenizer.ggml.scores", "x")).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(Load(Gguf("llama", tokens).Text("tokenizer.ggml.add_bos_token", "x")).status().code(),
            absl::StatusCode::kDataLoss);
  auto b = Gguf("t5", tokens);
  b.Numbers<uint8_t>("tokenizer.ggml.precompiled_charsmap", GgufBuilder::kU8,
                     {0xFF, 0xFF, 0xFF, 0xFF, 1});
  EXPECT_EQ(Load(b).status().code(), absl::StatusCode::kDataLoss);
}

TEST(HostileGguf, OddVocabulariesDoNoHarm) {
  const Texts odd = {"<0x-1>",
                     "<0x>",
                     "a",
                     "a",
                     "",
                     "\xFF",
                     "<0x41>",
                     std::string(5000, 'x'),
                     "<s>",
                     "\xE2\x96\x81",
                     std::string("\0", 1)};
  const std::vector<int32_t> types = {6, 6, 1, 6, 3, 4, 6, 4, 3, 99, -7};
  for (const char* model : {"llama", "t5", "bert", "gpt2"}) {
    auto b = Gguf(model, odd);
    b.Numbers("tokenizer.ggml.token_type", GgufBuilder::kI32, types);
    b.Texts("tokenizer.ggml.merges", {"a a", "aa aa", "", " ", "a", "a  a", "zz qq", "a a"});
    b.U32("tokenizer.ggml.bos_token_id", 4'000'000'000u).U32("tokenizer.ggml.eos_token_id", 11);
    b.Bool("tokenizer.ggml.add_bos_token", true).Bool("tokenizer.ggml.add_eos_token", true);
    auto t = Load(b);
    ASSERT_TRUE(t.ok()) << model << t.status();
    UseAll(**t);
    EXPECT_LT((*t)->bos(), 11);
    EXPECT_EQ((*t)->eos(), std::string_view(model) == "llama" ? 2
                           : std::string_view(model) == "t5"  ? 1
                                                              : -1);
  }
}

TEST(HostileGguf, LongTextsTakeLinearTime) {
  Texts tokens = {"<unk>", "<s>", "</s>"};
  for (int n = 1; n <= 64; n *= 2) tokens.push_back(std::string(n, 'a'));
  tokens.push_back(std::string(1000, 'a') + "b");
  for (const char* model : {"llama", "t5", "bert", "gpt2"}) {
    auto b = Gguf(model, tokens);
    Texts merges;
    for (int n = 1; n < 64; n *= 2)
      merges.push_back(std::string(n, 'a') + " " + std::string(n, 'a'));
    b.Texts("tokenizer.ggml.merges", merges);
    auto t = Load(b);
    ASSERT_TRUE(t.ok()) << t.status();
    for (const char* unit : {"a", " ", "\n", "1", "\xCC\x81", "!"}) {
      std::string text;
      for (int i = 0; i < 300'000; ++i) text += unit;
      const auto start = std::clock();
      (void)(*t)->Encode(text, {});
      EXPECT_LT(std::clock() - start, 30 * CLOCKS_PER_SEC) << model << unit;
    }
  }
}

TEST(HostileJson, RefusesWhatCannotBeRead) {
  const std::pair<std::string, absl::StatusCode> cases[] = {
      {"", absl::StatusCode::kDataLoss},
      {"[]", absl::StatusCode::kDataLoss},
      {"{}", absl::StatusCode::kDataLoss},
      {"{\"model\":\"\xFF\"}", absl::StatusCode::kDataLoss},
      {std::string(100000, '['), absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"BPE"}})", absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"BPE","vocab":{"a":0}}})", absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":["a"]}})", absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[["a",1]]}})",
       absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}})", absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"BPE","vocab":{"a":1.5},"merges":[]}})", absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"BPE","vocab":{"a":2147483647},"merges":[]}})",
       absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"BPE","vocab":{"a":1e300},"merges":[]}})", absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}})",
       absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[],"end_of_word_suffix":"</w>"}})",
       absl::StatusCode::kUnimplemented},
      {R"({"model":{"type":"Other"}})", absl::StatusCode::kUnimplemented},
      {R"({"model":{"type":7}})", absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"WordPiece","vocab":{"a":0},"unk_token":"b"}})",
       absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"Unigram","vocab":[["a"]],"unk_id":0}})", absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"Unigram","vocab":[["a",1]],"unk_id":1}})", absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"Unigram","vocab":[["a",1e999]],"unk_id":0}})",
       absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"WordLevel","vocab":{"a":0}},"added_tokens":[{"id":99999,"content":"x"}]})",
       absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"WordLevel","vocab":{"a":0}},"added_tokens":[{"id":1}]})",
       absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"WordLevel","vocab":{"a":0}},"normalizer":{"type":"Nope"}})",
       absl::StatusCode::kUnimplemented},
      {R"({"model":{"type":"WordLevel","vocab":{"a":0}},"normalizer":{"type":"Precompiled","precompiled_charsmap":"AAAA"}})",
       absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"WordLevel","vocab":{"a":0}},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a+)+$"},"behavior":"Isolated"}})",
       absl::StatusCode::kUnimplemented},
      {R"({"model":{"type":"WordLevel","vocab":{"a":0}},"pre_tokenizer":{"type":"ByteLevel"}})",
       absl::StatusCode::kUnimplemented},
      {R"({"model":{"type":"WordLevel","vocab":{"a":0}},"post_processor":{"type":"BertProcessing","sep":["x",9],"cls":["x",0]}})",
       absl::StatusCode::kDataLoss},
      {R"({"model":{"type":"WordLevel","vocab":{"a":0}},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"q"}}]}})",
       absl::StatusCode::kDataLoss},
  };
  for (const auto& [json, code] : cases) {
    EXPECT_EQ(Tokenizer::FromJson(json).status().code(), code) << json.substr(0, 150);
  }
}

TEST(HostileJson, HolesAndOverlapsDoNoHarm) {
  auto t = Tokenizer::FromJson(
      R"({"model":{"type":"BPE","vocab":{"a":0,"b":3000,"":7},"merges":["a b","ab ab"],"unk_token":"b"},
          "added_tokens":[{"id":0,"content":"zz","special":true,"lstrip":true,"rstrip":true},
                          {"id":5000,"content":"z","single_word":true,"normalized":true},
                          {"id":5001,"content":"zz"}]})");
  ASSERT_TRUE(t.ok()) << t.status();
  EXPECT_EQ((*t)->vocabulary_size(), 5002);
  EXPECT_EQ((*t)->Encode("ab  zz zzz z", {false, true}).size(), 7u);
  UseAll(**t);
}

}  // namespace
}  // namespace weir::model
