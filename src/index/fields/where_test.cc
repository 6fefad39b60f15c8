// The filter language: dates, values, what parses and what does not, what matches.
#include "index/fields/where.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace weir::index {
namespace {

using ::testing::HasSubstr;

DateSpan Date(std::string_view text) {
  const auto date = ParseDate(text);
  EXPECT_TRUE(date.ok() && date->has_value()) << text;
  return date.ok() && date->has_value() ? **date : DateSpan{};
}

TEST(Date, FormsOfIso8601) {
  constexpr int64_t kSecond = 1'000'000, kDay = 86400 * kSecond;
  EXPECT_EQ(Date("1970-01-01").start, 0);
  EXPECT_EQ(Date("1970-01-01").end, kDay);
  EXPECT_EQ(Date("1970").end, 365 * kDay);
  EXPECT_EQ(Date("1972").end - Date("1972").start, 366 * kDay);
  EXPECT_EQ(Date("2023-02").end, Date("2023-03").start);
  EXPECT_EQ(Date("2024-12").end, Date("2025").start);
  EXPECT_EQ(Date("9999").start, Date("9999-01-01").start);
  EXPECT_EQ(Date("1970-01-01T00:01").start, 60 * kSecond);
  EXPECT_EQ(Date("1970-01-01T00:01").end, 120 * kSecond);
  EXPECT_EQ(Date("1970-01-01T00:00:02").end, 3 * kSecond);
  EXPECT_EQ(Date("1970-01-01 00:00:02.25Z").start, 2 * kSecond + 250'000);
  EXPECT_EQ(Date("1970-01-01 00:00:02.25Z").end, 2 * kSecond + 260'000);
  for (const char* zone : {"+02:00", "+0200", "+02", " +02:00"})
    EXPECT_EQ(Date(absl::StrCat("1970-01-01T02:00", zone)).start, 0) << zone;
  EXPECT_EQ(Date("1969-12-31T22:00-02:00").start, 0);
  EXPECT_EQ(Date("1970-01-01T00:00:00.123456789").start, 123456);
}

TEST(Date, WhatIsNone) {
  for (const char* text : {"", "24", "2024-", "2024-5", "2024-05-1", "20240517", "2024/05/17",
                           "2024-05-17T", "2024-05-17T10", "2024-05-17x", "2024-05-17T10:00 CET",
                           "May 2024", "12024", "2024-05-17T10:00:0", "2024-05-17T10:00+2"}) {
    const auto date = ParseDate(text);
    EXPECT_TRUE(date.ok() && !date->has_value()) << text;
  }
  for (const char* text : {"2024-13-40", "2024-00", "2024-02-30", "2023-02-29", "0000",
                           "2024-05-17T24:00", "2024-05-17T10:60", "2024-05-17T10:00:61",
                           "2024-05-17T10:00+99:00"}) {
    EXPECT_EQ(ParseDate(text).status().code(), absl::StatusCode::kOutOfRange) << text;
  }
  EXPECT_THAT(ParseDate("2024-13-40").status().message(), HasSubstr("month 13; expected 1 to 12"));
}

TEST(Date, Text) {
  for (const char* text : {"0001-01-01", "1969-12-31", "1970-01-01", "2024-02-29", "9999-12-31"})
    EXPECT_EQ(DateText(Date(text).start), text);
  EXPECT_EQ(DateText(-1'000'000), "1969-12-31T23:59:59Z");
}

TEST(Value, Readings) {
  const FieldValue year = ReadValue("2020");
  EXPECT_EQ(year.number, 2020);
  EXPECT_EQ(year.date->start, Date("2020").start);
  EXPECT_EQ(ReadValue("-1.5e3").number, -1500);
  for (const char* text : {"inf", "nan", "0x10", "1e999", " 1", "1 2", "", "-", "1,5"})
    EXPECT_FALSE(ReadValue(text).number.has_value()) << text;
  EXPECT_EQ(ReadValue("  Stra\u00DFe\u00A0 X ").folded, "strasse x");
}

// Whether `expression`, a single test, passes a value.
bool Pass(std::string_view expression, std::string_view value) {
  const auto where = ParseWhere(expression);
  EXPECT_TRUE(where.ok()) << where.status();
  if (!where.ok() || where->tests.size() != 1) return false;
  const bool negated = where->nodes.back().kind == WhereNode::Kind::kNot;
  return Matches(where->tests[0], ReadValue(value)) != negated;
}

TEST(Where, Text) {
  EXPECT_TRUE(Pass("a = knuth", "Knuth"));
  EXPECT_FALSE(Pass("a = knuth", "Donald Knuth"));
  EXPECT_TRUE(Pass("a ~ KNUTH", "Donald Knuth"));
  EXPECT_TRUE(Pass("a != knuth", "Dijkstra"));
  EXPECT_TRUE(Pass("a = 'it\\'s'", "It's"));
  EXPECT_TRUE(Pass("a = \"say \\\"x\\\" \\\\\"", "say \"x\" \\"));
  EXPECT_TRUE(Pass("a in (b, \"c, d\", e)", "C, D"));
  EXPECT_FALSE(Pass("a not in (b, e)", "b"));
  EXPECT_TRUE(Pass("a ~ ..", "up ../there"));
  EXPECT_TRUE(Pass("a=b", "b"));
}

TEST(Where, NumbersAndDates) {
  EXPECT_TRUE(Pass("a = 1.0", "1"));
  EXPECT_FALSE(Pass("a = \"1.0\"", "1"));  // quotes ask for text
  EXPECT_TRUE(Pass("a < 10", "9"));
  EXPECT_FALSE(Pass("a < 10", "nine"));
  EXPECT_TRUE(Pass("a = 2020..2023", "2023"));
  EXPECT_TRUE(Pass("a != ..2019", "2023"));
  EXPECT_TRUE(Pass("a in (1, 5..)", "7"));
  EXPECT_TRUE(Pass("a = 2024-05", "2024-05-17"));
  EXPECT_TRUE(Pass("a = 2024", "2024-05-17T10:00"));
  EXPECT_FALSE(Pass("a = 2024-05", "2024-06"));
  EXPECT_TRUE(Pass("a > 2023", "2024-01-01"));
  EXPECT_FALSE(Pass("a > 2024", "2024-12-31"));
  EXPECT_TRUE(Pass("a <= 2024", "2024-12-31"));
  EXPECT_TRUE(Pass("a >= 2024-05-17", "2024-05-17"));
  EXPECT_TRUE(Pass("a = 2024-05-17T10:00..2024-05-17T11:00", "2024-05-17T11:00:30"));
  EXPECT_TRUE(Pass("a = \"2024-05-17 10:00\"", "2024-05-17T10:00:59Z"));
  // One of before, in and behind holds, whatever stands there.
  for (const char* value : {"2019", "2020", "2020-06", "2021-01-01", "2020-12-31T23:59"}) {
    EXPECT_EQ(Pass("a < 2020", value) + Pass("a = 2020", value) + Pass("a > 2020", value), 1)
        << value;
    EXPECT_EQ(Pass("a <= 2020-06", value), !Pass("a > 2020-06", value)) << value;
  }
}

// The tree as text, with all parentheses.
std::string Shape(const Where& where, size_t node) {
  const WhereNode& n = where.nodes[node];
  if (n.kind == WhereNode::Kind::kTest) return where.tests[n.test].field;
  if (n.kind == WhereNode::Kind::kNot)
    return absl::StrCat("!", Shape(where, n.children[0]));
  std::string out = "(";
  for (size_t c = 0; c < n.children.size(); ++c) {
    absl::StrAppend(&out, c == 0 ? "" : n.kind == WhereNode::Kind::kAll ? "&" : "|",
                    Shape(where, n.children[c]));
  }
  return out + ")";
}

TEST(Where, Precedence) {
  const auto shape = [](std::string_view text) {
    const auto where = ParseWhere(text);
    EXPECT_TRUE(where.ok()) << where.status();
    return where.ok() ? Shape(*where, where->nodes.size() - 1) : "";
  };
  EXPECT_EQ(shape("has a or has b and not has c"), "(a|(b&!c))");
  EXPECT_EQ(shape("(has a or has b) AND has c"), "((a|b)&c)");
  EXPECT_EQ(shape("not not has a"), "!!a");
  EXPECT_EQ(shape("a != 1 or b not in (2) or has \"c d\""), "(!a|!b|c d)");
  EXPECT_EQ(shape("has = 1 and \"not\" = 2 and IN = 3"), "(has&not&in)");
}

TEST(Where, MistakesHavePlaces) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "where: the expression is empty\n  \n  ^"},
      {"a = ", "where: expected a value; found the end\n  a = \n      ^"},
      {"a = b)", "where: this parenthesis closes none\n  a = b)\n       ^"},
      {"(a = b", "where: this parenthesis is not closed\n  (a = b\n  ^"},
      {"a = 'b", "where: this quote is not closed\n  a = 'b\n      ^"},
      {"a = b c", "where: expected and, or, or the end; found \"c\"\n  a = b c\n        ^"},
      {"a b", "where: expected = != < <= > >= ~ or in behind the field \"a\"; found \"b\"\n"
              "  a b\n    ^"},
      {"a = 1..2..3", "where: expected a range as 1..2, 1.. or ..2; quote text with dots\n"
                      "  a = 1..2..3\n      ^"},
      {"a < 1..2", "where: a range goes with =, != and in only\n  a < 1..2\n      ^"},
      {"a in b", "where: expected \"(\" behind in\n  a in b\n       ^"},
      {"a in (b c)", "where: expected \",\" or \")\"; found \"c\"\n  a in (b c)\n          ^"},
      {"\u00E9t\u00E9 ! b", "where: \"!\" alone means nothing here; expected != or not\n"
                            "  \u00E9t\u00E9 ! b\n      ^"},
      {"a = b and", "where: expected the name of a field; found the end\n"
                    "  a = b and\n           ^"}};
  for (const auto& [text, message] : cases) {
    const auto where = ParseWhere(text);
    EXPECT_EQ(where.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(where.status().message(), message);
  }
}

TEST(Where, Limits) {
  const auto message = [](const std::string& text) {
    return std::string(ParseWhere(text).status().message());
  };
  EXPECT_THAT(message(std::string(kMaxWhereBytes + 1, 'a')), HasSubstr("at most 16384"));
  EXPECT_THAT(message(std::string(100, '(')), HasSubstr("more than 64 levels"));
  std::string nots;
  for (int i = 0; i < 100; ++i) nots += "not ";
  EXPECT_THAT(message(nots + "has a"), HasSubstr("more than 64 levels"));
  std::string tests = "has a", values = "a in (1";
  for (int i = 0; i < 300; ++i) tests += " or has a";
  for (int i = 0; i < 3000; ++i) values += ",1";
  EXPECT_THAT(message(tests), HasSubstr("more than 256 tests"));
  EXPECT_THAT(message(values + ")"), HasSubstr("more than 2048 values"));
  EXPECT_THAT(message("a = \xff"), HasSubstr("not valid UTF-8"));
  // A long expression is shown around the mistake.
  const std::string far = message("a = " + std::string(500, 'x') + " ) or");
  EXPECT_LT(far.size(), 300);
}

TEST(Where, Types) {
  const auto check = [](std::string_view expression, std::vector<std::string> values) {
    const auto where = ParseWhere(expression);
    EXPECT_TRUE(where.ok()) << where.status();
    SeenTypes seen;
    for (const std::string& value : values) seen.Add(ReadValue(value));
    return std::string(CheckTypes(where->text, where->tests[0], seen).message());
  };
  EXPECT_EQ(check("year >= 2020", {"2019"}), "");
  EXPECT_EQ(check("year >= 2020", {"2019", "unknown"}), "");
  EXPECT_EQ(check("date >= 2020", {"2019-05-01"}), "");
  EXPECT_THAT(check("author >= 2020", {"Knuth"}), HasSubstr("holds text, which has no order"));
  EXPECT_THAT(check("year = old", {"2019"}), HasSubstr("holds numbers; \"old\" is none"));
  EXPECT_THAT(check("date = 5", {"2019-05-01"}), HasSubstr("holds dates; \"5\" is none"));
  EXPECT_THAT(check("date > 2024-13-40", {"2019-05-01"}),
              HasSubstr("\"2024-13-40\" is no date: month 13; expected 1 to 12\n"
                        "  date > 2024-13-40\n         ^"));
  EXPECT_THAT(check("date = 2020..2024-02-30", {"2019-05-01"}), HasSubstr("day 30"));
  EXPECT_EQ(check("version = 2024-13-40", {"v1"}), "");
  EXPECT_EQ(check("date ~ 2024-13", {"2019-05-01"}), "");
}

}  // namespace
}  // namespace weir::index
