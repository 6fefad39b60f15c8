// weir eval claims: the answer verifier on labelled claims, by the rules of evaluate/claims.h.

#include "answer/verify/verify.h"
#include "base/files.h"
#include "base/status.h"
#include "cli/verbs.h"
#include "evaluate/claims.h"

namespace weir::cli {
namespace {

struct EvalClaimsOptions {
  std::string encoder, features;
  std::string part = "all";
  template <class V>
  void Visit(V& v) {
    v(encoder, {.name = "encoder", .help = "Encoder that compares claims with sentences."});
    v(part, {.name = "part",
             .help = "Claims to use: all, or those whose id ends in an even or odd digit.",
             .choices = {"all", "even", "odd"}});
    v(features, {.name = "features",
                 .help = "Write every pair and its scores to this file, for fitting.",
                 .fingerprint = false});
  }
};

class EvalClaimsVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "eval claims",
            .summary = "Measure the answer verifier on labelled claims: accepted, AUC, thresholds.",
            .arguments = "DIR",
            .example = "weir eval claims --part odd data/scifact",
            .description =
                "DIR holds corpus.jsonl with metadata.sentence_lengths, queries.jsonl (plain or "
                ".zst) and evidence.jsonl: {\"query\", \"doc\", \"label\": \"SUPPORT\" or "
                "\"CONTRADICT\", \"sentences\"}.",
            .min_arguments = 1,
            .max_arguments = 1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(const auto encoder, session.LoadEncoder(options_.encoder));
    const auto verifier =
        [&](std::string_view claim,
            const std::vector<std::string_view>& quotes) -> absl::StatusOr<evaluate::ClaimScore> {
      WEIR_ASSIGN_OR_RETURN(const answer::SentenceVerdict v,
                            answer::VerifySentence(claim, quotes, *encoder, session.context()));
      return evaluate::ClaimScore{.numbers = v.numbers,
                                  .names = v.names,
                                  .polarity = v.polarity,
                                  .covered = v.covered,
                                  .lexical = v.lexical,
                                  .cosine = v.cosine,
                                  .logistic = answer::SupportOf(v.lexical, v.cosine),
                                  .support = v.support,
                                  .accepted = v.supported};
    };
    const evaluate::ClaimRule rule = {answer::kSupportWeights.intercept,
                                      answer::kSupportWeights.lexical,
                                      answer::kSupportWeights.cosine, answer::kSupportThreshold};
    WEIR_ASSIGN_OR_RETURN(const evaluate::ClaimsReport report,
                          evaluate::EvaluateClaims(arguments[0], options_.part, verifier, rule,
                                                   *encoder, session.context()));
    if (!options_.features.empty()) {
      WEIR_RETURN_IF_ERROR(WriteFileAtomic(options_.features, evaluate::ClaimFeatures(report)));
    }
    session.Print(session.json() ? evaluate::ClaimsToJson(report) : evaluate::ClaimsTable(report));
    return kExitDone;
  }

 private:
  EvalClaimsOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeEvalClaimsVerb() { return std::make_unique<EvalClaimsVerb>(); }

}  // namespace weir::cli
