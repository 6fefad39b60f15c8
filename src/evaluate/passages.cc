#include "evaluate/passages.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/progress.h"
#include "base/statistics.h"
#include "base/status.h"
#include "evaluate/evidence.h"

namespace weir::evaluate {
namespace {

absl::StatusOr<int> RankOf(const Question& question, const std::vector<text::Hit>& hits,
                           EvidenceTexts& documents) {
  for (const text::Hit& hit : hits) {
    const std::vector<QuotedSpan> one = {
        {hit.document.path, hit.passage.span, hit.passage.text}};
    WEIR_ASSIGN_OR_RETURN(const double coverage, EvidenceCoverage(question, one, documents));
    if (coverage >= kNeededCoverage) return hit.rank;
  }
  return 0;
}

void Summarise(PassagesReport& report) {
  std::vector<double> took;
  for (const PassageResult& r : report.results) {
    took.push_back(r.took_s);
    report.most_s = std::max(report.most_s, r.took_s);
    if (r.rank == 0) continue;
    report.first += r.rank == 1;
    report.first_five += r.rank <= 5;
    report.first_ten += r.rank <= 10;
    report.found += 1;
    report.reciprocal_rank += 1.0 / r.rank / static_cast<double>(report.results.size());
  }
  report.median_s = took.empty() ? 0 : Median(took);
}

}  // namespace

absl::StatusOr<PassagesReport> EvaluatePassages(const std::string& pipeline,
                                                const std::vector<Question>& questions,
                                                const SearchFunction& search,
                                                const TextFunction& text_of,
                                                const Context& context) {
  PassagesReport report{.pipeline = pipeline};
  EvidenceTexts documents(text_of);
  if (context.progress != nullptr) {
    context.progress->Start(pipeline, static_cast<int64_t>(questions.size()), "questions");
  }
  for (const Question& question : questions) {
    WEIR_RETURN_IF_ERROR(context.CheckCancelled());
    if (context.progress != nullptr) context.progress->Advance(1);
    if (!question.answerable) continue;
    const int64_t start = context.now_ns();
    const absl::StatusOr<std::vector<text::Hit>> hits = search(question.question);
    const double took_s = static_cast<double>(context.now_ns() - start) * 1e-9;
    if (!hits.ok()) return Annotate(hits.status(), question.id);
    const absl::StatusOr<int> rank = RankOf(question, *hits, documents);
    if (!rank.ok()) return Annotate(rank.status(), question.id);
    report.results.push_back({question.id, question.paraphrase, *rank, took_s});
  }
  if (context.progress != nullptr) context.progress->Finish();
  Summarise(report);
  return report;
}

std::string PassagesTable(const std::vector<PassagesReport>& reports) {
  std::string out =
      "| pipeline | questions | first | first five | first ten | found | MRR | s (median) | s "
      "(most) |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const PassagesReport& r : reports) {
    absl::StrAppendFormat(&out, "| %s | %d | %d | %d | %d | %d | %.3f | %.3f | %.3f |\n",
                          r.pipeline, r.results.size(), r.first, r.first_five, r.first_ten,
                          r.found, r.reciprocal_rank, r.median_s, r.most_s);
  }
  out.pop_back();
  return out;
}

std::string PassagesToJson(const std::vector<PassagesReport>& reports) {
  using Json = nlohmann::ordered_json;
  Json runs = Json::array();
  for (const PassagesReport& r : reports) {
    Json results = Json::array();
    for (const PassageResult& one : r.results) {
      results.push_back({{"id", one.id},
                         {"paraphrase", one.paraphrase},
                         {"rank", one.rank},
                         {"took_s", one.took_s}});
    }
    runs.push_back({{"pipeline", r.pipeline},
                    {"questions", r.results.size()},
                    {"first", r.first},
                    {"first_five", r.first_five},
                    {"first_ten", r.first_ten},
                    {"found", r.found},
                    {"mrr", r.reciprocal_rank},
                    {"median_s", r.median_s},
                    {"most_s", r.most_s},
                    {"results", std::move(results)}});
  }
  return Json{{"version", 1}, {"runs", std::move(runs)}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace weir::evaluate
