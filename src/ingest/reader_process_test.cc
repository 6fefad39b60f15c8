// The sandbox, with readers that misbehave. This file holds the main of the room's tests, because
// the child of a reader process is this program itself.
#include "ingest/reader_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "ingest/document_builder.h"
#include "ingest/sandbox.h"
#include "ingest/wire.h"

namespace weir::ingest {
namespace {

using ::testing::HasSubstr;

constexpr char kMisbehaveVerb[] = "__weir-misbehave";

// Does what its name says once the sandbox is closed, and would then return a document.
class Misbehaving final : public Reader {
 public:
  explicit Misbehaving(std::string kind) : kind_(std::move(kind)) {}
  std::string_view format() const override { return kind_; }
  int Claims(std::string_view, std::string_view) const override { return 0; }
  absl::StatusOr<text::Document> Read(std::string_view bytes, const ReadLimits& limits) override {
    Act(limits);
    if (kind_ == "refuse") return absl::DataLossError("refused");
    DocumentBuilder b("text", 1 << 20);
    b.Add(text::BlockKind::kParagraph, "still here");
    text::Document d = b.Finish();
    if (kind_ == "bad-utf8") d.text[0] = '\xFF';
    if (kind_ == "bad-span") d.blocks[0].span.end = 1000;
    if (kind_ == "long-text") d.text.assign(size_t{3} << 20, 'x');
    return d;
  }

 private:
  void Act(const ReadLimits& limits) {
    if (kind_ == "open") (void)open("/etc/passwd", O_RDONLY);
    if (kind_ == "create") (void)open("/tmp/weir-reader-escape", O_WRONLY | O_CREAT, 0600);
    if (kind_ == "socket") {
      const int fd = socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in a{};
      (void)connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof(a));
    }
    if (kind_ == "fork") (void)fork();
    if (kind_ == "exec") (void)execl("/bin/true", "true", nullptr);
    if (kind_ == "kill") (void)kill(getppid(), SIGTERM);
    if (kind_ == "executable") {
      (void)mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                 0);
    }
    if (kind_ == "stderr") (void)!write(2, "x", 1);
    if (kind_ == "allocate") {
      std::vector<std::unique_ptr<char[]>> held;
      for (int i = 0; i < 10 * 1024; ++i) {  // 10 GB
        held.push_back(std::make_unique<char[]>(1 << 20));
        memset(held.back().get(), 1, 1 << 20);
      }
    }
    if (kind_ == "map") {
      for (int i = 0; i < 10 * 1024; ++i) {
        char* p = static_cast<char*>(mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS, -1, 0));
        if (p == MAP_FAILED) throw std::bad_alloc();
        memset(p, 1, 1 << 20);
      }
    }
    if (kind_ == "loop") {
      for (volatile bool forever = true; forever;) {
      }
    }
    if (kind_ == "sleep") {
      while (true) usleep(1000);
    }
    if (kind_ == "throw") throw std::runtime_error("a library threw");
    if (kind_ == "crash") raise(SIGSEGV);
    if (kind_ == "garbage") (void)!write(1, "garbage", 7);
    if (kind_ == "flood") {
      const std::string block(1 << 20, 'x');
      while (write(1, block.data(), block.size()) > 0) {
      }
    }
    if (kind_ == "silent") _exit(0);
  }
  std::string kind_;
};

class SandboxTest : public ::testing::Test {
 protected:
  absl::StatusOr<text::Document> Run(const std::string& kind) {
    ReadLimits limits;
    limits.memory_mb = 128;
    limits.seconds = kind == "loop" || kind == "sleep" ? 1 : 20;
    limits.text_mb = 2;
    const int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    auto d = ReadInChild(file, "/proc/self/exe", kMisbehaveVerb, kind, limits, Context{});
    close(file);
    return d;
  }
  void Expect(const std::string& kind, absl::StatusCode code, const std::string& part) {
    const auto d = Run(kind);
    EXPECT_EQ(d.status().code(), code) << kind << ": " << d.status();
    EXPECT_THAT(std::string(d.status().message()), HasSubstr(part)) << kind;
  }
};

TEST_F(SandboxTest, HonestReaderAnswers) {
  const auto d = Run("honest");
  ASSERT_TRUE(d.ok()) << d.status();
  EXPECT_EQ(d->text, "still here");
}

TEST_F(SandboxTest, ForbiddenCallsKill) {
  for (const char* kind :
       {"open", "create", "socket", "fork", "exec", "kill", "executable"}) {
    Expect(kind, absl::StatusCode::kDataLoss, "forbidden system call");
  }
  // A sanitizer must be able to print what it found.
  if (MemoryLimitsHold()) Expect("stderr", absl::StatusCode::kDataLoss, "forbidden system call");
  EXPECT_NE(access("/tmp/weir-reader-escape", F_OK), 0);
}

TEST_F(SandboxTest, MemoryIsLimited) {
  if (!MemoryLimitsHold()) GTEST_SKIP() << "a sanitizer's memory cannot be limited";
  Expect("allocate", absl::StatusCode::kResourceExhausted, "more than 128 MB");
  Expect("map", absl::StatusCode::kResourceExhausted, "more than 128 MB");
}

TEST_F(SandboxTest, TimeIsLimited) {
  Expect("loop", absl::StatusCode::kDeadlineExceeded, "more than 1 s");
  Expect("sleep", absl::StatusCode::kDeadlineExceeded, "more than 1 s");
}

