#include "text/morfologik.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "absl/strings/str_split.h"
#include "base/files.h"
#include "text/analysis.h"
#include "text/polish_rules.h"

namespace weir::text {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Data(std::string_view name) {
  return *ReadFile(std::string(WEIR_SOURCE_DIR) + "/tests/data/polish/" + std::string(name));
}

std::shared_ptr<const MorfologikDictionary> Sample() {
  return *MorfologikDictionary::Parse(Data("sample.dict"));
}

std::vector<std::string> Lemmas(const MorfologikDictionary& dictionary, std::string_view form) {
  std::vector<std::string> lemmas;
  dictionary.Lookup(form, lemmas);
  std::sort(lemmas.begin(), lemmas.end());
  lemmas.erase(std::unique(lemmas.begin(), lemmas.end()), lemmas.end());
  return lemmas;
}

TEST(MorfologikTest, AgreesWithTheListOfASmallDictionary) {
  const auto dictionary = Sample();
  int forms = 0;
  const std::string list = Data("sample.tsv");
  for (std::string_view line : absl::StrSplit(list, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> cells = absl::StrSplit(line, '\t');
    EXPECT_EQ(Lemmas(*dictionary, cells[0]),
              std::vector<std::string>(cells.begin() + 1, cells.end()))
        << cells[0];
    // A form that goes on, or stops early, is another word.
    EXPECT_THAT(Lemmas(*dictionary, cells[0] + "qx"), IsEmpty());
    ++forms;
  }
  EXPECT_EQ(forms, 2242);
  for (const char* none : {"", "q", "kotq", ";", "kot;", "\xC5"}) {
    EXPECT_THAT(Lemmas(*dictionary, none), IsEmpty()) << none;
  }
  EXPECT_THAT(Lemmas(*dictionary, std::string(1000, 'a')), IsEmpty());
}

TEST(MorfologikTest, DiacriticsAreFoundAgain) {
  const auto dictionary = Sample();
  std::vector<std::string> lemmas;
  dictionary->LookupWithoutDiacritics("zoltego", lemmas);
  EXPECT_THAT(lemmas, Contains("\u017c\u00f3\u0142ty"));
  lemmas.clear();
  dictionary->LookupWithoutDiacritics("zrodle", lemmas);
  EXPECT_THAT(lemmas, Contains("\u017ar\u00f3d\u0142o"));
  lemmas.clear();
  dictionary->LookupWithoutDiacritics(std::string(120, 'z'), lemmas);
  EXPECT_THAT(lemmas, IsEmpty());
}

TEST(MorfologikTest, DamageIsRefused) {
  const std::string good = Data("sample.dict");
  ASSERT_TRUE(MorfologikDictionary::Parse(good).ok());
  for (size_t size : {size_t{0}, size_t{4}, size_t{7}, size_t{8}, size_t{39}, size_t{40}}) {
    EXPECT_FALSE(MorfologikDictionary::Parse(good.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(MorfologikDictionary::Parse(good.substr(0, good.size() - 1)).ok());
  std::string bad = good;
  bad[4] = 5;  // FSA5
  EXPECT_EQ(MorfologikDictionary::Parse(bad).status().code(), absl::StatusCode::kUnimplemented);
  bad = good;
  bad[5] = 1;  // numbered nodes
  EXPECT_EQ(MorfologikDictionary::Parse(bad).status().code(), absl::StatusCode::kUnimplemented);
  bad = good;
  bad[7] = '\x7F';
  EXPECT_EQ(MorfologikDictionary::Parse(bad).status().code(), absl::StatusCode::kDataLoss);
  // Other damage may pass; then looking up ends, and within the limits.
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    bad = good;
    for (int n = 1 + static_cast<int>(random() % 8); n > 0; --n) {
      bad[random() % bad.size()] = static_cast<char>(random());
    }
    const auto parsed = MorfologikDictionary::Parse(bad);
    if (!parsed.ok()) continue;
    std::vector<std::string> lemmas;
    for (const char* form : {"kotem", "zamku", "Warszawie", "zoltego"}) {
      (*parsed)->Lookup(form, lemmas);
      (*parsed)->LookupWithoutDiacritics(form, lemmas);
    }
    EXPECT_LE(lemmas.size(), 8 * MorfologikDictionary::kMaxLemmas);
  }
}

TEST(PolishRulesTest, HeldOutLemmas) {
  const PolishRules& rules = PolishRules::Get();
  EXPECT_EQ(rules.Lemma(""), "");
  EXPECT_EQ(rules.Lemma("xyz"), "xyz");
  int right = 0, all = 0;
  const std::string list = Data("held_out.tsv");
  for (std::string_view line : absl::StrSplit(list, '\n', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(line, '\t');
    right += rules.Lemma(pair.first) == pair.second;
    ++all;
  }
  EXPECT_EQ(all, 1500);
  // .8554 of all 126,975 held-out forms (tools/polish_rules); this sample has a standard error of
  // .009.
  EXPECT_GE(right, all * 83 / 100) << right;
}

// The share of hand-written forms that share a term with the first word of their line.
double SharedLemmas(Analyzer& analyzer) {
  int shared = 0, all = 0;
  std::vector<Token> base, form;
  const std::string lines = Data("paradigms.txt");
  for (std::string_view line : absl::StrSplit(lines, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    analyzer.Analyze(words[0], base);
    for (size_t i = 1; i < words.size(); ++i) {
      analyzer.Analyze(words[i], form);
      // What is a stop word on both sides matches in neither.
      bool found = base.empty() || form.empty();
      if (found) continue;
      for (const Token& a : base) {
        for (const Token& b : form) found |= a.term == b.term;
      }
      shared += found;
      ++all;
    }
  }
  return static_cast<double>(shared) / all;
}

TEST(PolishTest, RulesAloneJoinMostForms) {
  const auto rules = *Analyzer::Make("polish:rules");
  EXPECT_TRUE(rules->name().starts_with("polish:rules-")) << rules->name();
  EXPECT_GE(SharedLemmas(*rules), 0.45);  // the fixture's words are the least regular ones
  EXPECT_TRUE(Analyzer::Make(rules->name()).ok());
  EXPECT_EQ(Analyzer::Make("polish:rules-00000000").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(PolishTest, DictionaryJoinsForms) {
  const auto made = Analyzer::Make("polish:morfologik");
  if (!made.ok()) GTEST_SKIP() << made.status();
  EXPECT_GE(SharedLemmas(**made), 0.97);
  std::vector<Token> tokens;
  (*made)->Analyze("mam zamku zolty", tokens);
  std::vector<std::string> terms;
  for (const Token& t : tokens) terms.push_back(t.term);
  EXPECT_THAT(terms, ElementsAre("mama", "mamic", "miec", "zamek", "zolty"));
  EXPECT_FLOAT_EQ(tokens[0].weight, 1.0f / 3);
}

// A look-up takes less than a microsecond. On the installed dictionary: the sample is smaller.
TEST(PolishSpeedTest, LookUp) {
  const auto dictionary =
      MorfologikDictionary::Open(WeirHome() + "/models/morfologik-polish/polish.dict");
  if (!dictionary.ok()) GTEST_SKIP() << dictionary.status();
  std::vector<std::string> forms;
  const std::string list = Data("held_out.tsv");
  for (std::string_view line : absl::StrSplit(list, '\n', absl::SkipEmpty())) {
    forms.emplace_back(line.substr(0, line.find('\t')));
  }
  double best = 1e9;
  size_t found = 0;
  for (int round = 0; round < 20; ++round) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::string> lemmas;
    for (const std::string& form : forms) {
      lemmas.clear();
      (*dictionary)->Lookup(form, lemmas);
      found += lemmas.size();
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count() / static_cast<double>(forms.size()));
  }
  RecordProperty("nanoseconds", static_cast<int>(best * 1e9));
  EXPECT_GT(found, forms.size());
  // Sanitizers and a loaded machine take several times as long.
  EXPECT_LT(best, 10e-6);
  std::printf("look-up: %.0f ns\n", best * 1e9);
}

}  // namespace
}  // namespace weir::text
