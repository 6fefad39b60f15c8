#include "index/language_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/threads.h"
#include "index/store_fixture.h"

namespace weir::index {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;

constexpr char kEnglish[] =
    "The old miller built a weir across the river, and the water of the river was held back by it.";
constexpr char kGerman[] =
    "Der alte M\u00fcller baute ein Wehr quer durch den Fluss, und die H\u00e4user am Ufer hatten "
    "seitdem immer genug Wasser.";
constexpr char kRussian[] =
    "\u0421\u0442\u0430\u0440\u044b\u0439 \u043c\u0435\u043b\u044c\u043d\u0438\u043a "
    "\u043f\u043e\u0441\u0442\u0440\u043e\u0438\u043b \u043f\u043b\u043e\u0442\u0438\u043d\u0443 "
    "\u0447\u0435\u0440\u0435\u0437 \u0440\u0435\u043a\u0443 \u0438 \u0432\u043e\u0434\u0430 "
    "\u043f\u043e\u0434\u043d\u044f\u043b\u0430\u0441\u044c.";

TEST(LanguageChoiceTest, CountsRoundTrip) {
  EXPECT_TRUE(ParseLanguageCounts("").empty());
  EXPECT_EQ(ParseLanguageCounts("german=2 x= =3 polish:rules-0=7").size(), 3);
  Prepared english = Make("a", kEnglish), german = Make("b", kGerman);
  german.document.meta[kLanguageMeta] = "de";
  english.document.meta[kLanguageMeta] = "no such language";  // then it is detected
  const std::vector<const Prepared*> both = {&english, &german};
  const auto choice = LanguageChoice::Make(both, "", {});
  ASSERT_TRUE(choice.ok()) << choice.status();
  EXPECT_EQ(choice->analyzer(0, 0), "english");
  EXPECT_EQ(choice->analyzer(1, 0), "german");
  EXPECT_EQ(LanguageCountsWith({{"german", 5}, {"code", 1}}, *choice), "german=6 code=1 english=1");
}

TEST(LanguageChoiceTest, WhatDoesNotShowIsTheUsualLanguage) {
  const Prepared table = Make("t", "1 2 3"), german = Make("g", kGerman);
  const std::vector<const Prepared*> alone = {&table}, both = {&table, &german};
  EXPECT_EQ(LanguageChoice::Make(alone, "", {})->analyzer(0, 0), "english");
  EXPECT_EQ(LanguageChoice::Make(alone, "russian", {})->analyzer(0, 0), "russian");
  EXPECT_EQ(LanguageChoice::Make(both, "", {})->analyzer(0, 0), "german");
}

TEST(LanguageChoiceTest, DoesNotDependOnThreads) {
  std::vector<Prepared> prepared;
  for (int i = 0; i < 40; ++i) {
    prepared.push_back(Make(absl::StrCat(i), i % 3 == 0   ? kGerman
                                             : i % 3 == 1 ? kEnglish
                                                          : kRussian));
  }
  std::vector<const Prepared*> documents;
  for (const Prepared& p : prepared) documents.push_back(&p);
  const auto one = *LanguageChoice::Make(documents, "", {});
  Threads threads(4);
  Context context;
  context.threads = &threads;
  const auto four = *LanguageChoice::Make(documents, "", context);
  for (size_t i = 0; i < documents.size(); ++i) EXPECT_EQ(one.analyzer(i, 0), four.analyzer(i, 0));
  EXPECT_EQ(one.Counts(), four.Counts());
}

class LanguageStoreTest : public StoreFixture {
 protected:
  static std::vector<std::string> Found(const Store& store, std::string_view query) {
    std::vector<std::string> paths;
    const std::vector<Scored> hits = *store.SearchLexical(query, 10, {});
    for (const Scored& hit : hits) {
      const text::Passage passage = *store.GetPassage(hit.passage);
      paths.push_back((*store.GetDocument(passage.document)).path);
    }
    return paths;
  }
};

TEST_F(LanguageStoreTest, PassagesByTheirLanguage) {
  auto store = OpenWrite();
  ASSERT_TRUE(store->SetLanguage(kAutoLanguage).ok());
  ASSERT_TRUE(store->AddBatch(std::vector{Make("en", kEnglish), Make("de", kGerman)}, {}).ok());
  ASSERT_TRUE(store->AddBatch(std::vector{Make("ru", kRussian)}, {}).ok());
  StoreStatus status = *store->Status();
  EXPECT_EQ(status.language, "auto");
  EXPECT_THAT(status.languages,
              ::testing::ElementsAre(Pair("english", 1), Pair("german", 1), Pair("russian", 1)));
  EXPECT_EQ(Found(*store, "rivers")[0], "en");
  EXPECT_EQ(Found(*store, "hauses")[0], "de");
  EXPECT_EQ(Found(*store, "\u0440\u0435\u043a\u0438")[0], "ru");
  // Removed documents are no longer counted; readers see the languages of their generation.
  ASSERT_TRUE(store->Remove("de").ok());
  status = *store->Status();
  EXPECT_THAT(status.languages, ::testing::ElementsAre(Pair("english", 1), Pair("russian", 1)));
  EXPECT_TRUE(store->Check({})->empty());
  store.reset();
  auto reader = OpenRead();
  EXPECT_EQ(Found(*reader, "rivers")[0], "en");
  EXPECT_TRUE(reader->SetQueryLanguage("ru").ok());
  EXPECT_TRUE(Found(*reader, "rivers").empty());
  const absl::Status french = reader->SetQueryLanguage("french");
  EXPECT_EQ(french.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(french.message()), HasSubstr("english"));
}

TEST_F(LanguageStoreTest, ALanguageIsKept) {
  auto store = OpenWrite();
  EXPECT_EQ(store->SetLanguage("klingon").code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(store->SetLanguage("de").ok());
  ASSERT_TRUE(store->SetLanguage("turkish").ok()) << "nothing is in it yet";
  ASSERT_TRUE(store->SetLanguage("german").ok());
  ASSERT_TRUE(store->AddBatch(std::vector{Make("de", kGerman)}, {}).ok());
  EXPECT_TRUE(store->SetLanguage("german").ok());
  EXPECT_TRUE(store->SetLanguageIfNew("auto").ok());
  EXPECT_EQ((*store->Status()).language, "german");
  EXPECT_EQ(store->SetLanguage("auto").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Found(*store, "hauses")[0], "de");
  store.reset();
  EXPECT_EQ(OpenRead()->SetLanguage("german").code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(LanguageStoreTest, StoresThatWereNeverToldAreEnglish) {
  auto store = OpenWrite();
  ASSERT_TRUE(store->AddBatch(std::vector{Make("de", kGerman)}, {}).ok());
  EXPECT_EQ((*store->Status()).language, "english");
  EXPECT_TRUE((*store->Status()).languages.empty());
}

// The parts of an identifier lengthen its passage by one place, and a query weighs them.
TEST_F(LanguageStoreTest, TermsOfOneWordShareAPlace) {
  auto store = OpenWrite();
  ASSERT_TRUE(store->SetLanguage("code").ok());
  ASSERT_TRUE(
      store->AddBatch(std::vector{Make("a", "getUserName"), Make("b", "user name")}, {}).ok());
  const auto terms = *store->ExplainLexical("getUserName", 0);
  ASSERT_EQ(terms.size(), 4);  // whole, get, user, name
  EXPECT_EQ(Found(*store, "getUserName"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(Found(*store, "\"getUserName\""), (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace weir::index
