// weir eval compare: is one run better than another, or is it chance?

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/verbs.h"
#include "evaluate/compare.h"

namespace weir::cli {
namespace {

struct CompareOptions {
  std::vector<std::string> metrics = {"ndcg@10", "recall@100"};
  evaluate::SignificanceOptions significance;
  template <class V>
  void Visit(V& v) {
    v(metrics, {.name = "metrics", .help = "Metrics to compare by."});
    significance.Visit(v);
  }
};

class EvalCompareVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "eval compare",
            .summary = "Test whether runs differ from the first one by more than chance.",
            .arguments = "RUN.tsv RUN.tsv...",
            .example = "weir eval compare plain/poquad-a.lexical.tsv polish/poquad-a.lexical.tsv",
            .description =
                "RUN.tsv holds the values of each query, as weir eval --write-runs leaves them. A "
                "paired randomisation test gives p, Holm's correction what is left of it over "
                "several runs, the bootstrap the 95% interval of the difference.",
            .min_arguments = 2,
            .max_arguments = -1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    const std::vector<std::string> files(arguments.begin(), arguments.end());
    options_.significance.seed = session.context().seed;
    WEIR_ASSIGN_OR_RETURN(
        const std::vector<evaluate::Comparison> rows,
        evaluate::CompareRuns(files, options_.metrics, options_.significance));
    if (session.json()) {
      session.Print(evaluate::ComparisonsToJson(files[0], rows, options_.significance));
      return kExitDone;
    }
    session.Print(absl::StrCat("against ", files[0]));
    for (const evaluate::Comparison& c : rows) {
      session.Print(absl::StrFormat(
          "%-10s %.4f -> %.4f  %+.4f [%+.4f, %+.4f]  p %.4f  Holm %.4f  %d better, %d worse of %d  "
          "%s",
          c.metric, c.base, c.mean, c.test.mean, c.test.low, c.test.high, c.test.p, c.holm_p,
          c.better, c.worse, c.queries, c.run));
    }
    return kExitDone;
  }

 private:
  CompareOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeEvalCompareVerb() { return std::make_unique<EvalCompareVerb>(); }

}  // namespace weir::cli
