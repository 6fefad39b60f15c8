// Filters: a search with one finds what a search without it finds among the documents that pass, in
// every mode; with --where-statistics subset, what a store of those documents alone finds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/files.h"
#include "index/catalogue/field_table.h"
#include "index/catalogue/sqlite.h"
#include "index/indexer.h"
#include "index/store_fixture.h"
#include "text/fields.h"

namespace weir::index {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kAll = 100000;

std::vector<Seen> Where(const Store& store, const std::vector<Scored>& hits) {
  std::vector<Seen> out;
  for (const Scored& hit : hits) {
    const text::Passage p = *store.GetPassage(hit.passage);
    out.emplace_back(store.GetDocument(p.document)->path, p.span.start, hit.score);
  }
  std::sort(out.begin(), out.end(), [](const Seen& a, const Seen& b) {
    if (std::get<2>(a) != std::get<2>(b)) return std::get<2>(a) > std::get<2>(b);
    return a < b;
  });
  return out;
}

std::vector<Seen> Among(std::vector<Seen> hits, const std::set<std::string>& paths) {
  std::erase_if(hits, [&](const Seen& hit) { return !paths.contains(std::get<0>(hit)); });
  return hits;
}

// A random expression and what passes it, told by code that has nothing in common with the engine.
struct RandomFilter {
  std::string text;
  std::function<bool(const Prepared&)> passes;
};

std::vector<std::string> ValuesOf(const Prepared& p, const std::string& name) {
  std::vector<std::string> out;
  for (const text::Field& field : p.document.fields) {
    if (field.name == name) out.push_back(field.value);
  }
  return out;
}

RandomFilter MakeTest(std::mt19937& random) {
  const int number = static_cast<int>(random() % 12),
            other = number + static_cast<int>(random() % 5);
  const auto any = [](const char* name, std::function<bool(const std::string&)> holds) {
    return [name, holds](const Prepared& p) {
      const auto values = ValuesOf(p, name);
      return std::any_of(values.begin(), values.end(), holds);
    };
  };
  const auto nth = [](int n) { return [n](const std::string& v) { return std::stoi(v) == n; }; };
  switch (random() % 9) {
    case 0:
      return {absl::StrCat("n = ", number), any("n", nth(number))};
    case 1:
      return {absl::StrCat("n != ", number),
              [=](const Prepared& p) { return !any("n", nth(number))(p); }};
    case 2:
      return {absl::StrCat("n < ", number),
              any("n", [=](const std::string& v) { return std::stoi(v) < number; })};
    case 3:
      return {absl::StrCat("n in (", number, "..", other, ", 99)"),
              any("n", [=](const std::string& v) {
                return std::stoi(v) >= number && std::stoi(v) <= other;
              })};
    case 4:
      return {absl::StrCat("tag ~ T", number % 4), any("tag", [=](const std::string& v) {
                return v.find(absl::StrCat("t", number % 4)) != v.npos;
              })};
    case 5:
      return {"has tag", [](const Prepared& p) { return !ValuesOf(p, "tag").empty(); }};
    case 6:
      return {absl::StrCat("day >= 2020-0", number % 9 + 1),
              any("day", [=](const std::string& v) {
                return v.substr(0, 7) >= absl::StrCat("2020-0", number % 9 + 1);
              })};
    case 7:
      return {absl::StrCat("day = 2020-0", number % 9 + 1),
              any("day", [=](const std::string& v) {
                return v.substr(0, 7) == absl::StrCat("2020-0", number % 9 + 1);
              })};
    default:
      return {absl::StrCat("name ~ doc", number), [=](const Prepared& p) {
                return p.document.path.find(absl::StrCat("doc", number)) != std::string::npos;
              }};
  }
}

RandomFilter MakeFilter(std::mt19937& random, int depth) {
  if (depth == 0 || random() % 3 == 0) return MakeTest(random);
  const RandomFilter a = MakeFilter(random, depth - 1);
  if (random() % 4 == 0) {
    return {absl::StrCat("not (", a.text, ")"), [=](const Prepared& p) { return !a.passes(p); }};
  }
  const RandomFilter b = MakeFilter(random, depth - 1);
  const bool all = random() % 2 == 0;
  return {absl::StrCat("(", a.text, all ? " and " : " or ", b.text, ")"),
          [=](const Prepared& p) {
            return all ? a.passes(p) && b.passes(p) : a.passes(p) || b.passes(p);
          }};
}

class StoreFieldsTest : public StoreFixture {
 protected:
  void TearDown() override {
    std::filesystem::remove_all(folder() + "_alone");
    StoreFixture::TearDown();
  }
  void Encode(Store& store) {
    EXPECT_TRUE(store.EncodePending(encoder_, {}).ok());
    EXPECT_TRUE(store.EncodePending(sparse_, {}).ok());
    EXPECT_TRUE(store.EncodePending(tokens_, FixedEncodingOptions{}, {}).ok());
  }
  // Of 400 documents in several segments, with deletions.
  std::map<std::string, Prepared> Fill(Store& store, std::mt19937& random) {
    std::map<std::string, Prepared> documents;
    for (int batch = 0; batch < 20; ++batch) {
      std::vector<Prepared> prepared;
      for (int i = 0; i < 20; ++i) {
        // Every fifth replaces one that is there.
        const int number = i % 5 == 0 && batch > 0 ? static_cast<int>(random() % (batch * 20))
                                                   : batch * 20 + i;
        Prepared p = Make(absl::StrCat("doc", number), RandomText(random, 5 + random() % 40), 90);
        auto& fields = p.document.fields;
        if (random() % 4 > 0) text::AddField("n", absl::StrCat(random() % 12), fields);
        for (size_t t = random() % 3; t > 0; --t)
          text::AddField("tag", absl::StrCat("t", random() % 4, "x"), fields);
        if (random() % 2 == 0) {
          text::AddField("day", absl::StrCat("2020-0", random() % 9 + 1, "-1", random() % 10),
                         fields);
        }
        documents[p.document.path] = p;
        prepared.push_back(std::move(p));
      }
      EXPECT_TRUE(store.AddBatch(prepared, {}).ok());
      if (batch % 7 == 0) Encode(store);
      const std::string gone = std::next(documents.begin(), random() % documents.size())->first;
      EXPECT_TRUE(store.Remove(gone).ok());
      documents.erase(gone);
    }
    Encode(store);
    return documents;
  }
  static std::shared_ptr<const Scope> Filter(const Store& store, const std::string& where,
                                             bool subset = false, const std::string& tenant = "") {
    auto scope = store.MakeScope({tenant, where, subset});
    EXPECT_TRUE(scope.ok()) << where << ": " << scope.status();
    return scope.ok() ? *scope : nullptr;
  }
  static std::string Mistake(const Store& store, const std::string& where,
                             const std::string& tenant = "") {
    const auto scope = store.MakeScope({tenant, where});
    EXPECT_EQ(scope.status().code(), absl::StatusCode::kInvalidArgument) << where;
    return std::string(scope.status().message());
  }

