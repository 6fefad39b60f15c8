// weir bench attention: the engine's attention beside three passes through memory, plain reading,
// and dense attention.

#include "base/status.h"
#include "cli/attention_bench.h"
#include "cli/verbs.h"

namespace weir::cli {
namespace {

class BenchAttentionVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "bench attention",
            .summary = "Speed of attention: prefill, decode, block-sparse.",
            .arguments = "",
            .example = "weir bench attention --threads 2 --rows prefill,sparse",
            .description =
                "On random keys and values in the shape of SmolLM2-135M. Prefill stands beside "
                "three passes through memory (its limit is the engine's matrix product), decode "
                "beside reading as many bytes, block-sparse beside dense."};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(const AttentionBenchReport report,
                          BenchAttention(options_, session.registry(), session.context()));
    for (const std::string& note : report.notes) session.Note(note);
    session.Print(session.json() ? BenchToJson(report.rows) : BenchToText(report.rows));
    return kExitDone;
  }

 private:
  AttentionBenchOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeBenchAttentionVerb() { return std::make_unique<BenchAttentionVerb>(); }

}  // namespace weir::cli
