#include "generate/constrain/grammar.h"

#include <string>
#include <string_view>
#include <vector>

#include "generate/constrain/matcher.h"
#include "generate/constrain/token_trie.h"
#include "generate/constrain/utf8_ranges.h"
#include "generate/sample/random.h"
#include "gtest/gtest.h"
#include "text/unicode.h"

namespace weir::generate {
namespace {

bool Matches(const std::string& grammar, std::string_view text) {
  auto parsed = Grammar::ParseGbnf(grammar);
  EXPECT_TRUE(parsed.ok()) << parsed.status() << "\n" << grammar;
  if (!parsed.ok()) return false;
  Matcher matcher(*parsed);
  for (char c : text) {
    if (!matcher.Admits(std::string_view(&c, 1))) return false;
    matcher.Accept(std::string_view(&c, 1));
  }
  return matcher.CanEnd();
}

struct Case {
  std::string grammar;
  std::vector<std::string> accepted, rejected;
};

TEST(GrammarTest, AcceptsAndRejects) {
  const Case cases[] = {
      {"root ::= \"abc\"", {"abc"}, {"", "ab", "abcd", "abd"}},
      {"root ::= \"a\" | \"bc\" |", {"a", "bc", ""}, {"b", "c", "abc"}},
      {"root ::= [a-c]+ [^a-c]",
       {"aX", "abc\xC3\xA9", "a\xF0\x9F\x98\x80"},
       {"X", "abc", "aa\xC3"}},
      {"root ::= \"x\"? \"y\"* \"z\"+", {"z", "xz", "yyz", "xyzz"}, {"", "x", "y", "xxz"}},
      {"root ::= \"ab\"{2}", {"abab"}, {"ab", "ababab"}},
      {"root ::= \"a\"{2,}", {"aa", "aaaaa"}, {"a", ""}},
      {"root ::= \"a\"{1,3}", {"a", "aa", "aaa"}, {"", "aaaa"}},
      {"root ::= \"a\"{,2} \"b\"", {"b", "ab", "aab"}, {"aaab"}},
      {"root ::= \"a\"{0}", {""}, {"a"}},
      {"root ::= (\"a\" | \"b\" \"c\")* \"d\"", {"d", "abcad"}, {"bd", "acd"}},
      {"# comment\nroot ::= a # first\n  \na ::= \"(\" a \")\" |\n  \"x\"  # rest\n",
       {"x", "((x))"},
       {"(x", "()"}},
      {"root ::= (\n \"a\"\n \"b\"\n)\n", {"ab"}, {"a"}},
      {"root ::= \"\\x41\\u00e9\\U0001F600\\n\\\"\\\\\"",
       {"A\xC3\xA9\xF0\x9F\x98\x80\n\"\\"},
       {"A"}},
      {"root ::= [\\x30-\\x39\\-\\]\\^]+", {"09-]^"}, {"a", "\\"}},
      {"root ::= [^\"\\n]*", {"", "abc '"}, {"\"", "\n"}},
      {"root ::= .", {"a", "\xE2\x82\xAC"}, {"", "ab", "\xE2\x82"}},
      {"root ::= [a-]", {"a", "-"}, {"b"}},
      {"root ::= (\"a\"?)* \"b\"", {"b", "aab"}, {"a"}},  // a nullable loop ends
      {"root ::= e \"x\"\ne ::= \"\" | \"y\"", {"x", "yx"}, {"y"}},
      {"root ::= expr\nexpr ::= term ((\"+\" | \"-\") term)*\nterm ::= [0-9]+ | \"(\" expr \")\"",
       {"1", "1+2", "(1-(2+33))+4"},
       {"", "1+", "(1", "1)"}},
      {"root ::= [^\\x00-\\U0010FFFF] | \"k\"", {"k"}, {"a"}},  // an empty class matches nothing
  };
  for (const Case& c : cases) {
    for (const auto& text : c.accepted)
      EXPECT_TRUE(Matches(c.grammar, text)) << c.grammar << "\n" << text;
    for (const auto& text : c.rejected)
      EXPECT_FALSE(Matches(c.grammar, text)) << c.grammar << "\n" << text;
  }
}

TEST(GrammarTest, RefusesWithTheRightCode) {
  const std::pair<std::string, absl::StatusCode> cases[] = {
      {"", absl::StatusCode::kInvalidArgument},
      {"a ::= \"x\"", absl::StatusCode::kInvalidArgument},  // no root
      {"root ::= b", absl::StatusCode::kInvalidArgument},   // undefined
      {"root ::= \"x\"\nroot ::= \"y\"", absl::StatusCode::kInvalidArgument},
      {"root = \"x\"", absl::StatusCode::kInvalidArgument},
      {"root ::= \"x", absl::StatusCode::kInvalidArgument},
      {"root ::= [a", absl::StatusCode::kInvalidArgument},
      {"root ::= [b-a]", absl::StatusCode::kInvalidArgument},
      {"root ::= (\"x\"", absl::StatusCode::kInvalidArgument},
      {"root ::= \"x\")", absl::StatusCode::kInvalidArgument},
      {"root ::= \"\\q\"", absl::StatusCode::kInvalidArgument},
      {"root ::= \"\\xZZ\"", absl::StatusCode::kInvalidArgument},
      {"root ::= \"\\uD800\"", absl::StatusCode::kInvalidArgument},
      {"root ::= \"\\U00110000\"", absl::StatusCode::kInvalidArgument},
      {"root ::= \"a\"{3,2}", absl::StatusCode::kInvalidArgument},
      {"root ::= \"a\"{x}", absl::StatusCode::kInvalidArgument},
      {"root ::= *", absl::StatusCode::kInvalidArgument},
      {"root ::= \"\xFF\"", absl::StatusCode::kInvalidArgument},
      {"root ::= root \"a\" | \"b\"", absl::StatusCode::kInvalidArgument},  // left recursion
      {"root ::= e root \"a\" | \"b\"\ne ::= \"x\"?",
       absl::StatusCode::kInvalidArgument},                                             // hidden
      {"root ::= a\na ::= b \"x\"\nb ::= \"\" a", absl::StatusCode::kInvalidArgument},  // indirect
      {"root ::= \"a\"{9999999}", absl::StatusCode::kResourceExhausted},
      {"root ::= ((((\"a\"{4000}){4000}){4000}){4000})", absl::StatusCode::kResourceExhausted},
      {"root ::= ((((\"\"{4000}){4000}){4000}){4000})", absl::StatusCode::kResourceExhausted},
      {"root ::= " + std::string(100, '(') + "\"a\"" + std::string(100, ')'),
       absl::StatusCode::kResourceExhausted},
      {"root ::= \"a\"?????????", absl::StatusCode::kResourceExhausted},
      {std::string(2 << 20, ' '), absl::StatusCode::kResourceExhausted},
  };
  for (const auto& [grammar, code] : cases) {
    EXPECT_EQ(Grammar::ParseGbnf(grammar).status().code(), code) << grammar.substr(0, 80);
  }
}

TEST(GrammarTest, ErrorsNameTheLine) {
  const auto status = Grammar::ParseGbnf("root ::= \"a\"\n\nb ::= [\n").status();
  EXPECT_NE(status.message().find("line 3"), std::string::npos) << status;
}

TEST(Utf8RangesTest, MatchExactlyTheCodePoints) {
  const std::pair<char32_t, char32_t> ranges[] = {
      {0, 0x10FFFF},    {0x41, 0x5A},      {0x7F, 0x80},        {0x3C0, 0x1234},
      {0xD7FF, 0xE000}, {0xFFFE, 0x10001}, {0x10FFFF, 0x10FFFF}};
  for (const auto& [low, high] : ranges) {
    std::vector<Utf8Sequence> sequences;
    AppendUtf8Sequences(low, high, sequences);
    for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x3000 || c > 0xD000 ? 1 : 37) {
      if (c >= 0xD800 && c <= 0xDFFF) continue;
      std::string bytes;
      text::AppendUtf8(c, bytes);
      int matching = 0;
      for (const Utf8Sequence& s : sequences) {
        bool all = s.length == static_cast<int>(bytes.size());
        for (int i = 0; all && i < s.length; ++i) {
          const uint8_t b = static_cast<uint8_t>(bytes[i]);
          all = b >= s.bytes[i].first && b <= s.bytes[i].second;
        }
        matching += all;
      }
      ASSERT_EQ(matching, c >= low && c <= high ? 1 : 0) << static_cast<uint32_t>(c);
    }
  }
}

TEST(MatcherTest, MaskEqualsCheckingEachToken) {
  const std::string grammar =
      "root ::= \"{\" pair (\",\" pair)* \"}\"\npair ::= \"\\\"\" [^\"\\\\]{1,4} \"\\\":\" "
      "num\nnum ::= [0-9]{1,3}";
  std::vector<std::string> pieces = {
      "",    "{",  "{\"",  "\"",   "\":",      "a",      "ab\":",     "12",         "1234", "}",
      ",\"", "},", "\xC3", "\xA9", "\xE2\x82", "\xAC\"", "{\"a\":1}", "{\"a\":1}x", "a"};
  const TokenTrie trie(pieces);
  auto parsed = Grammar::ParseGbnf(grammar);
  ASSERT_TRUE(parsed.ok());
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Matcher matcher(*parsed);
    for (uint64_t step = 0; step < 40 && !matcher.MustEnd(); ++step) {
      std::vector<uint8_t> allowed(pieces.size());
      matcher.AdmitAll(trie, allowed);
      std::vector<size_t> choices;
      for (size_t id = 0; id < pieces.size(); ++id) {
        EXPECT_EQ(allowed[id] != 0, !pieces[id].empty() && matcher.Admits(pieces[id]))
            << pieces[id];
        if (allowed[id]) choices.push_back(id);
      }
      if (choices.empty()) break;  // the pieces cannot spell what is due
      matcher.Accept(pieces[choices[static_cast<size_t>(UniformAt(seed, step) * choices.size())]]);
    }
    EXPECT_TRUE(matcher.status().ok());
  }
}

