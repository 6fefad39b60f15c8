// Ids equal llama.cpp's (GGUF) and Hugging Face tokenizers' (tokenizer.json) on the goldens of
// tests/data/tokenizers; the models of $WEIR_HOME and the vocabularies of $WEIR_DATA where they
// are.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "model/gguf.h"
#include "model/gguf_builder.h"
#include "model/tokenizer.h"
#include "nlohmann/json.hpp"

namespace weir::model {
namespace {

using Json = nlohmann::json;
const std::string kFolder = WEIR_SOURCE_DIR "/tests/data/tokenizers/";
const std::string kSpace = "\xE2\x96\x81";

std::string Read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<std::string> TokensById(const Json& vocab) {
  std::vector<std::string> tokens(vocab.size());
  for (const auto& [text, id] : vocab.items()) tokens.at(id.get<size_t>()) = text;
  return tokens;
}

// The same steps as write_gguf in make_goldens.py.
std::string GgufOf(const Json& root, const std::string& kind, const Json& flags) {
  GgufBuilder b;
  const Json& model = root["model"];
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  if (kind == "gpt2" || kind == "bert") {
    const size_t specials = kind == "gpt2" ? 3 : 5;
    tokens = TokensById(model["vocab"]);
    types.assign(tokens.size(), 1);
    std::fill_n(types.begin(), specials, 3);
    std::vector<std::string> merges;
    if (kind == "gpt2") {
      for (const Json& m : model["merges"]) {
        merges.push_back(m[0].get<std::string>() + " " + m[1].get<std::string>());
      }
      b.Texts("tokenizer.ggml.merges", merges).U32("tokenizer.ggml.bos_token_id", 0);
    } else {
      for (size_t i = specials; i < tokens.size(); ++i) {
        tokens[i] = tokens[i].starts_with("##") ? tokens[i].substr(2) : kSpace + tokens[i];
      }
      b.U32("tokenizer.ggml.bos_token_id", 2).U32("tokenizer.ggml.unknown_token_id", 1);
      b.U32("tokenizer.ggml.seperator_token_id", 3);
    }
  } else {
    std::vector<float> scores(259, 0);
    tokens = {"<unk>", "<s>", "</s>"};
    types.assign(259, 6);
    types[0] = 2;
    types[1] = types[2] = 3;
    char text[8];
    for (int byte = 0; byte < 256; ++byte) {
      std::snprintf(text, sizeof text, "<0x%02X>", byte);
      tokens.push_back(text);
    }
    for (size_t i = 1; i < model["vocab"].size(); ++i) {
      const Json& piece = model["vocab"][i];
      if (piece[0] == "<s>" || piece[0] == "</s>") continue;
      tokens.push_back(piece[0]);
      scores.push_back(piece[1].get<float>());
      types.push_back(1);
    }
    b.U32("tokenizer.ggml.bos_token_id", 1).U32("tokenizer.ggml.eos_token_id", 2);
    b.U32("tokenizer.ggml.unknown_token_id", 0);
    b.Numbers("tokenizer.ggml.scores", GgufBuilder::kF32, scores);
  }
  b.Text("tokenizer.ggml.model", kind).Texts("tokenizer.ggml.tokens", tokens);
  b.Numbers("tokenizer.ggml.token_type", GgufBuilder::kI32, types);
  for (const auto& [key, value] : flags.items()) {
    if (value.is_string()) {
      b.Text("tokenizer.ggml." + key, value.get<std::string>());
    } else {
      b.Bool("tokenizer.ggml." + key, value.get<bool>());
    }
  }
  return b.Build();
}

absl::StatusOr<std::unique_ptr<Tokenizer>> FromGgufBytes(const std::string& bytes) {
  auto file = GgufFile::Parse(std::as_bytes(std::span(bytes)));
  if (!file.ok()) return file.status();
  return Tokenizer::FromGguf(**file);
}

void Check(const Tokenizer& tokenizer, const Json& goldens, const Json& one) {
  TokenizeOptions options;
  options.add_special = options.parse_special = one["special"].get<bool>();
  const Json& texts = goldens["texts"];
  ASSERT_EQ(texts.size(), one["ids"].size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string text = texts[i];
    EXPECT_EQ(tokenizer.Encode(text, options), one["ids"][i].get<std::vector<int32_t>>())
        << texts[i].dump();
  }
}

class Goldens : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    goldens_ = std::make_unique<Json>(Json::parse(Read(kFolder + "goldens.json")));
  }
  static void TearDownTestSuite() { goldens_.reset(); }
  // Runs `run(case)` on the cases of one origin and returns how many there were.
  template <class Run>
  int Each(const char* from, const Run& run) {
    int count = 0;
    for (const Json& one : (*goldens_)["cases"]) {
      if (one["from"] != from) continue;
      SCOPED_TRACE(one["base"].dump() + one.value("kind", "") + one.value("flags", Json()).dump() +
                   one.value("patch", Json()).dump());
      run(one);
      ++count;
    }
    return count;
  }
  static std::unique_ptr<Json> goldens_;
};
std::unique_ptr<Json> Goldens::goldens_;

TEST_F(Goldens, GgufIdsEqualLlamaCpp) {
  const int count = Each("gguf", [&](const Json& one) {
    const Json root = Json::parse(Read(kFolder + one["base"].get<std::string>() + ".json"));
    auto tokenizer = FromGgufBytes(GgufOf(root, one["kind"], one["flags"]));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    Check(**tokenizer, *goldens_, one);
  });
  EXPECT_EQ(count, 22);
}

