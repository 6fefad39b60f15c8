// A writer is killed at random moments; everything it had acknowledged must be there, and Check be
// clean. The acknowledgements are kept outside of the store: they come over a pipe.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "index/store_fixture.h"

namespace weir::index {
namespace {

constexpr int kRounds = 50;
constexpr int kPaths = 60;

std::string TextOf(int path, int version) {
  std::string text;
  for (int i = 0; i < 30; ++i)
    absl::StrAppend(&text, "word", (path * 31 + version * 17 + i * i) % 200, " ");
  return absl::StrCat(text, "version", version);
}

// Writes {path, version} (version -1: removed) after each acknowledgement.
[[noreturn]] void Write(const std::string& folder, int pipe, int round) {
  auto store = Store::Open(folder, Store::Mode::kWrite, {});
  if (!store.ok()) _exit(2);
  std::mt19937 random(static_cast<uint32_t>(round));
  const HashEncoder encoder(32);
  for (int version = round * 100000;; ++version) {
    std::vector<std::pair<int, int>> acknowledged;
    const int what = static_cast<int>(random() % 12);
    if (what == 0) {
      const int path = static_cast<int>(random() % kPaths);
      const absl::Status status = (*store)->Remove(absl::StrCat("d", path));
      if (!status.ok() && !absl::IsNotFound(status)) _exit(3);
      acknowledged.emplace_back(path, -1);
    } else if (what == 1) {
      if (!(*store)->EncodePending(encoder, {}).ok()) _exit(4);
    } else if (what == 2 && version % 3 == 0) {
      if (!(*store)->Compact({}).ok()) _exit(5);
    } else {
      std::vector<Prepared> batch;
      for (size_t i = 0, n = 1 + random() % 5; i < n; ++i) {
        const int path = static_cast<int>(random() % kPaths);
        batch.push_back(Make(absl::StrCat("d", path), TextOf(path, version), 64));
        batch.back().tenant = "anna";
        acknowledged.emplace_back(path, version);
      }
      if (!(*store)->AddBatch(batch, {}).ok()) _exit(6);
    }
    for (const auto& pair : acknowledged) {
      if (::write(pipe, &pair, sizeof(pair)) != sizeof(pair)) _exit(7);
    }
  }
}

TEST_F(StoreFixture, NothingAcknowledgedIsLostToAKill) {
  std::mt19937 random(1);
  std::map<int, int> expected;  // path -> version
  int64_t acknowledgements = 0;
  for (int round = 0; round < kRounds; ++round) {
    int pipes[2];
    ASSERT_EQ(::pipe(pipes), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(pipes[0]);
      Write(folder(), pipes[1], round);
    }
    ::close(pipes[1]);
    ::usleep(static_cast<useconds_t>(20000 + random() % 280000));
    ::kill(child, SIGKILL);
    std::set<int> touched;  // in this round; the last step may have been committed without a word
    std::pair<int, int> pair;
    while (::read(pipes[0], &pair, sizeof(pair)) == sizeof(pair)) {
      expected[pair.first] = pair.second;
      ++acknowledgements;
    }
    ::close(pipes[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer failed by itself, code " << WEXITSTATUS(status);

    auto store = OpenWrite();
    ASSERT_NE(store, nullptr);
    ASSERT_THAT(*store->Check({}), ::testing::IsEmpty()) << "round " << round;
    // Documents and grants come and go together.
    ASSERT_EQ(*store->Paths("anna"), *store->Paths()) << "round " << round;
    for (int path = 0; path < kPaths; ++path) {
      const std::string name = absl::StrCat("d", path);
      auto id = store->FindDocument(name);
      const int version = expected.contains(path) ? expected[path] : -1;
      int found = -1;
      if (id.ok()) {
        const std::string text = *store->GetText(*id);
        found = std::stoi(text.substr(text.rfind("version") + 7));
        ASSERT_EQ(text, TextOf(path, found));
      }
      // What is there is what was acknowledged, or the step in flight when the kill came.
      if (found != version) {
        ASSERT_TRUE(found == -1 || (found > version && found / 100000 == round))
            << name << ": acknowledged " << version << ", found " << found << ", round " << round;
        touched.insert(path);
        expected[path] = found;
      }
    }
    ASSERT_LE(touched.size(), 5u) << "more than one step without an acknowledgement";
  }
  EXPECT_GT(acknowledgements, kRounds);
  std::printf("%d kills, %lld acknowledged changes, none lost\n", kRounds,
              static_cast<long long>(acknowledgements));
}

}  // namespace
}  // namespace weir::index