TEST(MatcherTest, RightRecursionRunsLongAndNestingIsBounded) {
  Matcher list(*Grammar::ParseGbnf("root ::= \"a\" root | \"b\""));
  for (int i = 0; i < 200000; ++i) list.Accept("a");
  list.Accept("b");
  EXPECT_TRUE(list.MustEnd());

  Matcher nested(*Grammar::ParseGbnf("root ::= \"(\" root \")\" | \"\""));
  for (int i = 0; i < 100000; ++i) nested.Accept("(");  // survives several compactions
  for (int i = 0; i < 100000; ++i) {
    ASSERT_TRUE(nested.Admits(")"));
    nested.Accept(")");
  }
  EXPECT_TRUE(nested.MustEnd());
  EXPECT_FALSE(nested.Admits(")"));
}

TEST(MatcherTest, FailsCleanlyWhenTooAmbiguous) {
  // 2^20 different stacks before the first byte.
  std::string grammar = "root ::= a0\n";
  for (int i = 0; i < 20; ++i) {
    grammar += "a" + std::to_string(i) + " ::= a" + std::to_string(i + 1) + " \"x\" | a" +
               std::to_string(i + 1) + " \"y\"\n";
  }
  grammar += "a20 ::= \"z\"\n";
  Matcher matcher(*Grammar::ParseGbnf(grammar));
  EXPECT_EQ(matcher.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(matcher.Admits("z"));
  EXPECT_FALSE(matcher.CanEnd());
}

}  // namespace
}  // namespace weir::generate
