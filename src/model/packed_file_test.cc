#include "model/packed_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "model/decoder.h"
#include "model/decoder_fixture.h"

namespace weir::model {
namespace {

namespace fs = std::filesystem;

// One token after another through a cache that keeps nothing: enough to compare weights.
class NoMemory : public KvSequence {
 public:
  int64_t length() const override { return length_; }
  absl::Status Reserve(int64_t) override { return absl::OkStatus(); }
  void Append(int, int64_t, const float*, const float*, Threads*) override {}
  void Attend(int, int64_t n, const float* q, float* out, Threads*) override {
    std::copy_n(q, n * 64, out);
  }
  void Commit(int64_t n) override { length_ += n; }

 private:
  int64_t length_ = 0;
};

std::vector<float> Logits(const std::string& path) {
  auto decoder = Decoder::Load(*GgufFile::Open(path), Context());
  EXPECT_TRUE(decoder.ok()) << decoder.status();
  NoMemory kv;
  std::vector<float> logits(50);
  const int32_t token = 7;
  const auto workspace = (*decoder)->MakeWorkspace(4);
  EXPECT_TRUE((*decoder)
                  ->Forward({&token, 1}, kv, LogitRows::kLast, logits, *workspace, Context())
                  .ok());
  return logits;
}

class PackedFileTest : public testing::Test {
 protected:
  PackedFileTest() : folder_(testing::TempDir() + "packed_file_test") {
    fs::create_directories(folder_);
    path_ = folder_ + "/small.gguf";
    Write(1);
    packed_ = PackedPathOf(path_);
    fs::remove(packed_);
  }
  ~PackedFileTest() override { fs::remove_all(folder_); }

  void Write(float scale) {
    SmallDecoder small;
    small.Fill();
    for (float& v : small.tensors["blk.1.ffn_up.weight"]) v *= scale;
    const std::string bytes = small.Builder().Build();
    ASSERT_TRUE(WriteFileAtomic(path_, bytes).ok());
  }
  absl::Status Pack() { return WritePackedFile(**GgufFile::Open(path_), packed_, Context()); }
  absl::Status OpenStatus() {
    return PackedFile::Open(packed_, **GgufFile::Open(path_), Context()).status();
  }
  void Flip(size_t at) {
    std::fstream file(packed_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char old = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(old ^ 0x10));
  }

  std::string folder_, path_, packed_;
};

TEST_F(PackedFileTest, MappedWeightsGiveTheSameLogits) {
  EXPECT_EQ(OpenStatus().code(), absl::StatusCode::kNotFound);
  const std::vector<float> before = Logits(path_);
  ASSERT_TRUE(Pack().ok());
  EXPECT_TRUE(OpenStatus().ok());
  EXPECT_EQ(Logits(path_), before);
}

TEST_F(PackedFileTest, EveryFlippedByteThatMattersIsNoticed) {
  ASSERT_TRUE(Pack().ok());
  const size_t bytes = fs::file_size(packed_);
  size_t noticed = 0;
  for (size_t at = 0; at < bytes; at += at < 4096 ? 7 : 509) {
    Flip(at);
    const absl::Status status = OpenStatus();
    if (!status.ok()) {
      ++noticed;
      EXPECT_NE(status.message().find(packed_), std::string::npos) << status;
    } else {
      // Only the zeros between the index and the first matrix, and between matrices, are free.
      EXPECT_GE(at, 40u);
    }
    Flip(at);
  }
  EXPECT_GT(noticed, bytes / 509 / 2);
  EXPECT_TRUE(OpenStatus().ok());
}

TEST_F(PackedFileTest, CutFilesAreRefused) {
  ASSERT_TRUE(Pack().ok());
  for (size_t keep : {size_t{0}, size_t{10}, size_t{39}, size_t{41}, size_t{5000}}) {
    ASSERT_TRUE(Pack().ok());
    fs::resize_file(packed_, keep);
    EXPECT_EQ(OpenStatus().code(), absl::StatusCode::kDataLoss) << keep;
  }
}

TEST_F(PackedFileTest, AChangedModelIsNotReadFromAnOldFile) {
  ASSERT_TRUE(Pack().ok());
  Write(3);
  EXPECT_EQ(OpenStatus().code(), absl::StatusCode::kFailedPrecondition);
  const std::vector<float> with_old = Logits(path_);
  fs::remove(packed_);
  EXPECT_EQ(Logits(path_), with_old);
}

TEST_F(PackedFileTest, CancellingLeavesNothing) {
  CancelToken cancel;
  cancel.Cancel();
  Context context;
  context.cancel = &cancel;
  EXPECT_EQ(WritePackedFile(**GgufFile::Open(path_), packed_, context).code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace weir::model
