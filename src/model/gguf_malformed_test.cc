// Files that broke other readers, or would break a careless one. Each must be refused with a clear
// message, in under 100 ms and with under 64 MB of further memory. The names after '#' are reports
// against readers in wide use. Written to <build>/malformed-gguf/ too, for tests of the program.
#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/gguf.h"
#include "model/gguf_builder.h"
#include "model/gguf_parser.h"

namespace weir::model {
namespace {

using B = GgufBuilder;
using absl::StatusCode;

struct Case {
  std::string name;
  std::string bytes;
  StatusCode code;
  std::string message;  // part of it
};

const std::string kRow(128, 'r');  // 32 F32

B Base() { return B().Text("general.architecture", "llama").U32("llama.block_count", 1); }

std::vector<Case> CountCases() {
  const uint64_t all = ~uint64_t{0};
  return {
      {"empty", "", StatusCode::kDataLoss, "not a GGUF file"},
      {"magic", "GGML" + B().Build().substr(4), StatusCode::kDataLoss, "not a GGUF file"},
      {"version-1", Base().Version(1).Build(), StatusCode::kUnimplemented, "version 1"},
      {"version-4", Base().Version(4).Build(), StatusCode::kUnimplemented, "version 4"},
      {"big-endian", Base().Version(3 << 24).Build(), StatusCode::kUnimplemented, "big-endian"},
      // #15711: count times a fixed overhead wraps
      {"tensor-count-2^63", Base().TensorCount(1ull << 63).Build(), StatusCode::kDataLoss,
       "tensors"},
      {"tensor-count-tiny-file", Base().TensorCount(65536).Build(), StatusCode::kDataLoss,
       "do not fit"},
      {"metadata-count-2^64-1", Base().MetadataCount(all).Build(), StatusCode::kDataLoss,
       "metadata keys"},
      {"metadata-count-tiny-file", Base().MetadataCount(65536).Build(), StatusCode::kDataLoss,
       "do not fit"},
  };
}

std::vector<Case> MetadataCases() {
  auto alignment = [](uint32_t a) {
    return Base().U32("general.alignment", a).Tensor("t", {32}, 0, kRow).Build();
  };
  const uint64_t all = ~uint64_t{0};
  std::string nest;  // #17042: depth and allocation from a few bytes
  for (int i = 0; i < 1000; ++i) nest += Raw<uint32_t>(B::kArray) + Raw<uint64_t>(1);
  B many;
  for (char c = 'a'; c < 'e'; ++c) {
    many.Array(std::string(1, c), B::kU8, 1 << 20, std::string(1 << 20, '\0'));
  }
  return {
      {"alignment-2-GiB", alignment(1u << 31), StatusCode::kDataLoss, "power of two"},  // #24997
      {"alignment-0", alignment(0), StatusCode::kDataLoss, "power of two"},
      {"alignment-24", alignment(24), StatusCode::kDataLoss, "power of two"},
      {"alignment-text", Base().Text("general.alignment", "32").Build(), StatusCode::kDataLoss,
       "expected uint32"},
      {"string-length-2^64-1", B().Value("k", B::kText, Raw(all) + "abc").Build(),
       StatusCode::kDataLoss, "bytes are left"},
      {"string-length-past-end", B().Value("k", B::kText, Raw<uint64_t>(4) + "abc").Build(),
       StatusCode::kDataLoss, "bytes are left"},
      {"key-length-2^63",
       "GGUF" + Raw(3) + Raw<uint64_t>(0) + Raw<uint64_t>(1) + Raw(1ull << 63) +
           std::string(64, 'k'),
       StatusCode::kDataLoss, "bytes are left"},
      {"key-empty", Base().Text("", "x").Build(), StatusCode::kDataLoss, "empty key"},
      {"key-long", Base().Text(std::string(1025, 'k'), "x").Build(), StatusCode::kDataLoss,
       "key"},
      {"key-twice", Base().Text("general.architecture", "x").Build(), StatusCode::kDataLoss,
       "twice"},
      {"value-type-13", Base().Value("k", 13, Raw<uint64_t>(0)).Build(), StatusCode::kDataLoss,
       "value type 13"},
      {"value-type-2^32-1", Base().Value("k", 0xffffffffu, Raw<uint64_t>(0)).Build(),
       StatusCode::kDataLoss, "value type"},
      {"bool-2", Base().Value("k", B::kBool, Raw<uint8_t>(2)).Build(), StatusCode::kDataLoss,
       "bool 2"},
      {"array-bool-2", Base().Numbers<uint8_t>("k", B::kBool, {1, 2}).Build(),
       StatusCode::kDataLoss, "bool 2"},
      {"array-count-wraps",
       Base().Array("k", B::kF64, (1ull << 61) + 1, std::string(8, 'x')).Build(),
       StatusCode::kDataLoss, "bytes are left"},
      {"array-strings-unbounded", Base().Array("k", B::kText, 1ull << 60, RawText("a")).Build(),
       StatusCode::kDataLoss, "bytes are left"},  // #17042
      {"array-string-past-end", Base().Array("k", B::kText, 1, Raw<uint64_t>(9) + "a").Build(),
       StatusCode::kDataLoss, "bytes are left"},
      {"array-element-type-77", Base().Array("k", 77, 1, std::string(8, 'x')).Build(),
       StatusCode::kDataLoss, "value type 77"},
      {"array-nested", B().Value("k", B::kArray, nest).Build(), StatusCode::kUnimplemented,
       "array of arrays"},
      {"array-long",
       B().Array("k", B::kU8, (1 << 20) + 1, std::string((1 << 20) + 1, '\0')).Build(),
       StatusCode::kDataLoss, "array elements"},
      {"arrays-many", many.Build(), StatusCode::kDataLoss, "elements of all arrays"},
  };
}

std::vector<Case> TensorCases() {
  auto one = [](const std::vector<uint64_t>& shape, uint32_t type, uint64_t offset) {
    return Base().Tensor("t", shape, type, kRow, offset).Build();
  };
  const std::string truncated = one({32}, 0, 0);
  return {
      {"dimension-2^42+1", one({(1ull << 42) + 1, 1ull << 22}, 0, 0), StatusCode::kDataLoss,
       "larger than the file"},  // #18674
      {"dimension-product-wraps", one({32, 1ull << 32, 1ull << 32}, 0, 0), StatusCode::kDataLoss,
       "overflows"},
      {"dimension-size-wraps", one({1ull << 62}, 0, 0), StatusCode::kDataLoss, "larger than"},
      {"dimension-2^64-1", one({~uint64_t{0}}, 0, 0), StatusCode::kDataLoss, "larger than"},
      {"dimension-0", one({0, 4}, 0, 0), StatusCode::kDataLoss, "dimension of 0"},
      {"dimensions-none", one({}, 0, 0), StatusCode::kDataLoss, "0 dimensions"},
      {"dimensions-5", one({1, 1, 1, 1, 1}, 0, 0), StatusCode::kDataLoss, "5 dimensions"},
      {"type-unknown", one({32}, 99, 0), StatusCode::kUnimplemented, "99"},
      {"type-removed", one({32}, 4, 0), StatusCode::kUnimplemented, "4"},
      {"row-not-whole-blocks", one({33}, 2, 0), StatusCode::kDataLoss, "multiple of 32"},
      {"offset-misaligned", one({16}, 0, 8), StatusCode::kDataLoss, "multiple of the alignment"},
      {"offset-past-end", one({32}, 0, 1 << 20), StatusCode::kDataLoss, "data section"},
      {"offset-plus-size-wraps", one({32}, 0, ~uint64_t{0} - 31), StatusCode::kDataLoss,
       "data section"},
      {"data-truncated", truncated.substr(0, truncated.size() - 1), StatusCode::kDataLoss,
       "data section"},
      {"data-missing", Base().Tensor("t", {32}, 0, "", 0).Build(), StatusCode::kDataLoss, ""},
      {"name-empty", Base().Tensor("", {32}, 0, kRow).Build(), StatusCode::kDataLoss,
       "without a name"},
      {"name-65-bytes", Base().Tensor(std::string(65, 'n'), {32}, 0, kRow).Build(),
       StatusCode::kDataLoss, "name"},
      {"tensor-twice", Base().Tensor("t", {32}, 0, kRow).Tensor("t", {32}, 0, kRow).Build(),
       StatusCode::kDataLoss, "twice"},
      {"tensors-overlap", Base().Tensor("t", {32}, 0, kRow).Tensor("u", {16}, 0, "", 64).Build(),
       StatusCode::kDataLoss, "overlap"},
  };
}

std::vector<Case> Corpus() {
  std::vector<Case> all = CountCases();
  for (Case& c : MetadataCases()) all.push_back(std::move(c));
  for (Case& c : TensorCases()) all.push_back(std::move(c));
  return all;
}

// Peak resident set in KiB since the last call that asked to reset it (Linux 4.0 and later).
int64_t PeakKiB(bool reset) {
  if (reset) std::ofstream("/proc/self/clear_refs") << "5";
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6));
  }
  return 0;
}

