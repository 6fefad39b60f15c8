#include "evaluate/passage_cache.h"

#include <cmath>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace weir::evaluate {
namespace {

std::vector<Question> Two() {
  Question a{.id = "a", .question = "when?", .answerable = true};
  a.accept = {"1998"};
  Question b{.id = "b", .question = "how much?", .answerable = true};
  b.accept = {"2.8%"};
  return {a, b};
}

TEST(PassageCacheEvaluationTest, ComparesWithTheFirstMethod) {
  std::vector<std::string> order;
  const PassageSystem system = [&](size_t q, const PassageMethod& m,
                                   const Context&) -> absl::StatusOr<PassageOutcome> {
    order.push_back(m.name + std::to_string(q));
    const bool prefill = m.name == kPrefillMethod;
    PassageOutcome o;
    o.log_likelihood = (prefill ? -1.0 : -1.5) * (q == 0 ? 10 : 30);
    o.answer_tokens = q == 0 ? 10 : 30;
    o.text = q == 0 ? "In 1998." : prefill ? "It is 2.8%." : "It is 12.8%.";
    o.first_token_s = prefill ? 2 + q : 0.25;
    o.prompt_tokens = 100;
    o.reused = prefill ? 10 : 80;
    o.again = prefill ? 0 : 5;
    return o;
  };
  const auto e =
      EvaluatePassageCache("m", Two(), {{kPrefillMethod, 0}, {"first", 0.1}}, system, {});
  ASSERT_TRUE(e.ok()) << e.status();
  EXPECT_EQ(order, (std::vector<std::string>{"prefill0", "prefill1", "first0", "first1"}));
  ASSERT_EQ(e->rows.size(), 2u);
  EXPECT_DOUBLE_EQ(e->rows[0].log_likelihood, -1.0);
  EXPECT_DOUBLE_EQ(e->rows[1].log_likelihood, -1.5);
  EXPECT_NEAR(e->rows[1].likelihood_ratio, std::exp(-0.5), 1e-12);
  EXPECT_EQ(e->rows[0].exact, 2);
  EXPECT_EQ(e->rows[1].exact, 1);
  EXPECT_EQ(e->rows[0].same, 2);
  EXPECT_EQ(e->rows[1].same, 1);
  EXPECT_DOUBLE_EQ(e->rows[0].first_token_median_s, 2.5);
  EXPECT_DOUBLE_EQ(e->rows[1].reused_share, 0.8);
  EXPECT_DOUBLE_EQ(e->rows[1].again_share, 0.05);
  const auto json = nlohmann::json::parse(PassageToJson(*e));
  EXPECT_EQ(json["rows"][1]["method"], "first");
  EXPECT_NE(PassageTable(*e).find("| first | 0.100 | 1.00 | -1.5000 |"), std::string::npos);
}

TEST(PassageCacheEvaluationTest, NamesTheQuestionOfAnError) {
  const PassageSystem system = [](size_t q, const PassageMethod&,
                                  const Context&) -> absl::StatusOr<PassageOutcome> {
    if (q == 1) return absl::InvalidArgumentError("too long");
    return PassageOutcome{};
  };
  const auto e = EvaluatePassageCache("m", Two(), {{"none", 0}}, system, {});
  EXPECT_TRUE(absl::IsInvalidArgument(e.status()));
  EXPECT_NE(e.status().message().find("b"), std::string::npos) << e.status();
  EXPECT_TRUE(
      absl::IsInvalidArgument(EvaluatePassageCache("m", {}, {{"none", 0}}, system, {}).status()));
}

}  // namespace
}  // namespace weir::evaluate
