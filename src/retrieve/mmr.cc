#include "retrieve/mmr.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/status.h"
#include "tensor/vector.h"

namespace weir::retrieve {

absl::Status MmrStage::Run(Query& query, const Resources& resources, const Context& context) const {
  query.Sort();
  const size_t n =
      std::min(query.candidates.size(), static_cast<size_t>(resources.options.kept()));
  query.candidates.resize(n);
  if (n == 0) return absl::OkStatus();
  const double high = query.candidates.front().score, low = query.candidates.back().score;
  const double lambda = resources.options.rerank.mmr;
  std::vector<std::vector<float>> vectors;
  std::vector<double> relevance, closest(n, 0);
  for (const Candidate& c : query.candidates) {
    auto vector = resources.store.GetVector(c.passage);
    if (!vector.ok() && !absl::IsNotFound(vector.status())) return vector.status();
    vectors.push_back(vector.ok() ? *std::move(vector) : std::vector<float>());
    relevance.push_back(high > low ? (c.score - low) / (high - low) : 1);
  }
  std::vector<size_t> rest(n);
  for (size_t i = 0; i < n; ++i) rest[i] = i;
  std::vector<Candidate> picked;
  while (!rest.empty()) {
    const auto value = [&](size_t i) { return lambda * relevance[i] - (1 - lambda) * closest[i]; };
    size_t best = 0;  // the first of equals: the order so far decides
    for (size_t j = 1; j < rest.size(); ++j) {
      if (value(rest[j]) > value(rest[best])) best = j;
    }
    const size_t chosen = rest[best];
    rest.erase(rest.begin() + static_cast<int64_t>(best));
    picked.push_back(std::move(query.candidates[chosen]));
    picked.back().score = picked.back().scores["mmr"] = value(chosen);
    for (size_t i : rest) {
      if (vectors[i].size() != vectors[chosen].size() || vectors[i].empty()) continue;
      const double cosine =
          tensor::Dot(vectors[i].data(), vectors[chosen].data(), vectors[i].size());
      closest[i] = std::max(closest[i], cosine);
    }
  }
  query.candidates = std::move(picked);
  return absl::OkStatus();
}

void RegisterMmr(Registry& registry) {
  registry.Add<RetrievalStage>("mmr", "Reorders so that the first passages differ.",
                               [](const OptionTable&) { return std::make_unique<MmrStage>(); });
}

}  // namespace weir::retrieve
