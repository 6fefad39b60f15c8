// The parts of the tokenizers against naive references: ICU's regular expressions and properties,
// merges by repeated scan, all segmentations by brute force.
#include <gtest/gtest.h>
#include <unicode/regex.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <ctime>
#include <map>
#include <random>

#include "model/tokenizer/added_tokens.h"
#include "model/tokenizer/bert_words.h"
#include "model/tokenizer/bpe.h"
#include "model/tokenizer/charsmap.h"
#include "model/tokenizer/spm_bpe.h"
#include "model/tokenizer/split.h"
#include "model/tokenizer/trie.h"
#include "model/tokenizer/unigram.h"
#include "model/tokenizer/wordpiece.h"
#include "text/unicode.h"

namespace weir::model {
namespace {

using Views = std::vector<std::string_view>;
using Ids = std::vector<int32_t>;

Category CategoryByIcu(char32_t c) {
  switch (u_charType(static_cast<UChar32>(c))) {
    case U_UNASSIGNED:
      return Category::kUnassigned;
    case U_NON_SPACING_MARK:
      return Category::kNonspacingMark;
    case U_CONTROL_CHAR:
      return Category::kControl;
    case U_FORMAT_CHAR:
      return Category::kFormat;
    case U_PRIVATE_USE_CHAR:
      return Category::kPrivate;
    case U_SURROGATE:
      return Category::kSurrogate;
    default:
      break;
  }
  const uint32_t mask = U_GET_GC_MASK(static_cast<UChar32>(c));
  if (mask & U_GC_L_MASK) return Category::kLetter;
  if (mask & U_GC_M_MASK) return Category::kMark;
  if (mask & U_GC_N_MASK) return Category::kNumber;
  if (mask & U_GC_P_MASK) return Category::kPunctuation;
  return mask & U_GC_S_MASK ? Category::kSymbol : Category::kSeparator;
}

// Of Debian's ICU 72 (Unicode 15.0); what it calls unassigned may be newer.
TEST(UnicodeTables, AgreeWithIcu) {
  UVersionInfo version;
  u_getUnicodeVersion(version);
  if (version[0] > 15) GTEST_SKIP() << "an ICU newer than the tables";
  for (char32_t c = 0; c < 0x110000; ++c) {
    const Category icu = CategoryByIcu(c);
    if (icu == Category::kUnassigned) continue;
    ASSERT_EQ(CategoryOf(c, UnicodeVersion::kV15_1), icu) << std::hex << static_cast<int>(c);
    ASSERT_EQ(IsWhiteSpace(c), u_isUWhiteSpace(static_cast<UChar32>(c)) != 0);
    ASSERT_EQ(ToLower(c, UnicodeVersion::kV15_1),
              static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))))
        << std::hex << static_cast<int>(c);
  }
}

TEST(UnicodeTables, KnowVersions) {
  EXPECT_EQ(CategoryOf(0x1C89, UnicodeVersion::kV15_1), Category::kUnassigned);  // new in 16.0
  EXPECT_EQ(CategoryOf(0x1C89, UnicodeVersion::kV16), Category::kLetter);
  // a symbol since 12.0
  EXPECT_EQ(CategoryOf(0x166D, UnicodeVersion::kV8), Category::kPunctuation);
  EXPECT_EQ(CategoryOf(0x166D, UnicodeVersion::kV15_1), Category::kSymbol);
  EXPECT_EQ(CategoryOf(0x110000, UnicodeVersion::kV17), Category::kUnassigned);
  EXPECT_EQ(ToLower(0x10D50, UnicodeVersion::kV15_1), 0x10D50u);  // Garay, new in 16.0
  EXPECT_EQ(ToLower(0x10D50, UnicodeVersion::kV17), 0x10D70u);
}

