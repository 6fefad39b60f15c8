#include "retrieve/rrf.h"

#include <algorithm>

namespace weir::retrieve {
namespace {

// Adds weight / (60 + rank) of the kind's list to every candidate on it.
void AddRanks(Query& query, const FusedKind& kind) {
  std::vector<std::pair<double, size_t>> list;
  for (size_t i = 0; i < query.candidates.size(); ++i) {
    auto it = query.candidates[i].scores.find(kind.name);
    if (it != query.candidates[i].scores.end()) list.emplace_back(it->second, i);
  }
  std::sort(list.begin(), list.end(), [&](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first > b.first;
    return query.candidates[a.second].passage < query.candidates[b.second].passage;
  });
  for (size_t rank = 0; rank < list.size(); ++rank) {
    query.candidates[list[rank].second].score +=
        kind.weight / (kReciprocalRankConstant + static_cast<double>(rank) + 1);
  }
}

}  // namespace

absl::Status RrfStage::Run(Query& query, const Resources& resources, const Context&) const {
  for (Candidate& candidate : query.candidates) candidate.score = 0;
  for (const FusedKind& kind : resources.fused) AddRanks(query, kind);
  for (Candidate& candidate : query.candidates) candidate.scores["rrf"] = candidate.score;
  return absl::OkStatus();
}

void RegisterRrf(Registry& registry) {
  registry.Add<RetrievalStage>("rrf", "Fuses lists by reciprocal rank.",
                               [](const OptionTable&) { return std::make_unique<RrfStage>(); });
}

}  // namespace weir::retrieve
