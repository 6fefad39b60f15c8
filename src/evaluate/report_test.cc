#include "evaluate/report.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace weir::evaluate {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHostile[] = "<script>alert('x')</script>&\"|\n`*";

SetsRecord Record() {
  EvalRecord set;
  set.set = set.folder = set.fingerprint = set.language = kHostile;
  set.split = "test";
  set.models[kHostile] = kHostile;
  for (const char* pipeline : {"bm25", "hybrid"}) {
    EvalRun run{.pipeline = pipeline, .queries = 4};
    for (int q = 0; q < 4; ++q) {
      const double value = pipeline[0] == 'b' ? 0.5 : 0.2 + 0.2 * q;  // -.3 -.1 +.1 +.3
      for (const MetricSpec& metric : StandardMetrics()) {
        run.per_query[absl::StrCat("q", q)][metric.Name()] = value;
        run.metrics[metric.Name()] += value / 4;
      }
      set.query_texts[absl::StrCat("q", q)] = kHostile;
    }
    set.runs.push_back(run);
  }
  SetsRecord record;
  record.sets = {set, set};
  record.failed.push_back({kHostile, kHostile});
  EXPECT_TRUE(CompareSets({}, record).ok());
  return record;
}

TEST(ReportTest, LargestChangesFirst) {
  const QueryChanges changes = LargestChanges(Record().sets[0], "hybrid", 2);
  ASSERT_EQ(changes.gained.size(), 2u);
  EXPECT_EQ(changes.gained[0].query, "q3");
  EXPECT_DOUBLE_EQ(changes.gained[0].after, 0.8);
  EXPECT_EQ(changes.lost[0].query, "q0");
  EXPECT_EQ(LargestChanges(Record().sets[0], "hybrid", 1).lost.size(), 1u);
  EXPECT_TRUE(LargestChanges(Record().sets[0], "bm25", 9).gained.empty());
}

TEST(ReportTest, EscapesAndNeedsNothingElse) {
  const std::string html = HtmlReport(Record(), {kHostile, kHostile, kHostile});
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)"));
  for (const char* outside : {"http://", "https://", "src=", "href=", "url(", "@import"}) {
    EXPECT_THAT(html, Not(HasSubstr(outside))) << outside;
  }
  EXPECT_THAT(html, HasSubstr("mean of the sets"));
  EXPECT_THAT(html, HasSubstr("<svg "));
  const std::string markdown = MarkdownReport(Record(), {"1", "weir eval x", "m"});
  EXPECT_THAT(markdown, Not(HasSubstr("<script")));
  EXPECT_THAT(markdown, HasSubstr("| before | after | query | text |"));
}

TEST(ReportTest, KnowsItsTwoForms) {
  EXPECT_TRUE(CheckReportPath("a/b.html").ok());
  EXPECT_TRUE(CheckReportPath("b.md").ok());
  EXPECT_EQ(CheckReportPath("b.pdf").code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace weir::evaluate