std::string RandomText(std::mt19937& random, int length) {
  static const std::vector<std::string> parts = {
      "a",  "Z",  "é",      "ß",      "中",     "1",   "٣", "½",   " ",  " ",   " ",  "\n",
      "\r", "\t", "\u00a0", "\u3000", "'s",     "'LL", "'", "'re", "!",  "?",   "-",  "$",
      "~",  "…",  "€",      "\u0301", "\u200d", "🚀",   "_", "ab",  "12", "345", "  ", "\r\n"};
  std::string text;
  for (int i = 0; i < length; ++i) text += parts[random() % parts.size()];
  return text;
}

std::vector<std::string> SplitByIcu(const char* pattern, const std::string& text) {
  UErrorCode error = U_ZERO_ERROR;
  icu::RegexMatcher matcher(icu::UnicodeString::fromUTF8(pattern), 0, error);
  const icu::UnicodeString input = icu::UnicodeString::fromUTF8(text);
  matcher.reset(input);
  std::vector<std::string> pieces;
  int32_t gap = 0;
  const auto add = [&](int32_t from, int32_t to) {
    if (from < to) input.tempSubStringBetween(from, to).toUTF8String(pieces.emplace_back());
  };
  while (matcher.find(error) && U_SUCCESS(error)) {
    add(gap, matcher.start(error));
    add(matcher.start(error), matcher.end(error));
    gap = matcher.end(error);
  }
  add(gap, input.length());
  EXPECT_TRUE(U_SUCCESS(error)) << u_errorName(error);
  return pieces;
}

TEST(Split, EqualsRegularExpressions) {
  const std::pair<SplitRule, const char*> rules[] = {
      {SplitRule::kGpt2,
       R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+)"},
      {SplitRule::kLlama3,
       R"('[sStTmMdD]|'[rR][eE]|'[vV][eE]|'[lL][lL]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+)"},
      {SplitRule::kQwen2,
       R"('[sStTmMdD]|'[rR][eE]|'[vV][eE]|'[lL][lL]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+)"},
      {SplitRule::kNumbers, R"(\p{N})"},
      {SplitRule::kNumberRuns, R"(\p{N}+)"},
      {SplitRule::kNumberTriples, R"(\p{N}{1,3})"},
      {SplitRule::kDigitTriples, "[0-9][0-9][0-9]"},
      {SplitRule::kPunctuationRuns, R"([\p{P}$+<=>\^~|]+)"}};
  std::mt19937 random(7);
  for (const auto& [rule, pattern] : rules) {
    for (int i = 0; i < 400; ++i) {
      const std::string text = RandomText(random, i % 40);
      const Scan scan(text, UnicodeVersion::kV15_1);
      std::vector<Range> ranges;
      if (scan.size() > 0) Split(rule, scan, {0, scan.size()}, ranges);
      std::vector<std::string> pieces;
      for (const Range r : ranges) pieces.emplace_back(scan.Text(r));
      ASSERT_EQ(pieces, SplitByIcu(pattern, text)) << pattern << " on " << text;
    }
  }
}