TEST_F(Goldens, JsonIdsEqualHuggingFace) {
  const int count = Each("json", [&](const Json& one) {
    Json root = Json::parse(Read(kFolder + one["base"].get<std::string>() + ".json"));
    root.update(one["patch"]);
    auto tokenizer = Tokenizer::FromJson(root.dump());
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    Check(**tokenizer, *goldens_, one);
  });
  EXPECT_EQ(count, 30);
}

TEST_F(Goldens, DefaultModels) {
  int seen = 0;
  Each("home", [&](const Json& one) {
    const std::string path =
        FromEnvironment("WEIR_HOME") + "/models/" + one["base"].get<std::string>();
    if (!std::filesystem::exists(path)) return;
    ++seen;
    absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer;
    std::shared_ptr<const GgufFile> file;
    if (path.ends_with(".gguf")) {
      auto opened = GgufFile::Open(path);
      ASSERT_TRUE(opened.ok()) << opened.status();
      file = *opened;
      tokenizer = Tokenizer::FromGguf(*file);
    } else {
      tokenizer = Tokenizer::FromJson(Read(path));
    }
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    Check(**tokenizer, *goldens_, one);
  });
  if (seen == 0) GTEST_SKIP() << "no models in $WEIR_HOME/models";
}

// The 46 texts of each of llama.cpp's own vocabularies.
TEST_F(Goldens, PublicVocabularies) {
  const std::string data = FromEnvironment("WEIR_DATA") + "/tokenizers/";
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "no tokenizers in $WEIR_DATA";
  const std::string scratch =
      (std::filesystem::temp_directory_path() / "weir_vocabulary.gguf").string();
  for (const std::string name : {"bert-bge", "gpt-2", "llama-spm", "starcoder"}) {
    const std::string unpack = "zstd -dqf '" + data + name + ".gguf.zst' -o '" + scratch + "'";
    if (std::system(unpack.c_str()) != 0) GTEST_SKIP() << "no zstd program";
    auto tokenizer = FromGgufBytes(Read(scratch));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    constexpr std::string_view kBetween = "\n__ggml_vocab_test__\n";
    const std::string texts = Read(data + name + ".inp");
    std::istringstream lines(Read(data + name + ".out"));
    int count = 0;
    for (size_t at = 0; at < texts.size(); ++count) {
      const size_t end = texts.find(kBetween, at);
      const std::string text = texts.substr(at, end - at);
      std::string line;
      std::getline(lines, line);
      std::istringstream numbers(line);
      const std::vector<int32_t> ids{std::istream_iterator<int32_t>(numbers), {}};
      EXPECT_EQ((*tokenizer)->Encode(text, {}), ids) << name << ": " << text;
      at = end == std::string::npos ? texts.size() : end + kBetween.size();
    }
    EXPECT_EQ(count, 46) << name;
    std::filesystem::remove(scratch);
  }
}

// Byte-level BPE and SentencePiece with byte pieces give back every byte.
TEST_F(Goldens, DecodesToTheSameBytes) {
  const std::string bpe = Read(kFolder + "bpe.json"), unigram = Read(kFolder + "unigram.json");
  const auto from_json = Tokenizer::FromJson(bpe);
  const auto from_gguf = FromGgufBytes(GgufOf(Json::parse(bpe), "gpt2", {{"pre", "qwen2"}}));
  const auto spm = FromGgufBytes(GgufOf(Json::parse(unigram), "llama", Json::object()));
  for (const auto* tokenizer : {&from_json, &from_gguf, &spm}) {
    ASSERT_TRUE(tokenizer->ok()) << tokenizer->status();
    for (const Json& text : (*goldens_)["texts"]) {
      std::string expected = text;
      if (tokenizer == &spm) {  // "▁" in the text is a space to SentencePiece
        for (size_t at; (at = expected.find(kSpace)) != std::string::npos;)
          expected.replace(at, 3, " ");
      }
      EXPECT_EQ((**tokenizer)->Decode((**tokenizer)->Encode(expected, {})), expected);
    }
  }
}

TEST_F(Goldens, WordPieceDecodesToWords) {
  auto tokenizer = Tokenizer::FromJson(Read(kFolder + "wordpiece.json"));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto ids = (*tokenizer)->Encode("The QUESTION whether", {true, false});
  EXPECT_EQ(ids.front(), (*tokenizer)->bos());
  EXPECT_EQ(ids.back(), (*tokenizer)->eos());
  EXPECT_EQ((*tokenizer)->Decode(ids), "the question whether");
  EXPECT_EQ((*tokenizer)->Piece(ids.front()), "");
  EXPECT_EQ((*tokenizer)->Piece(ids.front(), true), "[CLS]");
}

TEST_F(Goldens, SpecialIds) {
  const Json root = Json::parse(Read(kFolder + "bpe.json"));
  auto tokenizer = FromGgufBytes(GgufOf(root, "gpt2", {{"pre", "gpt-2"}}));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->bos(), 0);
  const auto ends = (*tokenizer)->end_ids();
  EXPECT_EQ(std::vector<int32_t>(ends.begin(), ends.end()), (std::vector<int32_t>{0, 2}));
  EXPECT_EQ((*tokenizer)->Encode("<|im_end|>", {false, true}), std::vector<int32_t>{2});
  EXPECT_GT((*tokenizer)->Encode("<|im_end|>", {}).size(), 1u);
  EXPECT_EQ((*tokenizer)->Piece(2, true), "<|im_end|>");
  EXPECT_EQ((*tokenizer)->Piece(2), "");
  EXPECT_EQ((*tokenizer)->Piece(-1), "");
  EXPECT_EQ((*tokenizer)->Piece((*tokenizer)->vocabulary_size()), "");
}

}  // namespace
}  // namespace weir::model
