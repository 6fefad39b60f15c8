#include "generate/sample/text_stream.h"

#include <string>
#include <vector>

#include "generate/sample/random.h"
#include "gtest/gtest.h"
#include "text/unicode.h"

namespace weir::generate {
namespace {

TextStream MakeStream(std::vector<std::string> stops) {
  return *TextStream::Make(std::move(stops));
}

TEST(TextStreamTest, HoldsBackWhatMayBecomeAStopString) {
  TextStream stream = MakeStream({"\nQ:"});
  EXPECT_EQ(stream.Push("abc\n"), "abc");
  EXPECT_EQ(stream.Push("d"), "\nd");
  EXPECT_EQ(stream.Push("\nQ"), "");
  EXPECT_EQ(stream.Push(": and more"), "");
  EXPECT_TRUE(stream.stopped());
  EXPECT_EQ(stream.Finish(), "");
}

TEST(TextStreamTest, EmitsAHeldPrefixWhenGenerationEnds) {
  TextStream stream = MakeStream({"STOP"});
  EXPECT_EQ(stream.Push("an STO"), "an ");
  EXPECT_EQ(stream.Finish(), "STO");
}

TEST(TextStreamTest, HoldsUnfinishedCharacters) {
  TextStream stream = MakeStream({});
  EXPECT_EQ(stream.Push("caf\xC3"), "caf");
  EXPECT_EQ(stream.Push("\xA9 \xF0\x9F"), "\xC3\xA9 ");
  EXPECT_EQ(stream.Push("\x98"), "");
  EXPECT_EQ(stream.Push("\x80!"), "\xF0\x9F\x98\x80!");
  EXPECT_EQ(stream.Push("\xE2\x82"), "");
  EXPECT_EQ(stream.Finish(), text::RepairUtf8("\xE2\x82"));
}

TEST(TextStreamTest, UnfinishedCountsTheTail) {
  EXPECT_EQ(UnfinishedUtf8(""), 0u);
  EXPECT_EQ(UnfinishedUtf8("a"), 0u);
  EXPECT_EQ(UnfinishedUtf8("a\xC3"), 1u);
  EXPECT_EQ(UnfinishedUtf8("\xE2\x82"), 2u);
  EXPECT_EQ(UnfinishedUtf8("\xE2\x82\xAC"), 0u);
  EXPECT_EQ(UnfinishedUtf8("\xF0\x9F\x98"), 3u);
  EXPECT_EQ(UnfinishedUtf8("\x80\x80\x80"), 0u);
  EXPECT_EQ(UnfinishedUtf8("\xFF"), 0u);
}

// Any cutting of a text into pieces streams the same text, and none of what was streamed is ever
// part of the stop string: the naive reference is the text cut at its first stop string.
TEST(TextStreamTest, EqualsTheWholeTextCutAtTheFirstStop) {
  const std::vector<std::string> stops = {"ab", "aab\xC3\xA9", "\n\n", "bba"};
  const std::string alphabet[] = {"a", "b", "\n", "\xC3\xA9", "\xE2\x82\xAC", "c"};
  uint64_t draw = 0;
  const auto pick = [&draw](size_t n) { return static_cast<size_t>(UniformAt(1, draw++) * n); };
  for (int round = 0; round < 3000; ++round) {
    std::string whole;
    for (size_t n = pick(30); n > 0; --n) whole += alphabet[pick(6)];
    TextStream stream = MakeStream(stops);
    std::string streamed;
    for (size_t at = 0; at < whole.size() && !stream.stopped();) {
      const size_t length = 1 + pick(4);
      const std::string piece = stream.Push(whole.substr(at, length));
      EXPECT_TRUE(text::IsValidUtf8(piece));
      streamed += piece;
      at += length;
    }
    streamed += stream.Finish();
    // With several stops, the one completed first ends the stream; it may begin later than another
    // that would have been completed afterwards.
    size_t end = whole.size(), begin = whole.size();
    for (size_t i = 1; i <= whole.size() && end == whole.size() && begin == whole.size(); ++i) {
      for (const std::string& s : stops) {
        if (std::string_view(whole).substr(0, i).ends_with(s))
          begin = std::min(begin, i - s.size());
      }
    }
    if (stream.stopped()) {
      EXPECT_LE(streamed.size(), begin) << whole;
      EXPECT_EQ(streamed, whole.substr(0, streamed.size()));
      bool at_stop = false;
      for (const std::string& s : stops)
        at_stop |= whole.compare(streamed.size(), s.size(), s) == 0;
      EXPECT_TRUE(at_stop) << whole;
    } else {
      EXPECT_EQ(streamed, whole);
      EXPECT_EQ(begin, whole.size());
    }
  }
}

TEST(TextStreamTest, RefusesBadStops) {
  EXPECT_EQ(TextStream::Make({""}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TextStream::Make({std::string(5000, 'x')}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TextStream::Make(std::vector<std::string>(65, "x")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace weir::generate
