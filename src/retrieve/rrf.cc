#include "retrieve/rrf.h"

#include <algorithm>

namespace weir::retrieve {
namespace {

// Adds 1 / (60 + rank) of the list that `stage` scored to every candidate on it.
void AddRanks(Query& query, const std::string& stage) {
  std::vector<std::pair<double, size_t>> list;
  for (size_t i = 0; i < query.candidates.size(); ++i) {
    auto it = query.candidates[i].scores.find(stage);
    if (it != query.candidates[i].scores.end()) list.emplace_back(it->second, i);
  }
  std::sort(list.begin(), list.end(), [&](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first > b.first;
    return query.candidates[a.second].passage < query.candidates[b.second].passage;
  });
  for (size_t rank = 0; rank < list.size(); ++rank) {
    query.candidates[list[rank].second].score += 1.0 / (kReciprocalRankConstant + rank + 1);
  }
}

}  // namespace

absl::Status RrfStage::Run(Query& query, const Resources&, const Context&) const {
  for (Candidate& candidate : query.candidates) candidate.score = 0;
  AddRanks(query, "bm25");
  AddRanks(query, "dense");
  for (Candidate& candidate : query.candidates) candidate.scores["rrf"] = candidate.score;
  return absl::OkStatus();
}

void RegisterRrf(Registry& registry) {
  registry.Add<RetrievalStage>("rrf", "Fuses lists by reciprocal rank.",
                               [](const OptionTable&) { return std::make_unique<RrfStage>(); });
}

}  // namespace weir::retrieve