TEST(Split, RefusesUnknownPatterns) {
  EXPECT_EQ(DialectOfGguf("no-such").status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(RuleOfRegex("(a+)+b").status().code(), absl::StatusCode::kUnimplemented);
}

TEST(ValidText, ReplacesByteByByte) {
  std::string storage;
  EXPECT_EQ(ValidText("a\xC3\xA9", storage), "a\xC3\xA9");
  EXPECT_EQ(ValidText("a\xC3z\xFF", storage), "a\xEF\xBF\xBDz\xEF\xBF\xBD");
  // a surrogate
  EXPECT_EQ(ValidText("\xED\xA0\x80", storage), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(ValidText(std::string_view("\0\xC0\x80", 3), storage),
            std::string_view("\0\xEF\xBF\xBD\xEF\xBF\xBD", 7));
}

// Merges over the letters a to d: ranks of random pairs of pieces.
struct Toy {
  std::vector<std::string> texts = {"a", "b", "c", "d"};
  std::vector<std::pair<std::string, std::string>> merges;

  explicit Toy(std::mt19937& random) {
    for (int i = 0; i < 30; ++i) {
      const std::string left = texts[random() % texts.size()],
                        right = texts[random() % texts.size()];
      if (left.size() + right.size() > 12) continue;
      merges.emplace_back(left, right);
      texts.push_back(left + right);
    }
  }
  Views views() const { return {texts.begin(), texts.end()}; }
};

std::vector<std::string> MergeNaively(const Toy& toy, const std::string& word) {
  std::map<std::pair<std::string, std::string>, size_t> ranks;
  for (size_t i = 0; i < toy.merges.size(); ++i) ranks.emplace(toy.merges[i], i);
  std::vector<std::string> parts;
  for (const char c : word) parts.emplace_back(1, c);
  while (true) {
    size_t best = toy.merges.size(), at = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      auto it = ranks.find({parts[i], parts[i + 1]});
      if (it != ranks.end() && it->second < best) {
        best = it->second;
        at = i;
      }
    }
    if (best == toy.merges.size()) return parts;
    parts[at] += parts[at + 1];
    parts.erase(parts.begin() + at + 1);
  }
}

TEST(Bpe, EqualsRepeatedScan) {
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    const Toy toy(random);
    const Views views = toy.views();
    const Vocabulary vocabulary(views);
    std::vector<std::pair<std::string_view, std::string_view>> merges(toy.merges.begin(),
                                                                      toy.merges.end());
    const BpeMerges bpe(vocabulary, merges);
    for (const int length : {0, 1, 2, 5, 31, 32, 33, 100}) {
      std::string word;
      for (int i = 0; i < length; ++i) word += static_cast<char>('a' + random() % 4);
      Ids symbols;
      for (const char& c : word) symbols.push_back(bpe.Symbol(std::string_view(&c, 1)));
      std::vector<uint32_t> begins(symbols.size());
      const size_t n = bpe.Run(symbols, begins);
      std::vector<std::string> parts;
      for (size_t k = 0; k < n; ++k) parts.emplace_back(vocabulary.text(symbols[k]));
      ASSERT_EQ(parts, MergeNaively(toy, word)) << word;
    }
  }
}

TEST(Bpe, LongWordsAreNotQuadratic) {
  std::vector<std::string> texts = {"a"};
  std::vector<std::pair<std::string_view, std::string_view>> merges;
  for (int i = 0; i < 8; ++i) texts.push_back(texts.back() + texts.back());
  for (int i = 0; i < 8; ++i) merges.emplace_back(texts[i], texts[i]);
  const Vocabulary vocabulary(Views(texts.begin(), texts.end()));
  const BpeMerges bpe(vocabulary, merges);
  Ids symbols(1 << 20, 0);
  std::vector<uint32_t> begins(symbols.size());
  const auto start = std::clock();
  EXPECT_EQ(bpe.Run(symbols, begins), symbols.size() / 256);
  EXPECT_LT(std::clock() - start, 20 * CLOCKS_PER_SEC);  // quadratic: hours
}

TEST(SpmBpe, EqualsRepeatedScan) {
  std::mt19937 random(13);
  for (int round = 0; round < 200; ++round) {
    const Toy toy(random);
    const Views views = toy.views();
    const Vocabulary vocabulary(views);
    std::vector<float> scores;
    for (size_t i = 0; i < views.size(); ++i) scores.push_back(static_cast<float>(random() % 9));
    const SpmBpe bpe(vocabulary, scores, -1);
    std::string word;
    for (int i = 0; i < round % 60; ++i) word += static_cast<char>('a' + random() % 4);
    Views parts;
    for (const char& c : word) parts.emplace_back(&c, 1);
    while (true) {  // the best score, of equal ones the leftmost
      int best = -1;
      for (size_t i = 0; i + 1 < parts.size(); ++i) {
        const auto joined = [&](size_t k) {
          return vocabulary.Find(
              std::string_view(parts[k].data(), parts[k].size() + parts[k + 1].size()));
        };
        if (joined(i) < 0) continue;
        if (best < 0 || scores[joined(i)] > scores[joined(best)]) best = static_cast<int>(i);
      }
      if (best < 0) break;
      parts[best] = {parts[best].data(), parts[best].size() + parts[best + 1].size()};
      parts.erase(parts.begin() + best + 1);
    }
    Ids expected, ids;
    for (const std::string_view part : parts) expected.push_back(vocabulary.Find(part));
    bpe.Encode(word, ids);
    ASSERT_EQ(ids, expected) << word;
  }
}