TEST(GgufMalformed, EachIsRefusedQuicklyAndCheaply) {
  const std::vector<Case> corpus = Corpus();
  EXPECT_GE(corpus.size(), 20);
  for (const Case& c : corpus) {
    SCOPED_TRACE(c.name);
    const int64_t before = PeakKiB(true);
    const auto start = std::chrono::steady_clock::now();
    auto file = GgufFile::Parse(std::as_bytes(std::span(c.bytes)));
    const auto took = std::chrono::steady_clock::now() - start;
    EXPECT_EQ(file.status().code(), c.code) << file.status();
    EXPECT_THAT(std::string(file.status().message()), testing::HasSubstr(c.message));
    EXPECT_LT(took, std::chrono::milliseconds(100));
    EXPECT_LT(PeakKiB(false) - before, 64 << 10);
  }
}

TEST(GgufMalformed, WritesTheCorpusForTestsOfTheProgram) {
  const std::filesystem::path folder = std::filesystem::path(WEIR_BINARY_DIR) / "malformed-gguf";
  std::filesystem::create_directories(folder);
  for (const Case& c : Corpus()) {
    const std::string path = (folder / (c.name + ".gguf")).string();
    std::ofstream(path, std::ios::binary) << c.bytes;
    auto file = GgufFile::Open(path);
    EXPECT_EQ(file.status().code(), c.code) << c.name << ": " << file.status();
  }
}

