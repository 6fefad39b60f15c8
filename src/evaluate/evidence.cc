#include "evaluate/evidence.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace weir::evaluate {
namespace {

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

}  // namespace

absl::StatusOr<const EvidenceTexts::Entry*> EvidenceTexts::Get(const std::string& path) {
  const auto found = entries_.find(path);
  if (found != entries_.end()) return &found->second;
  Entry entry;
  WEIR_ASSIGN_OR_RETURN(entry.text, text_of_(path));
  entry.letters = LettersOf(entry.text);
  return &entries_.emplace(path, std::move(entry)).first->second;
}

absl::StatusOr<double> EvidenceCoverage(const Question& question,
                                        const std::vector<QuotedSpan>& quoted,
                                        EvidenceTexts& documents) {
  std::map<std::string, std::vector<const QuotedSpan*>> by_path;
  for (const QuotedSpan& q : quoted) {
    if (BaseName(q.path) == question.file) by_path[std::string(q.path)].push_back(&q);
  }
  double best = 0;
  for (const auto& [path, quotes] : by_path) {
    WEIR_ASSIGN_OR_RETURN(const EvidenceTexts::Entry* document, documents.Get(path));
    std::vector<text::Span> spans;
    for (const QuotedSpan* quote : quotes) spans.push_back(quote->span);
    for (const std::string& evidence : question.evidence) {
      const Letters letters = LettersOf(evidence);
      const double coverage = CoverageOf(letters, document->letters, spans);
      for (size_t i = 0; coverage < 0 && i < quotes.size(); ++i) {
        best = std::max(best, SharedRun(letters, LettersOf(quotes[i]->quote)));
      }
      best = std::max(best, coverage);
    }
  }
  return best;
}

}  // namespace weir::evaluate