double BestScore(const std::string& text, size_t at, const std::map<std::string, double>& pieces) {
  if (at == text.size()) return 0;
  double best = -1e9;
  for (size_t n = 1; at + n <= text.size(); ++n) {
    auto it = pieces.find(text.substr(at, n));
    if (it != pieces.end()) best = std::max(best, it->second + BestScore(text, at + n, pieces));
  }
  return best;
}

TEST(Unigram, FindsTheBestSegmentation) {
  std::mt19937 random(17);
  for (int round = 0; round < 100; ++round) {
    const Toy toy(random);
    std::map<std::string, double> pieces;
    for (const std::string& text : toy.texts) pieces.emplace(text, -1.0 - random() % 100 / 10.0);
    Views views;
    std::vector<double> scores;
    std::vector<std::pair<std::string_view, int32_t>> matching;
    for (const auto& [text, score] : pieces) {
      matching.emplace_back(text, static_cast<int32_t>(views.size()));
      views.push_back(text);
      scores.push_back(score);
    }
    views.push_back("<unk>");
    scores.push_back(0);
    const Vocabulary vocabulary(views);
    Unigram::Options options;
    options.unknown = vocabulary.size() - 1;
    options.unknown_score = -30;
    const Unigram unigram(vocabulary, matching, scores, options);
    std::string word;
    for (int i = 0; i < 10; ++i) word += static_cast<char>('a' + random() % 4);
    Ids ids;
    unigram.Encode(word, ids);
    double score = 0;
    std::string joined;
    for (const int32_t id : ids) {
      score += scores[id];
      joined += vocabulary.text(id);
    }
    EXPECT_EQ(joined, word);
    EXPECT_NEAR(score, BestScore(word, 0, pieces), 1e-9);
    ids.clear();
    unigram.Encode("xyéa", ids);  // unknowns fuse
    EXPECT_EQ(ids, (Ids{options.unknown, vocabulary.Find("a")}));
  }
}

TEST(WordPiece, TakesTheLongestFirst) {
  const Views views = {"[UNK]", "un", "unaff", "##aff", "##able", "##ab", "##le", "a", "##"};
  const Vocabulary vocabulary(views);
  const WordPiece pieces(vocabulary, {0, "", "##", 12});
  const auto encode = [&](std::string_view word) {
    Ids ids;
    pieces.Encode(word, ids);
    return ids;
  };
  EXPECT_EQ(encode("unaffable"), (Ids{2, 4}));
  EXPECT_EQ(encode("unaffabx"), Ids{0});
  EXPECT_EQ(encode("aaffaffable"), (Ids{7, 3, 3, 4}));
  EXPECT_EQ(encode("aaffaffaffable"), Ids{0});  // longer than 12
  EXPECT_EQ(encode(""), Ids{});
}

