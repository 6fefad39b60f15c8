#include "base/progress.h"

#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Runs `work` with a progress on a pipe and a clock that the work moves, and returns what was
// written.
template <class Work>
std::string Written(ProgressMode mode, Work work) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  int64_t now = 0;
  {
    Progress progress(mode, ends[1], [&now] { return now; });
    work(progress, now);
  }
  ::close(ends[1]);
  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t got; (got = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), got);
  }
  ::close(ends[0]);
  return text;
}

TEST(Progress, DrawsShareRateAndTimeLeft) {
  const std::string text = Written(ProgressMode::kAuto, [](Progress& progress, int64_t& now) {
    progress.Start("index", 200, "files");
    now = 2'000'000'000;
    progress.Advance(50);
  });
  EXPECT_THAT(text, HasSubstr("\rindex   25%  50/200 files  25/s  0:06 left\x1b[K"));
  EXPECT_TRUE(text.ends_with("\r\x1b[K")) << "the line is cleared at the end";
}

TEST(Progress, UnknownTotalsShowNoShare) {
  const std::string text = Written(ProgressMode::kAuto, [](Progress& progress, int64_t& now) {
    progress.Start("fetch", 0, "bytes");
    now = 1'000'000'000;
    progress.Advance(2'500'000);
  });
  EXPECT_THAT(text, HasSubstr("\rfetch  2.5M bytes  2.5M/s\x1b[K"));
}

TEST(Progress, RedrawsAtMostTenTimesASecond) {
  const std::string text = Written(ProgressMode::kAuto, [](Progress& progress, int64_t& now) {
    progress.Start("work", 1000, "steps");
    for (int i = 0; i < 1000; ++i) {
      now += 1'000'000;  // one second in all
      progress.Advance(1);
    }
  });
  EXPECT_EQ(std::count(text.begin(), text.end(), '%'), 10);
}

TEST(Progress, JsonLines) {
  const std::string text = Written(ProgressMode::kJson, [](Progress& progress, int64_t& now) {
    progress.Start("a \"b\"", 10, "x");
    now = 500'000'000;
    progress.Advance(5);
    progress.Finish();
    progress.Finish();  // harmless
  });
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 2u);
  const auto first = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(first, nlohmann::json::parse(R"({"task":"a \"b\"","done":5,"total":10,"unit":"x",
      "rate":10.0,"finished":false})"));
  EXPECT_EQ(nlohmann::json::parse(lines[1])["finished"], true);
}

TEST(Progress, OffIsSilent) {
  EXPECT_THAT(Written(ProgressMode::kOff, [](Progress& progress, int64_t& now) {
                progress.Start("work", 2, "steps");
                now = 1'000'000'000;
                progress.Advance(2);
              }),
              IsEmpty());
}

}  // namespace
}  // namespace weir
