#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/weir_files_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Path(std::string_view name) const { return absl::StrCat(folder_, "/", name); }

  std::string folder_;
};

TEST_F(FilesTest, WriteReadMap) {
  for (const size_t size : {0, 1, 4095, 4096, 4097, 3'000'000}) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 >> 3);
    ASSERT_TRUE(WriteFileAtomic(Path("a"), bytes).ok());
    const absl::StatusOr<std::string> read = ReadFile(Path("a"));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(*read == bytes);
    const auto mapped = MappedFile::Open(Path("a"));
    ASSERT_TRUE(mapped.ok()) << mapped.status();
    EXPECT_EQ((*mapped)->path(), Path("a"));
    ASSERT_EQ((*mapped)->bytes().size(), size);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(),
                           reinterpret_cast<const char*>((*mapped)->bytes().data())));
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);  // no leftovers
}

TEST_F(FilesTest, MappingsOutliveTheName) {
  ASSERT_TRUE(WriteFileAtomic(Path("a"), "old").ok());
  const auto mapped = *MappedFile::Open(Path("a"));
  ASSERT_TRUE(WriteFileAtomic(Path("a"), "new!").ok());
  EXPECT_EQ(mapped->bytes().size(), 3u);
  EXPECT_EQ(static_cast<char>(mapped->bytes()[0]), 'o');
}

// Released pages are not resident any more, and reading them again reads the same bytes.
TEST_F(FilesTest, ReleasedPagesLeaveMemoryAndComeBack) {
  const std::string bytes(10 * 4096, 'x');
  ASSERT_TRUE(WriteFileAtomic(Path("a"), bytes).ok());
  const auto mapped = *MappedFile::Open(Path("a"));
  const std::span<const std::byte> all = mapped->bytes();
  const auto sum = [&] { return std::count(all.begin(), all.end(), std::byte{'x'}); };
  const auto resident_kb = [&] {  // of this mapping: "Rss:" follows its line in smaps
    const std::string maps = *ReadFile("/proc/self/smaps");
    const std::string name = std::filesystem::canonical(Path("a"));
    const size_t rss = maps.find("Rss:", maps.find(name));
    return std::atoi(maps.c_str() + rss + 4);
  };
  EXPECT_EQ(sum(), 40960);
  EXPECT_EQ(resident_kb(), 40);
  ASSERT_TRUE(mapped->Release(all.subspan(100, 5 * 4096)).ok());  // four whole pages
  EXPECT_EQ(resident_kb(), 24);
  EXPECT_EQ(sum(), 40960);
  EXPECT_TRUE(mapped->Release(all.subspan(1, 10)).ok());
  EXPECT_EQ(mapped->Release(std::as_bytes(std::span(bytes))).code(), StatusCode::kInvalidArgument);
}

TEST_F(FilesTest, LimitIsCheckedBeforeReading) {
  ASSERT_TRUE(WriteFileAtomic(Path("a"), "12345").ok());
  EXPECT_EQ(*ReadFile(Path("a"), 5), "12345");
  const absl::Status status = ReadFile(Path("a"), 4).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("limit of 4 bytes"));
  // A sparse file of a terabyte must be refused without touching it.
  ASSERT_EQ(::truncate(Path("a").c_str(), off_t{1} << 40), 0);
  EXPECT_EQ(ReadFile(Path("a")).status().code(), StatusCode::kResourceExhausted);
}