// Any prefix of a good file is refused or, when only padding is missing, read as a smaller file.
TEST(GgufMalformed, EveryTruncationIsRefused) {
  const std::string good = Base()
                               .Texts("tokenizer.ggml.tokens", {"a", "b"})
                               .Numbers<float>("scores", B::kF32, {1, 2})
                               .Tensor("t", {32}, 0, kRow)
                               .Build();
  ASSERT_TRUE(GgufFile::Parse(std::as_bytes(std::span(good))).ok());
  for (size_t n = 0; n < good.size(); ++n) {
    // A copy of exactly n bytes, so that a sanitizer sees a read past the end.
    const std::vector<char> prefix(good.begin(), good.begin() + n);
    auto file = GgufFile::Parse(std::as_bytes(std::span(prefix)));
    EXPECT_EQ(file.status().code(), StatusCode::kDataLoss) << n;
  }
}

// The most that the limits let a file ask for stays under the memory bound: the largest arrays of
// strings allowed, 24 MB of file.
TEST(GgufMalformed, TheLargestAllowedArraysStayUnderTheBound) {
  std::string strings;
  for (uint64_t i = 0; i < GgufLimits::kArrayElements; ++i) strings.append(Raw<uint64_t>(0));
  const std::string bytes = B().Array("a", B::kText, GgufLimits::kArrayElements, strings)
                                .Array("b", B::kText, GgufLimits::kArrayElements, strings)
                                .Array("c", B::kText, GgufLimits::kArrayElements, strings)
                                .Value("z", 99, "")
                                .Build() +
                            std::string(16, '\0');
  const int64_t before = PeakKiB(true);
  auto file = GgufFile::Parse(std::as_bytes(std::span(bytes)));
  EXPECT_EQ(file.status().code(), StatusCode::kDataLoss);
  EXPECT_LT(PeakKiB(false) - before, 64 << 10);
}

// llama.cpp#26690: a well-formed array read as another type.
TEST(GgufMalformed, ArraysOfAnotherElementTypeAreNotRead) {
  const std::string bytes =
      Base().Numbers<uint8_t>("tokenizer.ggml.scores", B::kU8, {1, 2}).Build();
  auto file = GgufFile::Parse(std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ((*file)->Numbers("tokenizer.ggml.scores").status().code(), StatusCode::kDataLoss);
  EXPECT_EQ((*file)->Strings("tokenizer.ggml.scores").status().code(), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace weir::model
