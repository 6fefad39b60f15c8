#include "model/safetensors.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::model {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

std::string File(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header +
         std::string(data_bytes, 'd');
}

absl::StatusOr<std::shared_ptr<const SafetensorsFile>> ParseText(const std::string& bytes) {
  return SafetensorsFile::Parse(std::as_bytes(std::span(bytes)));
}

TEST(Safetensors, ReadsTensorsInAnyOrderOfTheHeader) {
  const std::string bytes = File(
      R"({"__metadata__":{"format":"pt","n":"x"},
          "b":{"shape":[2,3],"dtype":"F16","data_offsets":[8,20]},
          "a":{"dtype":"I64","shape":[],"data_offsets":[0,8]},
          "none":{"dtype":"F32","shape":[0,4],"data_offsets":[8,8]}}  )",
      20);
  auto file = ParseText(bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ((*file)->tensors().size(), 3);
  const SafeTensor* b = *(*file)->Tensor("b");
  EXPECT_THAT(b->shape, testing::ElementsAre(2, 3));
  EXPECT_EQ(b->data.size(), 12);
  EXPECT_EQ(*b->FloatType(), tensor::DType::kF16);
  const SafeTensor* a = *(*file)->Tensor("a");
  EXPECT_EQ(a->data.size(), 8);
  EXPECT_EQ(a->FloatType().status().code(), StatusCode::kUnimplemented);
  EXPECT_EQ((*file)->Tensor("c").status().code(), StatusCode::kNotFound);
}

TEST(Safetensors, RefusesMalformedFiles) {
  auto tensor = [](const char* fields) { return File(std::string("{\"t\":{") + fields + "}}", 8); };
  const std::string good = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  ASSERT_TRUE(ParseText(tensor(good.c_str())).ok());
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "{\"a\":";
  std::string eight = "1,1,1,1,1,1,1,1,2";
  const struct {
    std::string bytes;
    StatusCode code;
    const char* message;
  } cases[] = {
      {"", StatusCode::kDataLoss, "header's length"},
      {"1234567", StatusCode::kDataLoss, "header's length"},
      {std::string(8, '\xff'), StatusCode::kDataLoss, "a header of"},
      {std::string("\x05\0\0\0\0\0\0\0{}", 10), StatusCode::kDataLoss, "a header of"},
      {File("", 0), StatusCode::kDataLoss, "not a safetensors file"},
      {File("[]", 0), StatusCode::kDataLoss, "not a safetensors file"},
      {File("{", 0), StatusCode::kDataLoss, "bad JSON"},
      {File("{}x", 0), StatusCode::kDataLoss, "bad JSON"},
      {File("{\"\xff\":1}", 0), StatusCode::kDataLoss, "bad JSON"},
      {File(deep, 0), StatusCode::kDataLoss, "unknown field"},
      {File("{\"t\":1}", 0), StatusCode::kDataLoss, "a number"},
      {File("{\"__metadata__\":{\"a\":1}}", 0), StatusCode::kDataLoss, "a number"},
      {File("{\"__metadata__\":{\"a\":{}}}", 0), StatusCode::kDataLoss, "an object"},
      {tensor(R"("dtype":"F32","shape":[2])"), StatusCode::kDataLoss, "no dtype"},
      {tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0])"), StatusCode::kDataLoss, "two"},
      {tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8,9])"), StatusCode::kDataLoss,
       "third"},
      {tensor(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), StatusCode::kDataLoss,
       "negative"},
      {tensor(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), StatusCode::kDataLoss,
       "fraction"},
      {tensor(R"("dtype":"F32","shape":[99999999999999999999999],"data_offsets":[0,8])"),
       StatusCode::kDataLoss, "fraction"},
      {tensor(R"("dtype":"F4","shape":[2],"data_offsets":[0,8])"), StatusCode::kUnimplemented,
       "F4"},
      {tensor(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), StatusCode::kDataLoss, "needs"},
      {tensor(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), StatusCode::kDataLoss, ""},
      {tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), StatusCode::kDataLoss, "hole"},
      {tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), StatusCode::kDataLoss,
       "after the last"},
      {tensor(R"("dtype":"F32","shape":[3],"data_offsets":[0,12])"), StatusCode::kDataLoss, ""},
      {tensor(R"("dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4])"),
       StatusCode::kDataLoss, "overflows"},
      {tensor(("\"shape\":[" + eight + R"(],"dtype":"F32","data_offsets":[0,8])").c_str()),
       StatusCode::kDataLoss, "dimensions"},
      {tensor((good + ",\"dtype\":\"F32\"").c_str()), StatusCode::kDataLoss, "twice"},
      {tensor((good + ",\"x\":1").c_str()), StatusCode::kDataLoss, "unknown field"},
      {File("{\"t\":{" + good + "},\"t\":{" + good + "}}", 8), StatusCode::kDataLoss, "twice"},
      {File("{\"t\":{" + good + "},\"u\":{" + good + "}}", 8), StatusCode::kDataLoss, "overlap"},
      {File("{\"" + std::string(1025, 'n') + "\":{" + good + "}}", 8),
       StatusCode::kDataLoss, "name"},
  };
  for (const auto& c : cases) {
    auto file = ParseText(c.bytes);
    EXPECT_EQ(file.status().code(), c.code) << c.bytes.substr(0, 200) << "\n" << file.status();
    EXPECT_THAT(std::string(file.status().message()), HasSubstr(c.message))
        << c.bytes.substr(0, 200);
  }
}

TEST(Safetensors, RefusesEveryTruncation) {
  const std::string good = File(R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8);
  for (size_t n = 0; n < good.size(); ++n) {
    const std::vector<char> prefix(good.begin(), good.begin() + n);
    EXPECT_EQ(SafetensorsFile::Parse(std::as_bytes(std::span(prefix))).status().code(),
              StatusCode::kDataLoss);
  }
}

TEST(Safetensors, OpensRealModel) {
  const std::string path = WeirHome() + "/models/minilm-l6/model.safetensors";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no minilm-l6 in $WEIR_HOME/models";
  auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  auto words = (*file)->Tensor("embeddings.word_embeddings.weight");
  ASSERT_TRUE(words.ok());
  EXPECT_THAT((*words)->shape, testing::ElementsAre(30522, 384));
}

}  // namespace
}  // namespace weir::model
