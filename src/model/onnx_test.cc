#include "model/onnx.h"

#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::model {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;

std::string Varint(uint64_t v) {
  std::string out;
  for (; v >= 128; v >>= 7) out.push_back(static_cast<char>(v | 128));
  out.push_back(static_cast<char>(v));
  return out;
}
std::string Number(int field, uint64_t v) { return Varint(field << 3) + Varint(v); }
std::string Bytes(int field, const std::string& v) {
  return Varint(field << 3 | 2) + Varint(v.size()) + v;
}
std::string Model(const std::string& graph) { return Number(1, 6) + Bytes(7, graph); }
std::string Initializer(const std::string& name, const std::vector<uint64_t>& shape,
                        const std::string& data, int type = 1) {
  std::string dims;
  for (uint64_t d : shape) dims += Number(1, d);
  return Bytes(5, dims + Number(2, type) + Bytes(8, name) + Bytes(9, data));
}
std::string Node(const std::string& op, const std::vector<std::string>& in,
                 const std::string& out) {
  std::string body;
  for (const std::string& i : in) body += Bytes(1, i);
  return Bytes(1, body + Bytes(2, out) + Bytes(3, "node name") + Bytes(4, op));
}

absl::StatusOr<std::shared_ptr<const OnnxFile>> ParseText(const std::string& bytes) {
  return OnnxFile::Parse(std::as_bytes(std::span(bytes)));
}

TEST(Onnx, TiesMatricesToBiases) {
  const std::string graph =
      Node("MatMul", {"x", "onnx::MatMul_7"}, "p") + Node("Add", {"dense.bias", "p"}, "y") +
      Node("MatMul", {"y", "onnx::MatMul_8"}, "q") + Node("Add", {"q", "out.bias"}, "z") +
      Node("Add", {"z", "x"}, "s") + Node("Add", {"s", "norm.bias"}, "t") +
      Initializer("onnx::MatMul_7", {2, 3}, std::string(24, 'a')) +
      Initializer("onnx::MatMul_8", {3, 2}, std::string(12, 'b'), 10) +
      Initializer("dense.bias", {3}, std::string(12, 'c')) +
      Initializer("out.bias", {2}, std::string(8, 'd')) +
      Initializer("norm.bias", {2}, std::string(8, 'e')) +
      Bytes(5, Bytes(1, Varint(2) + Varint(2)) + Number(2, 1) + Bytes(8, "packed") +
                   Bytes(4, std::string(16, 'f')));
  const std::string bytes = Model(graph);
  auto parsed = ParseText(bytes);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const OnnxFile& file = **parsed;
  EXPECT_EQ(file.nodes().size(), 6);
  EXPECT_EQ((*file.WeightOfBias("dense.bias"))->name, "onnx::MatMul_7");
  EXPECT_EQ((*file.WeightOfBias("out.bias"))->name, "onnx::MatMul_8");
  EXPECT_EQ(file.WeightOfBias("norm.bias").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(file.WeightOfBias("none").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(*(*file.Tensor("onnx::MatMul_8"))->FloatType(), tensor::DType::kF16);
  const OnnxTensor* packed = *file.Tensor("packed");
  EXPECT_THAT(packed->shape, ElementsAre(2, 2));
  EXPECT_EQ(*packed->FloatType(), tensor::DType::kF32);
}

TEST(Onnx, RefusesMalformedFiles) {
  const std::string tensor = Initializer("t", {1}, "abcd");
  ASSERT_TRUE(ParseText(Model(tensor)).ok());
  std::string dims;
  for (int i = 0; i < 9; ++i) dims += Number(1, 1);
  const struct {
    std::string bytes;
    StatusCode code;
    const char* message;
  } cases[] = {
      {"", StatusCode::kDataLoss, "no graph"},
      {"hello, world", StatusCode::kDataLoss, "protobuf"},
      {Model(tensor) + Bytes(7, ""), StatusCode::kDataLoss, "not one graph"},
      {Number(7, 1), StatusCode::kDataLoss, "not one graph"},
      {std::string(11, '\xff'), StatusCode::kDataLoss, "more than 64 bits"},
      {"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", StatusCode::kDataLoss, "are left"},
      {"\x3a", StatusCode::kDataLoss, "inside a number"},
      {"\x3d", StatusCode::kDataLoss, "inside a number"},
      {std::string("\0\0", 2), StatusCode::kDataLoss, "field number 0"},
      {"\x3b", StatusCode::kDataLoss, "wire type 3"},
      {Model(Number(1, 1)), StatusCode::kDataLoss, "wrong wire type"},
      {Model(Bytes(1, Number(1, 1))), StatusCode::kDataLoss, "wrong wire type"},
      {Model(Bytes(5, Number(8, 1))), StatusCode::kDataLoss, "wire type"},
      {Model(Bytes(5, Bytes(2, ""))), StatusCode::kDataLoss, "wire type"},
      {Model(Bytes(5, Number(1, ~uint64_t{0}))), StatusCode::kDataLoss, "negative"},
      {Model(Bytes(5, dims)), StatusCode::kDataLoss, "dimensions"},
      {Model(Bytes(5, Bytes(1, std::string(9, '\1')))), StatusCode::kDataLoss, "dimen"},
      {Model(Bytes(5, Bytes(9, "a") + Bytes(9, "b"))), StatusCode::kUnimplemented, "one piece"},
      {Model(Bytes(5, Number(14, 1))), StatusCode::kUnimplemented, "another file"},
      {Model(tensor + tensor), StatusCode::kDataLoss, "twice"},
  };
  for (const auto& c : cases) {
    auto file = ParseText(c.bytes);
    EXPECT_EQ(file.status().code(), c.code) << testing::PrintToString(c.bytes) << file.status();
    EXPECT_THAT(std::string(file.status().message()), HasSubstr(c.message));
  }
}

TEST(Onnx, ChecksTheSizeOfFloatTensors) {
  const std::string bytes =
      Model(Initializer("short", {2}, "abcd") + Initializer("wraps", {1ull << 62}, "") +
            Initializer("ints", {1}, "12345678", 7));
  auto file = ParseText(bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*(*file)->Tensor("short"))->FloatType().status().code(), StatusCode::kDataLoss);
  EXPECT_EQ((*(*file)->Tensor("wraps"))->FloatType().status().code(), StatusCode::kDataLoss);
  EXPECT_EQ((*(*file)->Tensor("ints"))->FloatType().status().code(), StatusCode::kUnimplemented);
}

// A file of two-byte nodes stops at the limit instead of taking memory for each.
TEST(Onnx, LimitsTheNumberOfNodes) {
  std::string graph;
  for (size_t i = 0; i <= OnnxFile::kNodes; ++i) graph += Bytes(1, "");
  EXPECT_EQ(ParseText(Model(graph)).status().code(), StatusCode::kDataLoss);
}

TEST(Onnx, OpensRealModel) {
  const std::string path = WeirHome() + "/models/bge-small-en/model.onnx";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no bge-small-en in $WEIR_HOME/models";
  auto file = OnnxFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->tensors().size(), 197);
  auto weight = (*file)->WeightOfBias("encoder.layer.11.intermediate.dense.bias");
  ASSERT_TRUE(weight.ok()) << weight.status();
  EXPECT_THAT((*weight)->shape, ElementsAre(384, 1536));
}

}  // namespace
}  // namespace weir::model