TEST_F(FilesTest, FilesWithoutASizeAreReadUnderTheLimit) {
  EXPECT_FALSE(ReadFile("/proc/self/status")->empty());  // stat says 0 bytes
  EXPECT_EQ(ReadFile("/dev/zero", 100'000).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(*ReadFile("/dev/null", 0), "");
}

TEST_F(FilesTest, Errors) {
  EXPECT_EQ(ReadFile(Path("none")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(MappedFile::Open(Path("none")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Sha256File(Path("none")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(ReadFile(folder_).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(MappedFile::Open(folder_).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(MappedFile::Open("/dev/null").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(WriteFileAtomic(Path("none/a"), "x").code(), StatusCode::kNotFound);
  EXPECT_FALSE(WriteFileAtomic(folder_, "x").ok());  // a folder is not replaced
  EXPECT_EQ(SyncFolder(Path("none")).code(), StatusCode::kNotFound);
  EXPECT_EQ(MakeFolders("").code(), StatusCode::kInvalidArgument);
  ASSERT_TRUE(WriteFileAtomic(Path("file"), "x").ok());
  EXPECT_EQ(MakeFolders(Path("file")).code(), StatusCode::kNotFound);
  EXPECT_EQ(MakeFolders(Path("file/below")).code(), StatusCode::kNotFound);
}

TEST_F(FilesTest, MakeFolders) {
  EXPECT_TRUE(MakeFolders(Path("a/b//c/")).ok());
  EXPECT_TRUE(std::filesystem::is_directory(Path("a/b/c")));
  EXPECT_TRUE(MakeFolders(Path("a/b/c")).ok());
  EXPECT_TRUE(MakeFolders("/").ok());
}

TEST_F(FilesTest, ReplacingKeepsTheMode) {
  ASSERT_TRUE(WriteFileAtomic(Path("secret"), "1").ok());
  ASSERT_EQ(::chmod(Path("secret").c_str(), 0600), 0);
  ASSERT_TRUE(WriteFileAtomic(Path("secret"), "2").ok());
  struct stat info;
  ASSERT_EQ(::stat(Path("secret").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
}

TEST_F(FilesTest, ThreadsMayWriteTheSameFile) {
  const std::string a(100'000, 'a'), b(100'000, 'b');
  std::thread other([&] {
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(WriteFileAtomic(Path("x"), a).ok());
  });
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(WriteFileAtomic(Path("x"), b).ok());
  other.join();
  const std::string last = *ReadFile(Path("x"));
  EXPECT_TRUE(last == a || last == b);
}

// Overwrites `path` for ever, each version of one letter only; writes a byte to `done` after each.
[[noreturn]] void KeepWriting(const std::string& path, size_t bytes, int first, int done) {
  for (int i = first;; ++i) {
    const std::string version(bytes, static_cast<char>('a' + i % 25));
    if (!WriteFileAtomic(path, version).ok() || ::write(done, "w", 1) != 1) ::_exit(1);
  }
}

// The child is killed at a random moment of its second to fourth write: whatever is found must be
// one whole version, and a later one than before.
TEST_F(FilesTest, AtomicWriteSurvivesKill) {
  constexpr size_t kBytes = 1'000'000;
  ASSERT_TRUE(WriteFileAtomic(Path("a"), std::string(kBytes, 'z')).ok());
  std::mt19937 random(3);
  size_t cut_short = 0;
  for (int round = 0; round < 30; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) KeepWriting(Path("a"), kBytes, round, ends[1]);
    ::close(ends[1]);
    for (unsigned writes = 1 + random() % 3; writes > 0; --writes) {
      char byte;
      ASSERT_EQ(::read(ends[0], &byte, 1), 1) << "the writer failed by itself";
    }
    ::usleep(random() % 3'000);
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer failed by itself";
    ::close(ends[0]);
    const absl::StatusOr<std::string> found = ReadFile(Path("a"));
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_EQ(found->size(), kBytes);
    ASSERT_EQ(found->find_first_not_of(found->front()), std::string::npos) << "a mixture";
    ASSERT_NE(found->front(), 'z') << "an acknowledged write is lost";
    cut_short += std::filesystem::exists(absl::StrCat(Path("a"), ".tmp.", child));
  }
  EXPECT_GT(cut_short, 0u);  // kills did come in the middle of a write
}

TEST_F(FilesTest, Sha256Vectors) {  // FIPS 180-2, appendix B
  EXPECT_EQ(Sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  const std::string million(1'000'000, 'a');
  const std::string hex = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
  EXPECT_EQ(Sha256(million), hex);
  ASSERT_TRUE(WriteFileAtomic(Path("million"), million).ok());
  EXPECT_EQ(*Sha256File(Path("million")), hex);
  const std::string mebibytes(size_t{2} << 20, 'x');  // exactly two read buffers
  ASSERT_TRUE(WriteFileAtomic(Path("two"), mebibytes).ok());
  EXPECT_EQ(*Sha256File(Path("two")), Sha256(mebibytes));
}

TEST(WeirHomeTest, FollowsTheEnvironment) {
  const auto set = [](const char* name, const char* value) {
    value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
  };
  const char* names[] = {"WEIR_HOME", "XDG_DATA_HOME", "HOME"};
  std::vector<std::pair<const char*, std::string>> saved;
  for (const char* name : names) {
    if (const char* value = std::getenv(name); value != nullptr) saved.emplace_back(name, value);
    set(name, nullptr);
  }
  set("HOME", "/h");
  EXPECT_EQ(WeirHome(), "/h/.local/share/weir");
  set("XDG_DATA_HOME", "relative");
  EXPECT_EQ(WeirHome(), "/h/.local/share/weir");
  set("XDG_DATA_HOME", "/x");
  EXPECT_EQ(WeirHome(), "/x/weir");
  set("WEIR_HOME", "/w");
  EXPECT_EQ(WeirHome(), "/w");
  for (const char* name : names) set(name, nullptr);
  EXPECT_THAT(WeirHome(), HasSubstr("/.local/share/weir"));
  for (const auto& [name, value] : saved) set(name, value.c_str());
}

}  // namespace
}  // namespace weir
