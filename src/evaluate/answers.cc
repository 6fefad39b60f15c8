#include "evaluate/answers.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/statistics.h"
#include "base/status.h"
#include "evaluate/fold.h"

namespace weir::evaluate {
namespace {

constexpr double kNeededCoverage = 0.5;

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

// Documents' texts and letters, each read once.
class Documents {
 public:
  explicit Documents(const TextFunction& text_of) : text_of_(text_of) {}
  struct Entry {
    std::string text;
    Letters letters;
  };
  absl::StatusOr<const Entry*> Get(const std::string& path) {
    const auto found = entries_.find(path);
    if (found != entries_.end()) return &found->second;
    Entry entry;
    WEIR_ASSIGN_OR_RETURN(entry.text, text_of_(path));
    entry.letters = LettersOf(entry.text);
    return &entries_.emplace(path, std::move(entry)).first->second;
  }

 private:
  const TextFunction& text_of_;
  std::map<std::string, Entry> entries_;
};

std::string SentencesOf(const text::Answer& answer) {
  std::string text;
  for (const text::AnswerSentence& sentence : answer.sentences) {
    absl::StrAppend(&text, text.empty() ? "" : " ", sentence.text);
  }
  return text;
}

// Share of the best evidence alternative that the citations of the question's file cover. Where the
// reader's text does not hold the evidence in one piece (a page break inside it), the longest run
// of letters that one quote shares with it counts instead.
absl::StatusOr<double> EvidenceCoverage(const Question& question, const text::Answer& answer,
                                        Documents& documents) {
  std::map<std::string, std::vector<const text::Citation*>> cited;
  for (const text::AnswerSentence& sentence : answer.sentences) {
    for (const text::Citation& citation : sentence.citations) {
      if (BaseName(citation.document.path) != question.file) continue;
      cited[citation.document.path].push_back(&citation);
    }
  }
  double best = 0;
  for (const auto& [path, citations] : cited) {
    WEIR_ASSIGN_OR_RETURN(const Documents::Entry* document, documents.Get(path));
    std::vector<text::Span> spans;
    for (const text::Citation* citation : citations) spans.push_back(citation->span);
    for (const std::string& evidence : question.evidence) {
      const Letters letters = LettersOf(evidence);
      double coverage = CoverageOf(letters, document->letters, spans);
      for (size_t i = 0; coverage < 0 && i < citations.size(); ++i) {
        best = std::max(best, SharedRun(letters, LettersOf(citations[i]->quote)));
      }
      best = std::max(best, coverage);
    }
  }
  return best;
}

absl::Status CountQuotes(const text::Answer& answer, Documents& documents, AnswerResult& result) {
  for (const text::AnswerSentence& sentence : answer.sentences) {
    for (const text::Citation& citation : sentence.citations) {
      WEIR_ASSIGN_OR_RETURN(const Documents::Entry* document,
                            documents.Get(citation.document.path));
      const auto [start, end] = citation.span;
      const int64_t size = static_cast<int64_t>(document->text.size());
      const bool inside = 0 <= start && start < end && end <= size;
      result.verbatim +=
          inside && std::string_view(document->text).substr(start, end - start) == citation.quote;
      ++result.quotes;
    }
  }
  return absl::OkStatus();
}

double TimingOf(const text::Answer& answer, const char* name, double otherwise) {
  const auto found = answer.timings.find(name);
  return found == answer.timings.end() ? otherwise : found->second;
}

absl::StatusOr<AnswerResult> Judge(const Question& question, const text::Answer& answer,
                                   Documents& documents) {
  AnswerResult result;
  result.id = question.id;
  result.answerable = question.answerable;
  result.paraphrase = question.paraphrase;
  result.status = answer.status;
  result.refused = answer.status == "not_in_documents";
  result.text = SentencesOf(answer);
  WEIR_RETURN_IF_ERROR(CountQuotes(answer, documents, result));
  if (!question.answerable) {
    result.right = result.refused;
    return result;
  }
  const std::string folded = FoldPhrase(result.text);
  result.by_phrase = std::any_of(
      question.accept.begin(), question.accept.end(),
      [&](const std::string& accepted) { return ContainsPhrase(folded, FoldPhrase(accepted)); });
  WEIR_ASSIGN_OR_RETURN(result.coverage, EvidenceCoverage(question, answer, documents));
  result.right = !result.refused && (result.by_phrase || result.coverage >= kNeededCoverage);
  return result;
}

void Summarise(AnswersReport& report) {
  std::vector<double> first, total;
  for (const AnswerResult& result : report.results) {
    (result.answerable ? report.answerable : report.unanswerable) += 1;
    report.right += result.answerable && result.right;
    report.wrongly_refused += result.answerable && result.refused;
    report.paraphrased += result.paraphrase;
    report.right_paraphrased += result.paraphrase && result.right;
    report.refused += !result.answerable && result.refused;
    report.quotes += result.quotes;
    report.verbatim += result.verbatim;
    if (result.first_token_s > 0) first.push_back(result.first_token_s);
    total.push_back(result.total_s);
  }
  report.first_token_median_s = Median(first);
  report.total_median_s = Median(total);
  report.total_max_s = total.empty() ? 0 : *std::max_element(total.begin(), total.end());
}

}  // namespace

absl::StatusOr<AnswersReport> EvaluateAnswers(const std::string& model,
                                              const std::vector<Question>& questions,
                                              const AnswerFunction& answer,
                                              const TextFunction& text_of, const Context& context) {
  AnswersReport report;
  report.model = model;
  Documents documents(text_of);
  ResetPeakMemory();
  for (const Question& question : questions) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    const int64_t start = context.now_ns();
    const absl::StatusOr<text::Answer> answered = answer(question.question);
    const double wall_s = static_cast<double>(context.now_ns() - start) * 1e-9;
    if (!answered.ok()) return Annotate(answered.status(), question.id);
    absl::StatusOr<AnswerResult> result = Judge(question, *answered, documents);
    if (!result.ok()) return Annotate(result.status(), question.id);
    result->first_token_s = TimingOf(*answered, "first_token", 0);
    result->total_s = TimingOf(*answered, "total", wall_s);
    report.results.push_back(*std::move(result));
  }
  report.peak_bytes = PeakMemoryBytes();
  Summarise(report);
  return report;
}

std::string AnswersTable(const std::vector<AnswersReport>& reports) {
  std::string table =
      "| model | right | of them paraphrased | wrongly refused | rightly refused | verbatim quotes "
      "| "
      "first token, s (median) | whole answer, s (median, most) | peak memory, MB |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const AnswersReport& r : reports) {
    absl::StrAppendFormat(
        &table,
        "| %s | %d of %d | %d of %d | %d | %d of %d | %d of %d | %.2f | %.2f, %.2f | %d |\n",
        r.model, r.right, r.answerable, r.right_paraphrased, r.paraphrased, r.wrongly_refused,
        r.refused, r.unanswerable, r.verbatim, r.quotes, r.first_token_median_s, r.total_median_s,
        r.total_max_s, r.peak_bytes / 1000000);
  }
  return table;
}

}  // namespace weir::evaluate
