#include "text/unicode.h"

#include <gtest/gtest.h>

#include <random>

namespace weir::text {
namespace {

TEST(Unicode, RoundTripsEveryCodePoint) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string s;
    AppendUtf8(c, s);
    ASSERT_TRUE(IsValidUtf8(s)) << static_cast<uint32_t>(c);
    size_t at = 0;
    ASSERT_EQ(NextCodePoint(s, at), c);
    ASSERT_EQ(at, s.size());
  }
}

TEST(Unicode, RefusesMalformed) {
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80",
                          "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF",
                          "abcdefgh\xE2\x82", "a\xE2\x28\xA1"}) {
    EXPECT_FALSE(IsValidUtf8(bad)) << bad;
    EXPECT_TRUE(IsValidUtf8(RepairUtf8(bad)));
  }
  EXPECT_EQ(RepairUtf8("a\xFFz"), "a\uFFFDz");
  EXPECT_EQ(RepairUtf8("a\xE2\x82z"), "a\uFFFDz");
  EXPECT_EQ(RepairUtf8(std::string_view("a\0z", 3)), "a\uFFFDz");
}

TEST(Unicode, CutsBetweenCodePoints) {
  EXPECT_EQ(CutUtf8("a\u00E9z", 2), "a");
  EXPECT_EQ(CutUtf8("a\u00E9z", 3), "a\u00E9");
  EXPECT_EQ(CutUtf8("abc", 9), "abc");
  EXPECT_EQ(CutUtf8("\u00E9", 1), "");
}

TEST(Unicode, SurrogatesAndBeyondAreReplaced) {
  std::string s;
  AppendUtf8(0xD800, s);
  AppendUtf8(0x110000, s);
  EXPECT_EQ(s, "\uFFFD\uFFFD");
}

TEST(Unicode, RepairOfRandomBytesIsValidAndIdempotent) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 24, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % 3 == 0 ? random() % 128 : random());
    const std::string repaired = RepairUtf8(bytes);
    ASSERT_TRUE(IsValidUtf8(repaired));
    ASSERT_EQ(RepairUtf8(repaired), repaired);
    if (IsValidUtf8(bytes) && bytes.find('\0') == std::string::npos) {
      ASSERT_EQ(repaired, bytes);
    }
  }
}

}  // namespace
}  // namespace weir::text
