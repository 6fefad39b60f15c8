#include "evaluate/answers.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/statistics.h"
#include "base/status.h"
#include "evaluate/evidence.h"
#include "evaluate/fold.h"
#include "evaluate/memory.h"

namespace weir::evaluate {
namespace {

std::string SentencesOf(const text::Answer& answer) {
  std::string text;
  for (const text::AnswerSentence& sentence : answer.sentences) {
    absl::StrAppend(&text, text.empty() ? "" : " ", sentence.text);
  }
  return text;
}

std::vector<QuotedSpan> CitedSpans(const text::Answer& answer) {
  std::vector<QuotedSpan> spans;
  for (const text::AnswerSentence& sentence : answer.sentences) {
    for (const text::Citation& citation : sentence.citations) {
      spans.push_back({citation.document.path, citation.span, citation.quote});
    }
  }
  return spans;
}

absl::Status CountQuotes(const text::Answer& answer, EvidenceTexts& documents,
                         AnswerResult& result) {
  for (const text::AnswerSentence& sentence : answer.sentences) {
    for (const text::Citation& citation : sentence.citations) {
      WEIR_ASSIGN_OR_RETURN(const EvidenceTexts::Entry* document,
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
                                   EvidenceTexts& documents) {
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
  WEIR_ASSIGN_OR_RETURN(result.coverage, EvidenceCoverage(question, CitedSpans(answer), documents));
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
  EvidenceTexts documents(text_of);
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
