#include "evaluate/passages.h"

#include <nlohmann/json.hpp>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::evaluate {
namespace {

using testing::HasSubstr;

const std::string kText =
    "The weir was built in 1897. It raises the river by two metres. Fish pass.";

text::Hit HitOf(int rank, const std::string& path, int64_t start, int64_t end) {
  text::Hit hit;
  hit.rank = rank;
  hit.document.path = path;
  hit.passage.span = {start, end};
  hit.passage.text = kText.substr(start, end - start);
  return hit;
}

std::vector<Question> Questions() {
  Question one{.id = "one", .question = "when", .answerable = true};
  one.file = "weir.txt";
  one.evidence = {"The weir was built in 1897."};
  one.accept = {"1897"};
  Question two = one;
  two.id = "two";
  two.question = "how high";
  two.evidence = {"It raises the river by two metres."};
  two.paraphrase = true;
  Question none{.id = "none", .question = "who", .answerable = false};
  return {one, two, none};
}

absl::StatusOr<PassagesReport> RunAll(const SearchFunction& search) {
  return EvaluatePassages(
      "plain", Questions(), search,
      [](const std::string&) -> absl::StatusOr<std::string> { return kText; }, Context());
}

TEST(PassagesTest, TheFirstPassageThatHoldsHalfOfTheEvidence) {
  const auto report = RunAll([](const std::string& question) {
    // 0..27 is the first sentence, 28..62 the second
    return question == "when"
               ? std::vector{HitOf(1, "a/other.txt", 0, 27), HitOf(2, "a/weir.txt", 20, 62),
                             HitOf(3, "a/weir.txt", 0, 20)}
               : std::vector{HitOf(1, "a/weir.txt", 0, 27)};
  });
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->results.size(), 2u);  // only the answerable ones
  EXPECT_EQ(report->results[0].rank, 3);  // another file, then less than half of it
  EXPECT_EQ(report->results[1].rank, 0);
  EXPECT_TRUE(report->results[1].paraphrase);
  EXPECT_EQ(report->first, 0);
  EXPECT_EQ(report->first_five, 1);
  EXPECT_EQ(report->found, 1);
  EXPECT_DOUBLE_EQ(report->reciprocal_rank, 1.0 / 3 / 2);
  EXPECT_THAT(PassagesTable({*report}), HasSubstr("| plain | 2 | 0 | 1 | 1 | 1 | 0.167 |"));
  const auto json = nlohmann::json::parse(PassagesToJson({*report}));
  EXPECT_EQ(json["runs"][0]["results"][0]["rank"], 3);
  EXPECT_EQ(json["runs"][0]["first_five"], 1);
}

TEST(PassagesTest, AnErrorNamesTheQuestion) {
  const auto report = RunAll([](const std::string&) -> absl::StatusOr<std::vector<text::Hit>> {
    return absl::InternalError("broken");
  });
  EXPECT_THAT(std::string(report.status().message()), HasSubstr("one"));
}

}  // namespace
}  // namespace weir::evaluate
