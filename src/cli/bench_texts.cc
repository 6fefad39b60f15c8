#include "cli/bench_texts.h"

#include <algorithm>

#include "base/status.h"
#include "text/sentences.h"

namespace weir::cli {

absl::StatusOr<std::vector<std::string>> SampleQueries(const index::Store& store, int64_t count) {
  WEIR_ASSIGN_OR_RETURN(const std::vector<std::string> paths, store.Paths());
  std::vector<std::string> all;
  for (const std::string& path : paths) {
    WEIR_ASSIGN_OR_RETURN(const int64_t document, store.FindDocument(path));
    WEIR_ASSIGN_OR_RETURN(const std::string text, store.GetText(document));
    for (const text::Span& span : text::Sentences(text)) {
      if (span.size() >= 40)
        all.push_back(text.substr(span.start, std::min<int64_t>(span.size(), 80)));
    }
  }
  if (all.empty()) return absl::NotFoundError("store: no sentences; index something first");
  std::vector<std::string> queries;
  for (int64_t i = 0; i < count; ++i) {
    std::string query = all[i * all.size() / count];
    // no half word, no half character
    query.resize(std::min(query.size(), query.find_last_of(' ')));
    std::replace(query.begin(), query.end(), '"', ' ');
    queries.push_back(std::move(query));
  }
  return queries;
}

absl::StatusOr<std::vector<std::string>> SamplePassages(const index::Store& store, int64_t count) {
  const std::vector<int64_t> ids = store.Passages();
  const auto size = static_cast<int64_t>(ids.size());
  if (size == 0) return absl::NotFoundError("store: no passages; index something first");
  count = std::min(count, size);
  std::vector<std::string> texts;
  for (int64_t i = 0; i < count; ++i) {
    WEIR_ASSIGN_OR_RETURN(text::Passage passage, store.GetPassage(ids[i * size / count]));
    texts.push_back(std::move(passage.text));
  }
  return texts;
}

}  // namespace weir::cli
