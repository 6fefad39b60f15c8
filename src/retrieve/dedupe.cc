#include "retrieve/dedupe.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "base/status.h"

namespace weir::retrieve {
namespace {

std::string Folded(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (absl::ascii_isspace(c)) {
      if (!out.empty() && out.back() != ' ') out.push_back(' ');
    } else {
      out.push_back(absl::ascii_tolower(c));
    }
  }
  return out;
}

bool Overlaps(const text::Passage& a, const text::Passage& b) {
  if (a.document != b.document) return false;
  const int64_t shared = std::min(a.span.end, b.span.end) - std::max(a.span.start, b.span.start);
  return 2 * shared > std::min(a.span.size(), b.span.size());
}

}  // namespace

absl::Status DedupeStage::Run(Query& query, const Resources& resources, const Context&) const {
  query.Sort();
  const size_t wanted = static_cast<size_t>(resources.options.kept());
  std::vector<Candidate> kept;
  std::vector<text::Passage> passages;
  absl::flat_hash_set<std::string> seen;
  for (Candidate& candidate : query.candidates) {
    if (kept.size() >= wanted) break;
    WEIR_ASSIGN_OR_RETURN(text::Passage passage, resources.store.GetPassage(candidate.passage));
    const bool overlaps = std::any_of(passages.begin(), passages.end(), [&](const auto& better) {
      return Overlaps(passage, better);
    });
    if (overlaps || !seen.insert(Folded(passage.text)).second) continue;
    kept.push_back(std::move(candidate));
    passages.push_back(std::move(passage));
  }
  query.candidates = std::move(kept);
  return absl::OkStatus();
}

void RegisterDedupe(Registry& registry) {
  registry.Add<RetrievalStage>("dedupe", "Drops passages that repeat a better one.",
                               [](const OptionTable&) { return std::make_unique<DedupeStage>(); });
}

}  // namespace weir::retrieve