  const HashEncoder encoder_{32};
  const HashSparseEncoder sparse_;
  const HashTokenEncoder tokens_;
};

TEST_F(StoreFieldsTest, EveryModeEqualsTheWholeNarrowed) {
  std::mt19937 random(1);
  const auto store = OpenWrite();
  const auto documents = Fill(*store, random);
  int some = 0;
  for (int round = 0; round < 30; ++round) {
    const RandomFilter filter = MakeFilter(random, 3);
    SCOPED_TRACE(filter.text);
    std::set<std::string> paths;
    size_t passages = 0;
    for (const auto& [path, p] : documents) {
      if (filter.passes(p)) paths.insert(path);
      if (filter.passes(p)) passages += p.passages.size();
    }
    some += !paths.empty() && paths.size() < documents.size();
    const auto scope = Filter(*store, filter.text);
    ASSERT_NE(scope, nullptr);
    EXPECT_EQ(scope->allowed().ids().size(), passages);
    for (const std::string& query :
         {RandomText(random, 1 + random() % 5), std::string("\"w1 w2\" w3"),
          std::string("+w1 w2 -w4")}) {
      const auto lexical = *store->SearchLexical(query, kAll, {}, scope.get());
      EXPECT_EQ(Where(*store, lexical),
                Among(Where(*store, *store->SearchLexical(query, kAll, {})), paths));
      // The first few are the first of all.
      const auto few = *store->SearchLexical(query, 3, {}, scope.get());
      for (size_t i = 0; i < few.size(); ++i) EXPECT_EQ(few[i].passage, lexical[i].passage);
      const std::vector<float> vector = encoder_.One(query);
      EXPECT_EQ(Where(*store, *store->SearchDense(vector, kAll, {}, scope.get())),
                Among(Where(*store, *store->SearchDense(vector, kAll, {})), paths));
      const text::SparseVector terms = sparse_.One(query);
      EXPECT_EQ(Where(*store, *store->SearchSparse(terms, kAll, {}, {}, scope.get())),
                Among(Where(*store, *store->SearchSparse(terms, kAll, {}, {})), paths));
      const text::TokenVectors tokens = tokens_.One(query);
      const MultiSearchOptions exhaustive{.candidates = 0};
      EXPECT_EQ(Where(*store, *store->SearchMulti(tokens, kAll, exhaustive, {}, scope.get())),
                Among(Where(*store, *store->SearchMulti(tokens, kAll, exhaustive, {})), paths));
    }
  }
  EXPECT_GT(some, 10);  // the filters do narrow
  EXPECT_EQ(*store->Check({}), std::vector<std::string>());
}

// Passages by words alone: the texts' words are their terms.
TEST_F(StoreFieldsTest, SignsNarrowEverySearch) {
  std::mt19937 random(5);
  auto store = OpenWrite();
  Fill(*store, random);
  const std::vector<int64_t> all = store->Passages();
  std::map<int64_t, std::string> texts;  // with a space around
  for (const int64_t id : all) texts[id] = absl::StrCat(" ", store->GetPassage(id)->text, " ");
  const auto holds = [&](int64_t id, const std::string& words) {
    return absl::StrContains(texts.at(id), absl::StrCat(" ", words, " "));
  };
  const int64_t most = static_cast<int64_t>(all.size());
  int narrowed = 0;
  for (int round = 0; round < 40; ++round) {
    const auto word = [&] { return absl::StrCat("w", 1 + random() % 9); };
    const std::string must = word(), phrase = absl::StrCat(word(), " ", word()), not_word = word();
    const int kind = round % 4;
    const std::string query =
        kind == 0   ? absl::StrCat("w7 +", must, " -", not_word)
        : kind == 1 ? absl::StrCat("+\"", phrase, "\" w2")
        : kind == 2 ? absl::StrCat("-\"", phrase, "\" w2")
                    : absl::StrCat("-", not_word);
    const auto passes = [&](int64_t id) {
      return kind == 0   ? holds(id, must) && !holds(id, not_word)
             : kind == 1 ? holds(id, phrase)
             : kind == 2 ? !holds(id, phrase)
                         : !holds(id, not_word);
    };
    const std::string where = random() % 2 == 0 ? "" : "n >= 3";
    const std::shared_ptr<const Scope> base = where.empty() ? nullptr : Filter(*store, where);
    auto scope = store->NarrowBySigns(query, base);
    ASSERT_TRUE(scope.ok()) << scope.status();
    std::vector<int64_t> expected;
    for (const int64_t id : all) {
      if (passes(id) && (base == nullptr || base->allowed().Contains(id))) expected.push_back(id);
    }
    const std::span<const int64_t> ids = (*scope)->allowed().ids();
    ASSERT_EQ(std::vector(ids.begin(), ids.end()), expected) << query;
    narrowed += !expected.empty() && expected.size() < all.size();
    // Dense: the best of those, not those of the best.
    const std::vector<float> vector = encoder_.One(query);
    std::vector<Scored> whole = *store->SearchDense(vector, most, {});
    std::erase_if(whole, [&](const Scored& s) { return !(*scope)->allowed().Contains(s.passage); });
    const int64_t k = 5;
    const std::vector<Scored> found = *store->SearchDense(vector, k, {}, scope->get());
    ASSERT_EQ(found.size(), std::min<size_t>(k, whole.size())) << query;
    for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].passage, whole[i].passage);
    // BM25 filters alike, and scores alike with the scope and without.
    const auto words = *store->SearchLexical(query, most, {}, base.get());
    const auto scoped = *store->SearchLexical(query, most, {}, scope->get());
    ASSERT_EQ(words.size(), scoped.size()) << query;
    for (size_t i = 0; i < words.size(); ++i) {
      EXPECT_EQ(words[i].passage, scoped[i].passage);
      EXPECT_EQ(words[i].score, scoped[i].score);
      EXPECT_TRUE(passes(words[i].passage));
    }
    // One passage a document, though its first may be refused.
    const auto first = *store->FirstPassages(**scope, most);
    std::set<int64_t> documents, listed;
    for (const int64_t id : expected) documents.insert(store->GetPassage(id)->document);
    for (const int64_t id : first)
      EXPECT_TRUE(listed.insert(store->GetPassage(id)->document).second);
    EXPECT_EQ(documents, listed);
  }
  EXPECT_GT(narrowed, 30);
  const auto plain = store->NarrowBySigns("w1 \"w2 w3\" x-w4 -5", nullptr);
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(*plain, nullptr);
}

