#include "index/indexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/threads.h"
#include "index/store_fixture.h"

namespace weir::index {
namespace {

namespace fs = std::filesystem;

class IndexerTest : public StoreFixture {
 protected:
  void SetUp() override {
    StoreFixture::SetUp();
    files_ = folder() + "_files";
    fs::create_directories(files_);
    ports_.read = [this](const std::string& path,
                         const Context&) -> absl::StatusOr<text::Document> {
      ++reads_;
      auto bytes = ReadFile(path);
      if (!bytes.ok()) return bytes.status();
      if (bytes->starts_with("bad")) return absl::DataLossError("does not parse");
      text::Document d;
      d.text = *bytes;
      d.sha256 = Sha256(*bytes);
      d.format = "text";
      return d;
    };
    ports_.chunk = [](const text::Document& d) { return Make(d.path, d.text, 20).passages; };
  }
  void TearDown() override {
    fs::remove_all(files_);
    StoreFixture::TearDown();
  }
  std::string Put(const std::string& name, const std::string& text, bool old = true) {
    const std::string path = files_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    if (old) fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(1));
    return path;
  }

  std::string files_;
  IndexerPorts ports_;
  std::atomic<int> reads_{0};
};

TEST_F(IndexerTest, ReadsChangedFilesOnly) {
  auto store = OpenWrite();
  std::vector<std::string> files;
  for (int i = 0; i < 20; ++i)
    files.push_back(
        Put(absl::StrCat(i, ".txt"), absl::StrCat("the weir number ", i, " holds water")));
  files.push_back(Put("broken.txt", "bad bytes"));
  files.push_back(files_ + "/absent.txt");
  Threads threads(2);
  Context context;
  context.threads = &threads;
  IndexerOptions options;
  options.batch_documents = 7;
  const HashEncoder encoder(16);
  ports_.encoder = &encoder;
  auto report = IndexFiles(*store, files, ports_, options, context);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->added, 20);
  EXPECT_EQ(report->failed, 2);
  EXPECT_EQ(report->passages, store->Status()->passages);
  EXPECT_EQ(store->Status()->pending, 0);
  EXPECT_EQ(store->Status()->failed.size(), 2u);

  reads_ = 0;
  files.resize(20);
  report = IndexFiles(*store, files, ports_, options, context);
  EXPECT_EQ(report->unchanged, 20);
  EXPECT_EQ(reads_, 0);

  Put("3.txt", "the weir was rebuilt", false);       // changed just now
  Put("4.txt", "the weir number 4 holds water", false);  // touched, not changed
  fs::remove(files_ + "/5.txt");
  files.erase(files.begin() + 5);
  options.roots = {files_};
  report = IndexFiles(*store, files, ports_, options, context);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->added, 1);
  EXPECT_EQ(report->unchanged, 18);
  EXPECT_EQ(report->removed, 1);
  EXPECT_EQ(store->SearchLexical("rebuilt", 5, {})->size(), 1u);
  EXPECT_THAT(*store->Check({}), ::testing::IsEmpty());
}

TEST_F(IndexerTest, CancellingKeepsWhatWasRead) {
  auto store = OpenWrite();
  std::vector<std::string> files;
  for (int i = 0; i < 40; ++i)
    files.push_back(Put(absl::StrCat(i, ".txt"), absl::StrCat("weir ", i)));
  CancelToken token;
  Context context;
  context.cancel = &token;
  auto read = ports_.read;
  ports_.read = [&](const std::string& path, const Context& c) {
    if (reads_ == 20) token.Cancel();
    return read(path, c);
  };
  IndexReport report;
  EXPECT_TRUE(absl::IsCancelled(IndexFiles(*store, files, ports_, {}, context, &report).status()));
  EXPECT_GT(report.added, 10);
  EXPECT_EQ(store->Status()->documents, report.added);
  EXPECT_THAT(*store->Check({}), ::testing::IsEmpty());
}

TEST_F(IndexerTest, OneContradictoryDocumentDoesNotStopTheOthers) {
  auto store = OpenWrite();
  std::vector<std::string> files = {Put("a.txt", "weir"), Put("b.txt", "lock"),
                                    Put("c.txt", "mill")};
  ports_.chunk = [](const text::Document& d) {
    auto passages = Make(d.path, d.text).passages;
    if (d.text == "lock") passages[0].span.end = 99;
    return passages;
  };
  auto report = IndexFiles(*store, files, ports_, {}, {});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->added, 2);
  EXPECT_EQ(report->failed, 1);
  EXPECT_THAT(store->Status()->failed[0].second, ::testing::HasSubstr("passage ["));
}

TEST_F(IndexerTest, RecordsBecomeDocuments) {
  auto store = OpenWrite();
  int at = 0;
  RecordSource source = [&]() -> absl::StatusOr<std::optional<Record>> {
    if (at == 100) return std::nullopt;
    ++at;
    return Record{absl::StrCat("id", at), absl::StrCat("title", at), absl::StrCat("text ", at)};
  };
  ASSERT_EQ(IndexRecords(*store, source, {}, {}, {})->added, 100);
  auto hits = *store->SearchLexical("title7", 5, {});
  ASSERT_EQ(hits.size(), 1u);
  EXPECT_EQ(store->GetDocument(store->GetPassage(hits[0].passage)->document)->path, "id7");
  at = 0;
  EXPECT_EQ(IndexRecords(*store, source, {}, {}, {})->unchanged, 100);
}

}  // namespace
}  // namespace weir::index
