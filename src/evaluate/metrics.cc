#include "evaluate/metrics.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace weir::evaluate {
namespace {

struct NamedMeasure {
  Measure measure;
  std::string_view name;
};
constexpr NamedMeasure kMeasures[] = {{Measure::kNdcg, "ndcg"},
                                      {Measure::kRecall, "recall"},
                                      {Measure::kMap, "map"},
                                      {Measure::kMrr, "mrr"},
                                      {Measure::kPrecision, "p"}};

// One query seen through its judgements: the gains in ranked order and the gains of the ideal
// order.
struct Gains {
  std::vector<int> ranked;
  std::vector<int> ideal;  // positive only, so its size is R
};

Gains GainsOf(const std::map<std::string, int>& judged, const std::vector<Ranked>& documents) {
  std::vector<const Ranked*> order;
  order.reserve(documents.size());
  for (const Ranked& d : documents) order.push_back(&d);
  std::sort(order.begin(), order.end(), [](const Ranked* a, const Ranked* b) {
    const float x = static_cast<float>(a->score), y = static_cast<float>(b->score);
    return x != y ? x > y : a->document > b->document;
  });
  Gains gains;
  gains.ranked.reserve(order.size());
  for (const Ranked* d : order) {
    const auto found = judged.find(d->document);
    gains.ranked.push_back(found == judged.end() ? 0 : std::max(0, found->second));
  }
  for (const auto& [document, judgement] : judged) {
    if (judgement > 0) gains.ideal.push_back(judgement);
  }
  std::sort(gains.ideal.rbegin(), gains.ideal.rend());
  return gains;
}

double Discounted(const std::vector<int>& gains, size_t cutoff) {
  double sum = 0;
  for (size_t i = 0; i < std::min(cutoff, gains.size()); ++i) {
    sum += gains[i] / std::log2(static_cast<double>(i) + 2);
  }
  return sum;
}

double AveragePrecision(const Gains& gains) {
  double sum = 0;
  int64_t relevant = 0;
  for (size_t i = 0; i < gains.ranked.size(); ++i) {
    if (gains.ranked[i] > 0) sum += static_cast<double>(++relevant) / static_cast<double>(i + 1);
  }
  return sum / static_cast<double>(gains.ideal.size());
}

double ValueOf(const MetricSpec& metric, const Gains& gains) {
  if (gains.ideal.empty()) return 0;
  const size_t cutoff = static_cast<size_t>(metric.cutoff);
  const auto head = gains.ranked.begin() + std::min(cutoff, gains.ranked.size());
  const auto relevant = [](int gain) { return gain > 0; };
  const double found = static_cast<double>(std::count_if(gains.ranked.begin(), head, relevant));
  switch (metric.measure) {
    case Measure::kNdcg:
      return Discounted(gains.ranked, cutoff) / Discounted(gains.ideal, cutoff);
    case Measure::kRecall:
      return found / static_cast<double>(gains.ideal.size());
    case Measure::kPrecision:
      return found / static_cast<double>(cutoff);
    case Measure::kMap:
      return AveragePrecision(gains);
    case Measure::kMrr: {
      const auto first = std::find_if(gains.ranked.begin(), head, relevant);
      return first == head ? 0 : 1.0 / static_cast<double>(first - gains.ranked.begin() + 1);
    }
  }
  return 0;
}

}  // namespace

std::string MetricSpec::Name() const {
  for (const NamedMeasure& known : kMeasures) {
    if (known.measure != measure) continue;
    return measure == Measure::kMap ? std::string(known.name)
                                    : absl::StrCat(known.name, "@", cutoff);
  }
  return "";
}

absl::StatusOr<MetricSpec> ParseMetric(std::string_view name) {
  const size_t at = name.find('@');
  for (const NamedMeasure& known : kMeasures) {
    if (name.substr(0, at) != known.name) continue;
    MetricSpec spec{known.measure, 0};
    if (known.measure == Measure::kMap) {
      if (at == name.npos) return spec;
    } else if (at != name.npos && absl::SimpleAtoi(name.substr(at + 1), &spec.cutoff) &&
               spec.cutoff >= 1 && spec.cutoff <= 1000000) {
      return spec;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "metric: ", name, "; expected ndcg@K, recall@K, map, mrr@K or p@K with K from 1 to 1000000"));
}

const std::vector<MetricSpec>& StandardMetrics() {
  static const auto& standard = *new std::vector<MetricSpec>{{Measure::kNdcg, 10},
                                                             {Measure::kRecall, 100},
                                                             {Measure::kMap, 0},
                                                             {Measure::kMrr, 10},
                                                             {Measure::kPrecision, 10}};
  return standard;
}

Evaluation Evaluate(const Qrels& qrels, const RankedRun& run,
                    const std::vector<MetricSpec>& metrics, Averaging averaging) {
  static const std::vector<Ranked>& nothing = *new std::vector<Ranked>;
  Evaluation evaluation;
  for (const MetricSpec& metric : metrics) evaluation.mean[metric.Name()] = 0;
  for (const auto& [query, judged] : qrels) {
    const auto found = run.find(query);
    if (found == run.end() && averaging == Averaging::kRetrieved) continue;
    const Gains gains = GainsOf(judged, found == run.end() ? nothing : found->second);
    std::map<std::string, double>& values = evaluation.per_query[query];
    for (const MetricSpec& metric : metrics) {
      evaluation.mean[metric.Name()] += values[metric.Name()] = ValueOf(metric, gains);
    }
    ++evaluation.queries;
  }
  for (auto& [name, sum] : evaluation.mean) {
    if (evaluation.queries > 0) sum /= static_cast<double>(evaluation.queries);
  }
  return evaluation;
}

}  // namespace weir::evaluate