TEST_F(StoreFieldsTest, SubsetStatisticsAreThoseOfAStoreOfTheDocumentsAlone) {
  std::mt19937 random(2);
  const auto store = OpenWrite();
  const auto documents = Fill(*store, random);
  for (int round = 0; round < 8; ++round) {
    const RandomFilter filter = MakeFilter(random, 2);
    SCOPED_TRACE(filter.text);
    std::vector<Prepared> passing;
    for (const auto& [path, p] : documents) {
      if (filter.passes(p)) passing.push_back(p);
    }
    std::filesystem::remove_all(folder() + "_alone");
    const auto alone = *Store::Open(folder() + "_alone", Store::Mode::kWrite, {});
    if (!passing.empty()) {
      ASSERT_TRUE(alone->AddBatch(passing, {}).ok());
    }
    const auto scope = Filter(*store, filter.text, true);
    for (int q = 0; q < 6; ++q) {
      const std::string query = RandomText(random, 1 + q);
      EXPECT_EQ(Where(*store, *store->SearchLexical(query, kAll, {}, scope.get())),
                Where(*alone, *alone->SearchLexical(query, kAll, {})));
    }
  }
}

TEST_F(StoreFieldsTest, ATenantsFilterSeesItsDocumentsAlone) {
  std::mt19937 random(3);
  const auto store = OpenWrite();
  const auto documents = Fill(*store, random);
  std::set<std::string> own;
  for (const auto& [path, p] : documents) {
    if (random() % 3 == 0) own.insert(path);
  }
  for (const std::string& path : own) ASSERT_EQ(*store->Grant("anna", {&path, 1}), 1);
  Prepared secret = Make("secret", "w1 w2 w3");
  text::AddField("code name", "weir", secret.document.fields);
  text::AddField("n", "unknown", secret.document.fields);
  secret.tenant = "bob";
  ASSERT_TRUE(store->AddBatch({&secret, 1}, {}).ok());
  const auto whole = *store->TenantScope("anna");
  for (int round = 0; round < 20; ++round) {
    const RandomFilter filter = MakeFilter(random, 2);
    SCOPED_TRACE(filter.text);
    std::set<std::string> paths;
    for (const std::string& path : own) {
      if (filter.passes(documents.at(path))) paths.insert(path);
    }
    const auto scope = Filter(*store, filter.text, false, "anna");
    const std::string query = RandomText(random, 3);
    EXPECT_EQ(Where(*store, *store->SearchLexical(query, kAll, {}, scope.get())),
              Among(Where(*store, *store->SearchLexical(query, kAll, {}, whole.get())), paths));
    const std::vector<float> vector = encoder_.One(query);
    EXPECT_EQ(Where(*store, *store->SearchDense(vector, kAll, {}, scope.get())),
              Among(Where(*store, *store->SearchDense(vector, kAll, {})), paths));
  }
  const std::string unknown = Mistake(*store, "\"code nam\" = x", "anna");
  EXPECT_THAT(unknown, HasSubstr("no document has a field \"code nam\""));
  EXPECT_THAT(unknown, Not(HasSubstr("code name")));
  EXPECT_THAT(Mistake(*store, "\"code nam\" = x"), HasSubstr("did you mean \"code name\"?"));
  EXPECT_THAT(Mistake(*store, "\"code name\" = weir", "anna"), HasSubstr("no document has"));
  // bob's text in n is none of anna's business; without her it is no mistake.
  EXPECT_THAT(Mistake(*store, "n = unknown", "anna"), HasSubstr("holds numbers"));
  EXPECT_EQ(Filter(*store, "n = unknown")->allowed().ids().size(), 1);
  const std::vector<FieldSummary> seen = *store->Fields("anna", 1000);
  for (const FieldSummary& field : seen) {
    EXPECT_NE(field.name, "code name");
    for (const auto& [value, count] : field.frequent) EXPECT_NE(value, "unknown");
  }
  // Nobody learns whether there is such a tenant.
  EXPECT_EQ(Filter(*store, "name = doc1", false, "stranger")->allowed().ids().size(), 0);
  EXPECT_THAT(Mistake(*store, "n = 1", "stranger"), HasSubstr("no document has a field \"n\""));
  EXPECT_EQ(store->SplitFields("n:1 x", "stranger")->where, "");
  EXPECT_EQ(store->SplitFields("n:1 x", "anna")->where, "\"n\" : 1");
}

