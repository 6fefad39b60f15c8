#include "retrieve/rerank.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/lexical/analysed.h"
#include "retrieve/normalise.h"

namespace weir::retrieve {
namespace {

absl::StatusOr<std::string> TextOf(const Candidate& candidate, const index::Store& store) {
  WEIR_ASSIGN_OR_RETURN(const text::Passage passage, store.GetPassage(candidate.passage));
  WEIR_ASSIGN_OR_RETURN(const text::DocumentRef document, store.GetDocument(passage.document));
  return index::EncoderInput(
      index::MakeFields(document.title, passage.heading, passage.text));
}

}  // namespace

absl::Status Rerank(Query& query, const Resources& resources, const std::string& stage,
                    PassageScorer scorer) {
  query.Sort();
  const RerankOptions& options = resources.options.rerank;
  const size_t n = std::min(query.candidates.size(), static_cast<size_t>(options.depth));
  if (n == 0) return absl::OkStatus();
  const std::span<Candidate> top = std::span(query.candidates).first(n);
  std::vector<std::string> texts;
  std::vector<double> before, after(n);
  for (const Candidate& candidate : top) {
    WEIR_ASSIGN_OR_RETURN(std::string text, TextOf(candidate, resources.store));
    texts.push_back(std::move(text));
    before.push_back(candidate.score);
  }
  WEIR_RETURN_IF_ERROR(scorer(std::vector<std::string_view>(texts.begin(), texts.end()), after));
  for (size_t i = 0; i < n; ++i) {
    if (!std::isfinite(after[i])) {
      return absl::InternalError(absl::StrCat(stage, ": a score is not finite"));
    }
    top[i].scores[stage] = after[i];
  }
  const double last = before.back();
  Normalise(before);
  Normalise(after);
  double least = 0;
  for (size_t i = 0; i < n; ++i) {
    top[i].score = options.weight * after[i] + (1 - options.weight) * before[i];
    least = i == 0 ? top[i].score : std::min(least, top[i].score);
  }
  for (Candidate& below : std::span(query.candidates).subspan(n)) {
    below.score = least + (below.score - last);  // equal to the last one: behind it by its id
  }
  query.Sort();
  return absl::OkStatus();
}

}  // namespace weir::retrieve
