#include "evaluate/topics.h"

#include <span>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::evaluate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<std::vector<std::string>> Read(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
  const auto form = FormOfQueries(*LineReader::OverBytes("q", bytes));
  if (!form.ok()) return form.status();
  std::vector<std::string> out;
  const absl::Status status =
      ReadQueries(*LineReader::OverBytes("q", bytes), *form, [&](BeirRecord record) {
        out.push_back(absl::StrCat(record.id, "|", record.text));
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return out;
}

TEST(TopicsTest, ReadsThreeForms) {
  EXPECT_THAT(*Read("\n{\"_id\":\"a\",\"text\":\"x y\"}\n"), ElementsAre("a|x y"));
  EXPECT_THAT(*Read("1\twhat is it\r\n\n007\tthe\ttab\n"),
              ElementsAre("1|what is it", "007|the\ttab"));
  EXPECT_THAT(*Read("<top>\n\n<num> Number: 301\n<title> International\nOrganized Crime\n\n"
                    "<desc> Description:\nNo.\n</top>\n"
                    "<TOP><num>302</num><title>Topic: Polio</title></TOP>"),
              ElementsAre("301|International Organized Crime", "302|Polio"));
  EXPECT_TRUE(Read("")->empty());
}

TEST(TopicsTest, RefusesWithFileAndLine) {
  const auto message = [](const std::string& text) {
    const auto read = Read(text);
    EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss) << text;
    return std::string(read.status().message());
  };
  EXPECT_THAT(message("a\tx\na\ty\n"), HasSubstr("q:2: id a occurs twice"));
  EXPECT_THAT(message("a\tx\nb\n"), HasSubstr("q:2: expected a query's id, a tab"));
  EXPECT_THAT(message("just words\n"), HasSubstr("q:1: not JSON"));
  EXPECT_THAT(message("<top>\n<num> 1\n</top>\n"), HasSubstr("q:3: topic 1 has no title"));
  EXPECT_THAT(message("<top>\n<title> x\n</top>\n"), HasSubstr("without a number"));
  EXPECT_THAT(message("<top>\n<num> 1\n<title> x\n"), HasSubstr("no </top>"));
  EXPECT_THAT(message("<top>\n<top>\n"), HasSubstr("q:2: a topic within a topic"));
  EXPECT_THAT(message("<top\n"), HasSubstr("a tag without its end"));
  EXPECT_THAT(message("</top>\n"), HasSubstr("</top> without <top>"));
}

}  // namespace
}  // namespace weir::evaluate