TEST_F(StoreFieldsTest, BuiltInFields) {
  const auto store = OpenWrite();
  Prepared a = Make("/home/anna/Papers/weirs.PDF", "river");
  a.document.title = "Low Weirs of the North";
  a.document.format = "pdf";
  a.document.pages = {{1, {0, 5}}, {2, {5, 5}}};
  a.document.fields = {{"title", "Low Weirs of the North"}, {"type", "report"}, {"year", "2020"}};
  a.file_size = 2024;
  a.file_mtime_ns = 1'700'000'000'000'000'000;  // 2023-11-14T22:13:20Z
  Prepared b = Make("/home/anna/notes", "river");
  b.file_modified_ns = 1'600'000'000'000'000'000;  // 2020-09-13; too fresh when it was read
  ASSERT_TRUE(store->AddBatch({{a, b}}, {}).ok());
  const auto first = [&](const std::string& where) {
    const auto scope = Filter(*store, where);
    return scope == nullptr ? -1 : static_cast<int64_t>(scope->allowed().ids().size());
  };
  for (const char* where :
       {"path ~ papers", "name = weirs.pdf", "folder = /home/anna/papers", "type = pdf",
        "extension = .pdf", "title ~ weirs", "title : \"low weir\"", "title:WEIR", "size = 2024",
        "modified = 2023-11", "modified > 2023-11-14T22:13", "pages = 2", "document.type = report",
        "year:2020", "year:2019..2021", "size:>=2024", "language = en and pages > 1",
        "language = english and has pages"}) {
    const int64_t expected = std::string(where) == "modified > 2023-11-14T22:13" ? 0 : 1;
    EXPECT_EQ(first(where), expected) << where;
  }
  EXPECT_EQ(first("folder = /home/anna"), 2);
  EXPECT_EQ(first("folder = /home/anna/"), 2);
  EXPECT_EQ(first("folder = /home/ann"), 0);
  EXPECT_EQ(first("folder != /"), 0);
  EXPECT_EQ(first("not has title"), 1);
  EXPECT_EQ(first("title:\"weirs low\""), 0);
  EXPECT_EQ(first("modified < 2021"), 1);
  EXPECT_THAT(Mistake(*store, "size > 2024-05"), HasSubstr("holds numbers"));
  EXPECT_THAT(Mistake(*store, "modified = 5"), HasSubstr("holds dates"));
  EXPECT_THAT(Mistake(*store, "modified = 2024-13-40"), HasSubstr("month 13"));
  EXPECT_THAT(Mistake(*store, "pages = two"), HasSubstr("holds numbers; \"two\" is none"));
}

