#include "index/lexicon.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "index/store_fixture.h"

namespace weir::index {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

TEST(Lexicon, AWholeRecord) {
  LexiconParser parser({});
  const auto record = parser.Parse(
      R"({"id": "img/7.jpg", "title": "Snow", "text": "A dog.", "other": [1, {}],
          "terms": {"snow": 1.4, "dog": 2.1, "cat": 0.001, "ice": 0},
          "fields": {"year": 2021, "tags": ["winter", "pets"], "none": null}})");
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->id, "img/7.jpg");
  EXPECT_EQ(record->title, "Snow");
  EXPECT_EQ(record->text, "A dog.");
  EXPECT_EQ(record->format, "lexicon");
  EXPECT_EQ(*record->terms, (GivenTerms{{"dog", 134}, {"snow", 90}}));
  ASSERT_EQ(record->fields.size(), 3u);
  EXPECT_EQ(record->fields[0].name, "year");
  EXPECT_EQ(record->fields[0].value, "2021");
  EXPECT_EQ(record->fields[2].value, "pets");
}

TEST(Lexicon, WithoutTextItsWordsAreIt) {
  LexiconParser parser({});
  const auto record = parser.Parse(R"({"_id": 7, "terms": {"b": 1, "a": 2, "c": 1}})");
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->id, "7");
  EXPECT_EQ(record->text, "a b c");
  EXPECT_TRUE(parser.Parse(R"({"id": "x", "terms": {}})")->terms->empty());
  EXPECT_TRUE(parser.Parse(R"({"id": "x", "deleted": true})")->deleted);
  EXPECT_FALSE(parser.Parse(R"({"id": "x", "deleted": false, "terms": {}})")->deleted);
}

TEST(Lexicon, KeepsTheHeaviestAndScales) {
  LexiconParser parser({.most_terms = 2, .scale = 0.5});
  const auto record =
      parser.Parse(R"({"id": "x", "terms": {"a": 1, "b": 4, "c": 3, "d": 3, "b": 2}})");
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(*record->terms, (GivenTerms{{"b", 128}, {"c", 96}}));  // of equal ones the first word
}

TEST(Lexicon, ErrorsNameWhatIsWrong) {
  const HashSparseEncoder encoder(10);
  LexiconParser parser({}, &encoder);
  const auto long_word = absl::StrCat(R"({"id": "x", "terms": {")", std::string(101, 'w'),
                                      R"(": 1}})");
  std::string many = R"({"id": "x", "terms": {)";
  for (size_t i = 0; i <= kMaxGivenTerms; ++i)
    absl::StrAppend(&many, i > 0 ? "," : "", "\"w", i, "\":1");
  many += "}}";
  const std::pair<std::string, const char*> wrong[] = {
      {"", "not JSON"},
      {"[1]", "not a JSON object"},
      {R"({"id": "x", "terms": {"t1": 1})", "not JSON"},
      {std::string(5000, '['), "not JSON"},
      {R"({"terms": {"t1": 1}})", "\"id\""},
      {R"({"id": "", "terms": {"t1": 1}})", "\"id\""},
      {R"({"id": ["x"], "terms": {"t1": 1}})", "\"id\""},
      {R"({"id": "a\u0000b", "terms": {"t1": 1}})", "no NUL"},
      {absl::StrCat(R"({"id": ")", std::string(4097, 'x'), R"(", "terms": {}})"), "\"id\""},
      {R"({"id": "x"})", "\"terms\""},
      {R"({"id": "x", "terms": ["t1"]})", "\"terms\""},
      {R"({"id": "x", "deleted": 1, "terms": {}})", "\"deleted\""},
      {R"({"id": "x", "text": 7, "terms": {}})", "\"text\""},
      {R"({"id": "x", "fields": [], "terms": {}})", "\"fields\""},
      {R"({"id": "x", "fields": {"a": [[1]]}, "terms": {}})", "field \"a\""},
      {R"({"id": "x", "terms": {"t1": "1"}})", "word \"t1\": expected a number"},
      {R"({"id": "x", "terms": {"t1": -0.5}})", "word \"t1\": weight -0.5"},
      {R"({"id": "x", "terms": {"t1": 4}})", "word \"t1\": weight 4; expected 0 to 3.98"},
      {R"({"id": "x", "terms": {"t1": NaN}})", "not JSON"},
      {R"({"id": "x", "terms": {"t1": 1e999}})", "not JSON"},
      {R"({"id": "x", "terms": {"": 1}})", "word \"\""},
      {long_word, "101 bytes"},
      {many, "at most 4096 words"},
      {R"({"id": "x", "terms": {"zebra": 1}})",
       "word \"zebra\": not in the vocabulary of sparse-hash-10"},
      {R"({"id": "x", "terms": {"t10": 1}})", "word \"t10\": not in the vocabulary"}};
  for (const auto& [line, message] : wrong) {
    const auto record = parser.Parse(line);
    EXPECT_EQ(record.status().code(), StatusCode::kDataLoss) << line.substr(0, 80);
    EXPECT_THAT(std::string(record.status().message()), HasSubstr(message));
  }
  EXPECT_TRUE(parser.Parse(R"({"id": "x", "terms": {"t1": 1, "t9": 2}})").ok());
}

}  // namespace
}  // namespace weir::index