TEST_F(SandboxTest, CrashesAndRefusalsAreErrors) {
  Expect("throw", absl::StatusCode::kDataLoss, "a library threw");
  Expect("refuse", absl::StatusCode::kDataLoss, "refused");
  Expect("silent", absl::StatusCode::kDataLoss, "ended with code 0");
  if (MemoryLimitsHold()) Expect("crash", absl::StatusCode::kDataLoss, "crashed");
}

TEST_F(SandboxTest, RepliesAreChecked) {
  Expect("garbage", absl::StatusCode::kDataLoss, "document from the reader");
  Expect("bad-utf8", absl::StatusCode::kDataLoss, "UTF-8");
  Expect("bad-span", absl::StatusCode::kDataLoss, "span");
  Expect("long-text", absl::StatusCode::kDataLoss, "limit");
  Expect("flood", absl::StatusCode::kResourceExhausted, "reply");
}

TEST_F(SandboxTest, CancelledReadLeavesNoChild) {
  CancelToken token;
  Context context;
  context.cancel = &token;
  std::thread canceller([&] {
    usleep(100'000);
    token.Cancel();
  });
  const int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const auto d = ReadInChild(file, "/proc/self/exe", kMisbehaveVerb, "sleep", {}, context);
  close(file);
  canceller.join();
  EXPECT_EQ(d.status().code(), absl::StatusCode::kCancelled);
}

class ReadDocumentTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& bytes) {
    const std::string path = ::testing::TempDir() + "/" + name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
};

TEST_F(ReadDocumentTest, ReadsInAChildAsInProcess) {
  const std::string bytes = "# A title\n\nSome *text*, [linked](x).\n";
  const std::string path = Write("a.md", bytes);
  const auto child = ReadDocument(path, {}, Context{});
  ASSERT_TRUE(child.ok()) << child.status();
  const auto here = ReadInProcess(path, bytes, {});
  ASSERT_TRUE(here.ok());
  EXPECT_EQ(child->text, here->text);
  EXPECT_EQ(child->text, "A title\n\nSome text, linked.");
  EXPECT_EQ(child->sha256, Sha256(bytes));
  EXPECT_EQ(child->sha256, here->sha256);
  EXPECT_EQ(child->path, path);
}

TEST_F(ReadDocumentTest, Errors) {
  EXPECT_EQ(ReadDocument("/nonexistent/x.txt", {}, Context{}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadDocument(Write("a.bin", "x"), {}, Context{}).status().code(),
            absl::StatusCode::kUnimplemented);
  ReadLimits small;
  small.file_mb = 1;
  EXPECT_EQ(
      ReadDocument(Write("large.txt", std::string(2 << 20, 'a')), small, Context{}).status().code(),
      absl::StatusCode::kResourceExhausted);
  const std::string fifo = ::testing::TempDir() + "/pipe.txt";
  unlink(fifo.c_str());
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(ReadDocument(fifo, {}, Context{}).status().code(), absl::StatusCode::kInvalidArgument);
  CancelToken token;
  token.Cancel();
  Context cancelled;
  cancelled.cancel = &token;
  EXPECT_EQ(ReadDocument(Write("b.txt", "x"), {}, cancelled).status().code(),
            absl::StatusCode::kCancelled);
}

TEST_F(ReadDocumentTest, EmptyFile) {
  const auto d = ReadDocument(Write("empty.txt", ""), {}, Context{});
  ASSERT_TRUE(d.ok()) << d.status();
  EXPECT_EQ(d->text, "");
}

TEST_F(ReadDocumentTest, ManyAtOnce) {
  const std::string path = Write("many.txt", "One.\n\nTwo.");
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        const auto d = ReadDocument(path, {}, Context{});
        good += d.ok() && d->text == "One.\n\nTwo.";
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(good, 40);
}

TEST(Wire, RoundTrip) {
  text::Document d;
  d.format = "pdf";
  d.title = "T";
  d.text = "abc \u00E9";
  d.pages = {{1, {0, 3}, 600, 800}, {2, {3, 6}, 600, 800}};
  d.blocks = {{text::BlockKind::kHeading, {0, 3}, 2, 1, {1, 2, 3, 4}}};
  d.meta = {{"k", "v"}};
  d.fields = {{"tags", "a"}, {"tags", "b"}};
  d.warnings = {"w"};
  const std::string frame = EncodeReply(d);
  const auto back = DecodeReply(frame, 100);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(EncodeReply(*back), frame);
  // Cut or with one byte changed: an error or a document that keeps the invariants, never a crash.
  for (size_t i = 0; i < frame.size(); ++i) {
    EXPECT_FALSE(DecodeReply(std::string_view(frame).substr(0, i), 100).ok());
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = frame;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      const auto got = DecodeReply(changed, 100);
      if (got.ok()) {
        EXPECT_TRUE(CheckDocument(*got, 100).ok());
      }
    }
  }
}

}  // namespace
}  // namespace weir::ingest

int main(int argc, char** argv) {
  using namespace weir::ingest;
  if (argc > 2 && strcmp(argv[1], kMisbehaveVerb) == 0) {
    Misbehaving reader(argv[2]);
    ServeReader(reader, ReaderLimits(argc, argv).value());
  }
  if (std::optional<int> code = ReaderMain(argc, argv)) return *code;
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