TEST_F(StoreFieldsTest, WhatOwnersSayStays) {
  const auto store = OpenWrite();
  Prepared p = Make("a", "river");
  p.document.fields = {{"author", "Me"}};
  p.given = {{"project", "x"}, {"author", "You"}};
  ASSERT_TRUE(store->AddBatch({&p, 1}, {}).ok());
  const auto count = [&](const std::string& where) {
    return Filter(*store, where)->allowed().ids().size();
  };
  EXPECT_EQ(count("author = you and project = x"), 1);
  Prepared again = Make("a", "river weir");  // replaced without a word of them
  again.document.fields = {{"author", "She"}};
  ASSERT_TRUE(store->AddBatch({&again, 1}, {}).ok());
  EXPECT_EQ(count("author = you and project = x"), 1);
  const std::string path = "a", other = "b";
  const std::vector<text::Field> now = {{"author", ""}, {"project", "y"}, {"project", "z"}};
  ASSERT_TRUE(store->GiveFields({&path, 1}, now).ok());
  EXPECT_EQ(count("author = she and project = y and project = z and project != x"), 1);
  EXPECT_TRUE(absl::IsNotFound(store->GiveFields({&other, 1}, now)));
  EXPECT_TRUE(absl::IsNotFound(store->GiveFields({&path, 1}, now, "anna")));
  for (const char* name : {"title", "size", "", "a\tb"}) {
    const text::Field field{name, "v"};
    const absl::Status status = store->GiveFields({&path, 1}, {&field, 1});
    EXPECT_EQ(status.ok(), std::string(name) == "a\tb") << name;  // a tab is a space
  }
  ASSERT_TRUE(store->Remove("a").ok());
  EXPECT_EQ(*store->Check({}), std::vector<std::string>());
  EXPECT_THAT(Mistake(*store, "project = y"), HasSubstr("no document has"));
}

