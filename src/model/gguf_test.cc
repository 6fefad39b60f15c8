#include "model/gguf.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/gguf_builder.h"

namespace weir::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using B = GgufBuilder;

absl::StatusOr<std::shared_ptr<const GgufFile>> ParseText(const std::string& bytes) {
  return GgufFile::Parse(std::as_bytes(std::span(bytes)));
}

TEST(Gguf, ReadsEveryMetadataType) {
  const std::string bytes = B().Value("u8", B::kU8, Raw<uint8_t>(200))
                                .Value("i8", B::kI8, Raw<int8_t>(-3))
                                .Value("u16", B::kU16, Raw<uint16_t>(60000))
                                .Value("i16", B::kI16, Raw<int16_t>(-300))
                                .U32("u32", 4000000000u)
                                .Value("i32", B::kI32, Raw<int32_t>(7))
                                .F32("f32", 0.5f)
                                .Bool("bool", true)
                                .Text("text", "a b")
                                .Value("u64", B::kU64, Raw<uint64_t>(1ull << 63))
                                .Value("i64", B::kI64, Raw<int64_t>(-1))
                                .Value("f64", B::kF64, Raw(2.25))
                                .Texts("texts", {"x", "", "yz"})
                                .Numbers<float>("floats", B::kF32, {1, -2})
                                .Numbers<int16_t>("shorts", B::kI16, {1, -2})
                                .Numbers<uint64_t>("longs", B::kU64, {5, 1ull << 40})
                                .Numbers<uint8_t>("bools", B::kBool, {1, 0})
                                .Build();
  auto file = ParseText(bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  const GgufFile& f = **file;
  EXPECT_EQ(f.metadata().size(), 17);
  EXPECT_EQ(*f.Unsigned("u8"), 200);
  EXPECT_EQ(*f.Unsigned("u16"), 60000);
  EXPECT_EQ(*f.Unsigned("u32"), 4000000000u);
  EXPECT_EQ(*f.Unsigned("u64"), 1ull << 63);
  EXPECT_EQ(*f.Unsigned("i32"), 7);
  EXPECT_EQ(std::get<int64_t>(f.metadata().at("i8")), -3);
  EXPECT_EQ(std::get<int64_t>(f.metadata().at("i16")), -300);
  EXPECT_EQ(*f.Number("f32"), 0.5);
  EXPECT_EQ(*f.Number("f64"), 2.25);
  EXPECT_EQ(*f.Bool("bool"), true);
  EXPECT_EQ(*f.String("text"), "a b");
  EXPECT_THAT(*f.Strings("texts"), ElementsAre("x", "", "yz"));
  EXPECT_THAT(*f.Numbers("floats"), ElementsAre(1.0, -2.0));
  EXPECT_THAT(*f.Integers("shorts"), ElementsAre(1, -2));
  EXPECT_THAT(*f.Integers("longs"), ElementsAre(5, int64_t{1} << 40));
  EXPECT_THAT(*f.Integers("bools"), ElementsAre(1, 0));
}

TEST(Gguf, TypedReadsRefuseOtherTypes) {
  const std::string bytes = B().Text("text", "4")
                                .Value("minus", B::kI32, Raw<int32_t>(-1))
                                .Texts("texts", {"x"})
                                .Numbers<float>("floats", B::kF32, {1})
                                .Numbers<uint64_t>("huge", B::kU64, {~uint64_t{0}})
                                .Build();
  auto file = ParseText(bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  const GgufFile& f = **file;
  const absl::Status wrong[] = {
      f.Unsigned("text").status(), f.Unsigned("minus").status(), f.Number("text").status(),
      f.Bool("text").status(),     f.String("texts").status(),   f.Strings("floats").status(),
      f.Numbers("texts").status(), f.Integers("texts").status(), f.Integers("floats").status(),
      f.Integers("huge").status(), f.Strings("text").status()};
  for (const absl::Status& status : wrong) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  }
  EXPECT_EQ(f.Unsigned("none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(f.Strings("none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(f.Tensor("none").status().code(), absl::StatusCode::kNotFound);
}

TEST(Gguf, PlacesTensorsAtTheirAlignment) {
  for (uint32_t alignment : {8u, 32u, 64u, 4096u}) {
    const std::string a(6 * 4, 'a'), b(2 * 18, 'b');  // [3, 2] F32 and two rows of one Q4_0 block
    const std::string bytes = B().Alignment(alignment)
                                  .U32("general.alignment", alignment)
                                  .Tensor("a", {3, 2}, 0, a)
                                  .Tensor("b", {32, 1, 2}, 2, b)
                                  .Build();
    auto file = ParseText(bytes);
    ASSERT_TRUE(file.ok()) << file.status();
    auto first = (*file)->Tensor("a"), second = (*file)->Tensor("b");
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_EQ(std::string(reinterpret_cast<const char*>((*first)->data.data()), a.size()), a);
    EXPECT_EQ((*second)->data.size(), b.size());
    EXPECT_EQ(
        ((*second)->data.data() - reinterpret_cast<const std::byte*>(bytes.data())) % alignment, 0);
    const tensor::MatrixView view = (*second)->Matrix();
    EXPECT_EQ(view.rows, 2);
    EXPECT_EQ(view.columns, 32);
    EXPECT_EQ(view.type, tensor::DType::kQ4_0);
  }
}

TEST(Gguf, ReadsVersionTwo) { EXPECT_TRUE(ParseText(B().Version(2).Text("a", "b").Build()).ok()); }

TEST(Gguf, OpenKeepsTheMappingAndNamesThePath) {
  const std::string path = testing::TempDir() + "/weir_gguf_test.gguf";
  std::ofstream(path, std::ios::binary)
      << B().Text("a", "b").Tensor("t", {8}, 0, std::string(32, 't')).Build();
  auto file = GgufFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->path(), path);
  EXPECT_EQ(*(*file)->String("a"), "b");
  std::ofstream(path, std::ios::binary) << "GGUFxx";
  EXPECT_THAT(GgufFile::Open(path).status().ToString(), HasSubstr("weir_gguf_test.gguf"));
  std::filesystem::remove(path);
}

TEST(Gguf, EscapesNamesInMessages) {
  auto file = ParseText(B().Text("a\x1b[2J", "b").Text("a\x1b[2J", "c").Build());
  EXPECT_THAT(file.status().ToString(), HasSubstr("'a\\x1b[2J'"));
}

// Real files: types and counts as their makers list them.
TEST(Gguf, OpensRealModels) {
  const char* names[] = {"smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"};
  const size_t tensors[] = {272, 291, 339};
  int seen = 0;
  for (int i = 0; i < 3; ++i) {
    const std::string path = WeirHome() + "/models/" + names[i] + "/" + names[i] + ".gguf";
    if (!std::filesystem::exists(path)) continue;
    auto file = GgufFile::Open(path);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ((*file)->tensors().size(), tensors[i]) << names[i];
    ++seen;
  }
  if (seen == 0) GTEST_SKIP() << "no models in $WEIR_HOME/models";
}

}  // namespace
}  // namespace weir::model
