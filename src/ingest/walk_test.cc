#include "ingest/walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace weir::ingest {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

class WalkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = ::testing::TempDir() + "/walk";
    fs::remove_all(root_);
    fs::create_directories(root_ + "/b/.weir");
    fs::create_directories(root_ + "/.hidden");
    for (const char* name : {"/z.txt", "/a.md", "/b/c.html", "/b/.weir/store.txt", "/.hidden/x.txt",
                             "/.dot.txt", "/b/program.exe"}) {
      std::ofstream(root_ + name) << "x";
    }
  }
  std::string root_;
};

TEST_F(WalkTest, SortedWithoutHiddenAndUnreadable) {
  const auto r = WalkFiles({root_});
  ASSERT_TRUE(r.ok()) << r.status();
  EXPECT_THAT(r->files, ElementsAre(root_ + "/a.md", root_ + "/b/c.html", root_ + "/z.txt"));
  ASSERT_EQ(r->skipped.size(), 1);
  EXPECT_EQ(r->skipped[0].path, root_ + "/b/program.exe");
}

TEST_F(WalkTest, GivenFilesCountOnceAndHiddenOnRequest) {
  const auto r = WalkFiles({root_ + "/.dot.txt", root_ + "/b", root_ + "/b/c.html"});
  ASSERT_TRUE(r.ok());
  EXPECT_THAT(r->files, ElementsAre(root_ + "/.dot.txt", root_ + "/b/c.html"));
  const auto all = WalkFiles({root_}, {.hidden = true});
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->files.size(), 5) << ".weir is never read";
}

TEST_F(WalkTest, Links) {
  fs::create_symlink(root_, root_ + "/b/up");
  fs::create_symlink("loop.txt", root_ + "/loop.txt");
  fs::create_symlink("/etc/hostname", root_ + "/out.txt");
  fs::create_symlink("z.txt", root_ + "/in.txt");
  const auto r = WalkFiles({root_});
  ASSERT_TRUE(r.ok());
  EXPECT_THAT(r->files, ElementsAre(root_ + "/a.md", root_ + "/b/c.html", root_ + "/in.txt",
                                    root_ + "/z.txt"));
  EXPECT_EQ(r->skipped.size(), 4);
}

TEST_F(WalkTest, Errors) {
  EXPECT_EQ(WalkFiles({root_ + "/missing"}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(WalkFiles({root_}, {.max_files = 1}).status().code(),
            absl::StatusCode::kResourceExhausted);
  const auto shallow = WalkFiles({root_}, {.max_depth = 0});
  ASSERT_TRUE(shallow.ok());
  EXPECT_EQ(shallow->files.size(), 2);
}

}  // namespace
}  // namespace weir::ingest
