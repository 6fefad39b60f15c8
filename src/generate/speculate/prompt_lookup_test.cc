#include "generate/speculate/prompt_lookup.h"

#include <string>

#include "generate/sample/random.h"
#include "gtest/gtest.h"

namespace weir::generate {
namespace {

using Tokens = std::vector<int32_t>;

Tokens Letters(std::string_view text) { return Tokens(text.begin(), text.end()); }

// All places of all texts, each compared token by token.
Draft Naive(const std::vector<Tokens>& sources, const Tokens& sequence, size_t most) {
  Draft best;
  const auto look = [&](const Tokens& text, size_t end) {
    for (size_t p = 0; p + 1 < end; ++p) {
      int match = 0;
      while (match < PromptLookup::kMostEvidence && match <= static_cast<int>(p) &&
             match < static_cast<int>(sequence.size()) &&
             text[p - match] == sequence[sequence.size() - 1 - match]) {
        ++match;
      }
      if (match == 0 || match < best.evidence) continue;
      best.evidence = match;
      Tokens longer = text;  // a run goes on by itself where the text is the sequence
      best.tokens.clear();
      for (size_t i = 0; i < most && p + 1 + i < longer.size(); ++i) {
        best.tokens.push_back(longer[p + 1 + i]);
        if (&text == &sequence) longer.push_back(best.tokens.back());
      }
    }
  };
  for (const Tokens& source : sources) look(source, source.size());
  look(sequence, sequence.size());
  return best;
}

TEST(PromptLookupTest, EqualsANaiveSearch) {
  uint64_t draw = 0;
  const auto random = [&](int below) { return static_cast<int>(UniformAt(9, draw++) * below); };
  for (int alphabet : {1, 2, 3, 8, 40, 1000}) {
    for (int round = 0; round < 40; ++round) {
      std::vector<Tokens> sources(random(4));
      for (Tokens& source : sources) {
        for (int n = random(30); n > 0; --n) source.push_back(random(alphabet));
      }
      PromptLookup lookup(1 << 20);
      lookup.Begin(sources);
      Tokens sequence;
      Draft draft;
      for (int step = 0; step < 60; ++step) {
        lookup.Propose(5, draft);
        const Draft expected = Naive(sources, sequence, 5);
        ASSERT_EQ(draft.evidence, expected.evidence) << alphabet << " " << round << " " << step;
        ASSERT_EQ(draft.tokens, expected.tokens) << alphabet << " " << round << " " << step;
        Tokens next;
        for (int n = 1 + random(3); n > 0; --n) next.push_back(random(alphabet));
        lookup.Accept(next);
        sequence.insert(sequence.end(), next.begin(), next.end());
      }
    }
  }
}

TEST(PromptLookupTest, NoMatchReachesOverASource) {
  PromptLookup lookup;
  lookup.Begin(std::vector<Tokens>{Letters("xab"), Letters("cd")});
  Draft draft;
  lookup.Accept(Letters("yab"));  // "ab" ends the first source: nothing follows it there
  lookup.Propose(4, draft);
  EXPECT_TRUE(draft.tokens.empty());
  EXPECT_EQ(draft.evidence, 0);
  lookup.Accept(Letters("xa"));
  lookup.Propose(4, draft);
  EXPECT_EQ(draft.tokens, Letters("b"));  // and not on into "cd"
  EXPECT_EQ(draft.evidence, 2);
  lookup.Begin({});
  lookup.Accept(Letters("xa"));
  lookup.Propose(4, draft);
  EXPECT_TRUE(draft.tokens.empty());  // all was forgotten
}

TEST(PromptLookupTest, RunsGoOnByThemselves) {
  PromptLookup lookup;
  lookup.Begin({});
  lookup.Accept(Letters("zababa"));
  Draft draft;
  lookup.Propose(7, draft);
  EXPECT_EQ(draft.tokens, Letters("bababab"));
  EXPECT_EQ(draft.evidence, 3);
}

TEST(PromptLookupTest, TheLongestMatchAndTheLatestOfEquals) {
  PromptLookup lookup;
  lookup.Begin(std::vector<Tokens>{Letters("the cat sat")});
  lookup.Accept(Letters("a cat ran. a cot ran. the cat "));
  Draft draft;
  lookup.Propose(3, draft);
  EXPECT_EQ(draft.tokens, Letters("sat"));
  EXPECT_EQ(draft.evidence, 8);
  lookup.Accept(Letters("was here, one cat "));
  lookup.Propose(3, draft);
  EXPECT_EQ(draft.tokens, Letters("was"));
}

TEST(PromptLookupTest, TriesSoManyPlacesAndNoMore) {
  PromptLookup lookup(2);
  lookup.Begin({});
  lookup.Accept(Letters("123ab4 5ab6 7ab8 123ab"));
  Draft draft;
  lookup.Propose(1, draft);
  EXPECT_EQ(draft.tokens, Letters("8"));  // the longer match lies three places back
}

}  // namespace
}  // namespace weir::generate
