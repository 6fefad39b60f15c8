// Spelling: distances beside the textbook's table, near terms beside a look at all terms, and what
// a store suggests, to whom.
#include "index/lexical/spelling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <ctime>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/lexical/analysed.h"
#include "index/store_fixture.h"

namespace weir::index {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

int TableDistance(const std::u32string& a, const std::u32string& b) {
  std::vector<std::vector<int>> d(a.size() + 1, std::vector<int>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = static_cast<int>(i + j);
        continue;
      }
      d[i][j] =
          std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

std::u32string RandomWord(std::mt19937& random, size_t longest) {
  std::u32string out;
  const char32_t letters[] = {U'a', U'b', U'c', U'\u00E9', U'\u0436'};
  for (size_t n = random() % (longest + 1); n > 0; --n) out.push_back(letters[random() % 5]);
  return out;
}

std::string Utf8(const std::u32string& word) {
  std::string out;
  for (char32_t c : word)
    out += c < 0x80 ? std::string(1, static_cast<char>(c)) : c == U'\u00E9' ? "\u00E9" : "\u0436";
  return out;
}

TEST(Spelling, DistanceEqualsTheTable) {
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    const std::u32string a = RandomWord(random, 8), b = RandomWord(random, 8);
    for (int most = 0; most <= 3; ++most) {
      ASSERT_EQ(EditDistance(Utf8(a), Utf8(b), most), std::min(TableDistance(a, b), most + 1))
          << Utf8(a) << " " << Utf8(b) << " " << most;
    }
  }
}

class SpellingTest : public StoreFixture {
 protected:
  static std::vector<std::string> Suggested(const Store& store, const std::string& query,
                                            const Scope* scope = nullptr) {
    std::vector<std::string> out;
    const auto found = store.SuggestSpelling(query, 3, {}, scope);
    EXPECT_TRUE(found.ok()) << found.status();
    if (!found.ok()) return out;
    for (const text::Spelling& word : *found) {
      EXPECT_EQ(query.substr(word.span.start, word.span.size()), word.word);
      std::string line = absl::StrCat(word.word, ":");
      for (const auto& s : word.suggestions) {
        absl::StrAppend(&line, " ", s.text, "/", s.distance, "/", s.passages);
      }
      out.push_back(line);
    }
    return out;
  }
};

TEST_F(SpellingTest, SurfaceFormsOfWhatIsThere) {
  const auto store = OpenWrite();
  std::vector<Prepared> batch = {Make("a", "The Weirs receive water; gates are receiving it."),
                                 Make("b", "A mill received its wheel. Prophylaxis!"),
                                 Make("c", "a weird river, caf\u00E9, \u6C34\u8ECA 2024")};
  ASSERT_TRUE(store->AddBatch(batch, {}).ok());
  EXPECT_THAT(Suggested(*store, "recieve weirs"), ElementsAre("recieve: receive/1/2"));
  EXPECT_THAT(Suggested(*store, "prophilaxys"), ElementsAre("prophilaxys: prophylaxis/2/1"));
  EXPECT_THAT(Suggested(*store, "Weirz"), ElementsAre("Weirz: weird/1/1 weirs/1/1"));
  EXPECT_THAT(Suggested(*store, "cafe"), ElementsAre("cafe: caf\u00E9/1/1"));
  EXPECT_THAT(Suggested(*store, "zyzzyva"), ElementsAre("zyzzyva:"));
  // Known words, stop words, short ones, numbers, refused ones and ideographs are left alone.
  EXPECT_THAT(Suggested(*store, "receive the river ab 2025 -rivre \u6C35\u8ECA x1y"), IsEmpty());
  ASSERT_TRUE(store->Remove("b").ok());
  EXPECT_THAT(Suggested(*store, "prophilaxys"), ElementsAre("prophilaxys:"));
}

TEST_F(SpellingTest, NothingOfOthers) {
  const auto store = OpenWrite();
  Prepared anna = Make("a", "river weir"), bob = Make("b", "prophylaxis");
  anna.tenant = "anna";
  ASSERT_TRUE(store->AddBatch({&anna, 1}, {}).ok());
  bob.tenant = "bob";
  bob.document.fields = {{"n", "1"}};
  ASSERT_TRUE(store->AddBatch({&bob, 1}, {}).ok());
  EXPECT_THAT(Suggested(*store, "prophilaxis", (*store->TenantScope("bob")).get()),
              ElementsAre("prophilaxis: prophylaxis/1/1"));
  EXPECT_THAT(Suggested(*store, "prophilaxis", (*store->TenantScope("anna")).get()),
              ElementsAre("prophilaxis:"));
  // What another has is unknown here, too.
  EXPECT_THAT(Suggested(*store, "prophylaxis", (*store->TenantScope("anna")).get()),
              ElementsAre("prophylaxis:"));
  EXPECT_THAT(Suggested(*store, "wier", (*store->MakeScope({"", "n = 1"})).get()),
              ElementsAre("wier:"));
  EXPECT_THAT(Suggested(*store, "wier", (*store->MakeScope({"", "not has n"})).get()),
              ElementsAre("wier: weir/1/1"));
}

// 100,000 terms, all of them looked at.
TEST_F(SpellingTest, NearTermsEqualALookAtAll) {
  std::mt19937 random(2);
  std::map<std::string, int64_t> counts;
  std::vector<std::string> texts;
  while (counts.size() < 100000) {
    std::string text;
    for (int w = 0; w < 50; ++w) {
      std::string word;
      for (size_t n = 3 + random() % 8; n > 0; --n) word += "etaoinshrdlu"[random() % 12];
      if (text.find(word) == text.npos) ++counts[word];
      else continue;
      absl::StrAppend(&text, word, " ");
    }
    texts.push_back(text);
  }
  std::vector<PassageFields> passages;
  std::vector<int64_t> ids;
  for (const std::string& text : texts) {
    passages.push_back({"", "", text});
    ids.push_back(static_cast<int64_t>(ids.size()));
  }
  std::filesystem::create_directories(folder());
  ASSERT_TRUE(BuildLexicalSegment(passages, ids, "plain", folder(), "s.seg", {}).ok());
  const auto segment = *LexicalSegment::Open(folder() + "/s.seg");
  const SegmentView view{segment.get()};
  double seconds = 0;
  constexpr int kWords = 20;
  for (int round = 0; round < kWords; ++round) {
    std::string word = std::next(counts.begin(), random() % counts.size())->first;
    word[random() % word.size()] = 'z';
    const int most = MostDistance(word.size());
    const std::clock_t start = std::clock();
    const auto near = *FindNearTerms({&view, 1}, word, most, 1000000, {});
    seconds += static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    std::map<std::string, int> expected, found;
    for (const auto& [term, count] : counts) {
      const int distance = EditDistance(word, term, most);
      if (distance <= most) expected[term] = distance;
    }
    for (size_t i = 0; i < near.size(); ++i) {
      found[near[i].term] = near[i].distance;
      if (i > 0) {
        EXPECT_LE(near[i - 1].distance, near[i].distance);
      }
    }
    EXPECT_EQ(found, expected) << word;
  }
  std::printf("%zu terms: %.2f ms of CPU time a word\n", counts.size(), seconds / kWords * 1e3);
}

}  // namespace
}  // namespace weir::index