TEST_F(StoreFieldsTest, HostileDocumentsStayBounded) {
  const auto store = OpenWrite();
  std::vector<Prepared> batch;
  for (int d = 0; d < 40; ++d) {
    Prepared p = Make(absl::StrCat("doc", d), "river");
    for (int f = 0; f < 1000; ++f)
      p.document.fields.push_back({absl::StrCat("f", d, "x", f), std::string(5000, 'v')});
    batch.push_back(std::move(p));
  }
  ASSERT_TRUE(store->AddBatch(batch, {}).ok());
  size_t own = 0;
  const std::vector<FieldSummary> all = *store->Fields("", 3);
  for (const FieldSummary& field : all) {
    own += !field.built_in;
    for (const auto& [value, count] : field.frequent) {
      EXPECT_LE(value.size(), text::kMaxFieldValue);
    }
  }
  EXPECT_EQ(own, kMaxFieldNames);
}

TEST_F(StoreFieldsTest, Summaries) {
  const auto store = OpenWrite();
  std::vector<Prepared> batch;
  for (int d = 0; d < 10; ++d) {
    Prepared p = Make(absl::StrCat("doc", d), "river");
    p.document.fields = {{"tag", d < 7 ? "often" : "seldom"},
                         {"n", absl::StrCat(d * 3 - 5)},
                         {"when", d == 0 ? "2019" : absl::StrCat("2020-01-1", d)}};
    if (d == 4) p.document.fields.push_back({"tag", "Zebra"});
    batch.push_back(std::move(p));
  }
  ASSERT_TRUE(store->AddBatch(batch, {}).ok());
  std::map<std::string, FieldSummary> fields;
  const std::vector<FieldSummary> all = *store->Fields("", 2);
  for (const FieldSummary& field : all) fields[field.name] = field;
  EXPECT_EQ(fields.at("tag").type, "text");
  EXPECT_EQ(fields.at("tag").documents, 10);
  EXPECT_EQ(fields.at("tag").values, 3);
  EXPECT_THAT(fields.at("tag").frequent,
              ElementsAre(std::pair("often", 7), std::pair("seldom", 3)));
  EXPECT_EQ(fields.at("n").type, "number");
  EXPECT_EQ(fields.at("n").least, "-5");
  EXPECT_EQ(fields.at("n").greatest, "22");
  EXPECT_EQ(fields.at("when").type, "date");
  EXPECT_EQ(fields.at("when").least, "2019");
  EXPECT_EQ(fields.at("when").greatest, "2020-01-19");
  EXPECT_TRUE(fields.at("title").built_in);
  EXPECT_EQ(fields.at("title").documents, 0);
}