TEST(Trie, FindsAllPrefixes) {
  std::mt19937 random(19);
  std::map<std::string, int32_t> pieces;
  std::vector<std::pair<std::string_view, int32_t>> views;
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (int n = random() % 6; n >= 0; --n) text += static_cast<char>(random() % 3 * 100);
    pieces.emplace(text, i);
  }
  for (const auto& [text, id] : pieces) views.emplace_back(text, id);
  views.emplace_back(views[0].first, 9999);  // the first of two equals counts
  const std::string huge(kMaxMatchBytes + 1, 'x');
  views.emplace_back(huge, 10000);
  const Trie trie(views);
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (int n = 0; n < 8; ++n) text += static_cast<char>(random() % 3 * 100);
    Ids expected, found;
    for (size_t n = 1; n <= text.size(); ++n) {
      if (auto it = pieces.find(text.substr(0, n)); it != pieces.end())
        expected.push_back(it->second);
    }
    trie.Prefixes(text, [&](size_t, int32_t id) { found.push_back(id); });
    ASSERT_EQ(found, expected);
  }
  EXPECT_EQ(trie.Longest(huge).id, -1);
  EXPECT_EQ(Trie().Longest("a").id, -1);
}

TEST(AddedTokens, LeftmostLongest) {
  const AddedTokens tokens({{1, "<a>", true},
                            {2, "<a>b", true},
                            {3, "  ", false},
                            {4, "x", false, true, true},
                            {5, "word", false, false, false, true}});
  const auto cut = [&](std::string_view text, bool special) {
    std::vector<Fragment> fragments;
    tokens.Cut(text, special, fragments);
    std::string out;
    for (const Fragment& f : fragments) {
      out += f.id >= 0 ? "<" + std::to_string(f.id) + ">" : "[" + std::string(f.text) + "]";
    }
    return out;
  };
  EXPECT_EQ(cut("q<a>bz<a>", true), "[q]<2>[z]<1>");
  EXPECT_EQ(cut("q<a>bz", false), "[q<a>bz]");
  EXPECT_EQ(cut("p   q", true), "[p]<3>[ q]");
  EXPECT_EQ(cut("p \t x \n q", true), "[p]<4>[q]");
  EXPECT_EQ(cut("words word, sword", true), "[words ]<5>[, sword]");
  EXPECT_EQ(cut("", true), "");
}

TEST(BertWords, NormalizeAsTheReferenceSays) {
  EXPECT_EQ(BertNormalize("Caf\u00e9\tA\u030a\u0001x\u4e2d", {}), "cafe ax \u4e2d ");
  EXPECT_EQ(BertNormalize("\u0130", {true, true, false, true}), "i\u0307");
  EXPECT_EQ(GgufBertWords("Don't caf\u00e9\u4e2d\ud55c!", {}),
            (std::vector<std::string>{"don", "'", "t", "cafe", "\u4e2d", "\u1112", "!"}));
}

TEST(CharsMap, RefusesSizesThatDoNotFit) {
  EXPECT_EQ(CharsMap::Parse("abc").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(CharsMap::Parse(std::string("\x08\0\0\0abcd", 8)).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(CharsMap::Parse(std::string("\x03\0\0\0abcd", 8)).status().code(),
            absl::StatusCode::kDataLoss);
  // base out of range
  const auto map = CharsMap::Parse(std::string("\x04\0\0\0\xFF\xFF\xFF\x7F", 8));
  ASSERT_TRUE(map.ok());
  EXPECT_EQ(map->Longest("abc").length, 0u);
}

TEST(Vocabulary, BytesAndLetters) {
  for (int b = 0; b < 256; ++b) {
    const std::string byte(1, static_cast<char>(b));
    EXPECT_EQ(BytesOfLetters(LettersOfBytes(byte)), byte);
  }
  EXPECT_EQ(LettersOfBytes(" \n"), "\u0120\u010a");
  EXPECT_EQ(ByteOfPiece("<0x4a>"), 0x4A);
  for (const char* bad : {"<0x-1>", "<0x100>", "<0x4>", "<0xG0>", "0x41", ""}) {
    EXPECT_EQ(ByteOfPiece(bad), -1) << bad;
  }
}

}  // namespace
}  // namespace weir::model