// A store as a weir without fields left it.
TEST_F(StoreFieldsTest, AnOlderStoreIsReadAgainForItsFieldsAlone) {
  std::filesystem::create_directories(folder() + "_alone");
  std::vector<std::string> files;
  for (int i = 0; i < 3; ++i) {
    files.push_back(absl::StrCat(folder(), "_alone/f", i));
    std::ofstream(files.back()) << "river " << i;
  }
  int reads = 0;
  IndexerPorts ports;
  ports.read = [&](const std::string& path, const Context&) -> absl::StatusOr<text::Document> {
    ++reads;
    Prepared p = Make(path, "river");
    p.document.sha256 = *Sha256File(path);
    p.document.fields = {{"n", path.substr(path.size() - 1)}};
    return p.document;
  };
  ports.chunk = [](const text::Document& d) { return Make(d.path, d.text).passages; };
  {
    const auto store = OpenWrite();
    ASSERT_TRUE(IndexFiles(*store, files, ports, {}, {}).ok());
  }
  {
    const auto database = *Sqlite::Open(folder() + "/catalogue.sqlite", false);
    ASSERT_TRUE(
        database->Exec("DROP TABLE fields; DROP TABLE field_names; DROP TABLE fieldless").ok());
  }
  {
    const auto old = OpenRead();
    EXPECT_EQ(*old->LackingFields(), 3);
    EXPECT_EQ(old->Fields("", 3)->size(), 10);
    EXPECT_EQ(Filter(*old, "name = f1")->allowed().ids().size(), 1);
    EXPECT_THAT(Mistake(*old, "n = 1"),
                HasSubstr("3 documents were indexed before there were fields: index them again"));
  }
  const auto store = OpenWrite();
  Prepared fresh = Make("fresh", "weir");
  ASSERT_TRUE(store->AddBatch({&fresh, 1}, {}).ok());
  EXPECT_EQ(*store->LackingFields(), 3);
  reads = 0;
  const auto report = *IndexFiles(*store, files, ports, {}, {});
  EXPECT_EQ(reads, 3);
  EXPECT_EQ(report.added, 0);
  EXPECT_EQ(report.unchanged, 3);
  EXPECT_EQ(*store->LackingFields(), 0);
  EXPECT_EQ(Filter(*store, "n = 1")->allowed().ids().size(), 1);
  EXPECT_EQ(*store->Check({}), std::vector<std::string>());
  ASSERT_TRUE(IndexFiles(*store, files, ports, {}, {}).ok());
  EXPECT_EQ(reads, 3);
}

TEST_F(StoreFieldsTest, ScopesAreOfAGeneration) {
  const auto store = OpenWrite();
  Prepared a = Make("a", "river");
  a.document.fields = {{"n", "1"}};
  ASSERT_TRUE(store->AddBatch({&a, 1}, {}).ok());
  const auto before = Filter(*store, "n = 1");
  EXPECT_EQ(Filter(*store, "n = 1"), before);  // kept
  Prepared b = Make("b", "river");
  b.document.fields = {{"n", "1"}};
  ASSERT_TRUE(store->AddBatch({&b, 1}, {}).ok());
  EXPECT_EQ(Filter(*store, "n = 1")->allowed().ids().size(), 2);
  EXPECT_EQ(before->allowed().ids().size(), 1);
  for (int i = 0; i < 200; ++i) (void)Filter(*store, absl::StrCat("n = ", i));
}

TEST_F(StoreFieldsTest, SplitsFieldsOffAQuery) {
  const auto store = OpenWrite();
  Prepared a = Make("a", "river");
  a.document.fields = {{"author", "Donald Knuth"}};
  ASSERT_TRUE(store->AddBatch({&a, 1}, {}).ok());
  const auto split = [&](const std::string& query) {
    const FieldedQuery out = *store->SplitFields(query, "");
    EXPECT_EQ(out.text.size(), query.size());
    for (size_t i = 0; i < query.size(); ++i)
      EXPECT_TRUE(out.text[i] == ' ' || out.text[i] == query[i]) << query;
    const std::vector<std::string> words = absl::StrSplit(out.text, ' ', absl::SkipEmpty());
    return absl::StrCat(absl::StrJoin(words, " "), "|", out.where);
  };
  EXPECT_EQ(split("river author:knuth weir"), "river weir|\"author\" : \"knuth\"");
  EXPECT_EQ(split("-author:\"donald k\" +title:weir"),
            "weir|not \"author\" : \"donald k\" and \"title\" : \"weir\"");
  EXPECT_EQ(split("modified:2020..2021-05 Size:>=10"),
            "|\"modified\" : 2020..2021-05 and \"size\" : >=10");
  for (const char* plain :
       {"http://x.org/y", "unknown:word", "author: knuth", "title://x", "type::name", ":x", "a:b:c",
        "\"author:knuth\"", "xauthor:\"y\"", "10:30", "author:"}) {
    EXPECT_EQ(split(plain), absl::StrCat(plain, "|"));
  }
  EXPECT_EQ(split("title:\"a \\ b\""), "\"a \\ b\"|\"title\" : \"a \\\\ b\"");
  for (const char* query : {"author:knuth", "-author:x", "title:\"a \\ b\"", "size:>10"}) {
    EXPECT_TRUE(store->MakeScope({"", store->SplitFields(query, "")->where}).ok()) << query;
  }
}

}  // namespace
}  // namespace weir::index
