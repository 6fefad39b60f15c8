// weir eval passage-cache: quality of stored passages in any order, by the rules of
// evaluate/passage_cache.h.

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "answer/pack.h"
#include "base/status.h"
#include "cli/asker.h"
#include "cli/passage_fill.h"
#include "cli/verbs.h"
#include "evaluate/passage_cache.h"

namespace weir::cli {
namespace {

struct EvalPassageCacheOptions {
  AskOptions ask;
  std::vector<std::string> methods = {"none", "none:0:0.85", "first:0.03:0.85",
                                      "deviation:0.03:0.85", "attention:0.03:0.85"};
  int64_t questions = 0;
  int64_t reply_tokens = 40;
  bool shuffle = true;
  template <class V>
  void Visit(V& v) {
    ask.Visit(v);
    v(methods, {.name = "methods",
                .help = "What to compare with a prefill: METHOD:SHARE:TEMPERATURE, as of "
                        "--recompute, --recompute-share and --passage-temperature (1 if not "
                        "given)."});
    v(questions, {.name = "questions",
                  .help = "Most questions of each file; 0 takes all.",
                  .min = 0,
                  .max = 100000});
    v(reply_tokens, {.name = "reply-tokens",
                     .help = "Most tokens of a greedy answer; 0 scores the reference alone.",
                     .unit = "tokens",
                     .min = 0,
                     .max = 1000});
    v(shuffle, {.name = "shuffle", .help = "Put the passages of each question in a random order."});
  }
};

class EvalPassageCacheVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {
        .name = "eval passage-cache",
        .summary = "What answers from stored passages in any order lose, and how soon they come.",
        .arguments = "QUESTIONS.jsonl...",
        .example = "weir eval passage-cache --model smollm2-135m tests/data/questions/dev.jsonl",
        .description =
            "The store must hold the documents of the sets. Each answerable question is asked "
            "over its best passages (--passages, 8) in a shuffled order: likelihood of the "
            "reference (the evidence sentence), greedy answers that hold an accepted string, and "
            "time to the first token, beside a prefill of the same tokens with an ordinary "
            "prefix cache.",
        .min_arguments = 1,
        .max_arguments = -1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    std::vector<evaluate::PassageMethod> methods = {{evaluate::kPrefillMethod, 0}};
    for (const std::string& text : options_.methods) {
      WEIR_ASSIGN_OR_RETURN(evaluate::PassageMethod method, ParseMethod(text));
      methods.push_back(std::move(method));
    }
    WEIR_ASSIGN_OR_RETURN(const auto questions, Read(arguments));
    options_.ask.passage_cache = true;
    WEIR_ASSIGN_OR_RETURN(asker_, Asker::Open(options_.ask, session));
    WEIR_RETURN_IF_ERROR(Prepare(questions, session));
    WEIR_ASSIGN_OR_RETURN(
        const evaluate::PassageEvaluation evaluation,
        evaluate::EvaluatePassageCache(
            asker_->Label(), questions, methods,
            [&](size_t q, const evaluate::PassageMethod& method, const Context& context) {
              return Answer(q, method, context);
            },
            session.context()));
    session.Print(session.json() ? evaluate::PassageToJson(evaluation)
                                 : evaluate::PassageTable(evaluation));
    return kExitDone;
  }

 private:
  struct Prepared {
    text::CompletionRequest request;
    generate::PassagePrompt prompt;
    std::string reference;
  };

  static absl::StatusOr<evaluate::PassageMethod> ParseMethod(std::string_view text) {
    const std::vector<std::string_view> parts = absl::StrSplit(text, ':');
    evaluate::PassageMethod method{std::string(parts[0]), 0};
    const bool known = method.name == "none" || method.name == "first" || method.name == "all" ||
                       method.name == "deviation" || method.name == "attention";
    if (!known || parts.size() > 3 ||
        (parts.size() > 1 && !absl::SimpleAtod(parts[1], &method.share)) ||
        (parts.size() > 2 && !absl::SimpleAtod(parts[2], &method.temperature)) ||
        !(method.share >= 0 && method.share <= 1) ||
        !(method.temperature >= 0.25 && method.temperature <= 4)) {
      return absl::InvalidArgumentError(
          absl::StrCat("methods: '", text,
                       "'; expected none, all, or first, deviation or attention with a share in "
                       "[0, 1] and a temperature in [0.25, 4], as first:0.06:0.9"));
    }
    return method;
  }

  absl::StatusOr<std::vector<evaluate::Question>> Read(std::span<const std::string> paths) const {
    std::vector<evaluate::Question> answerable;
    for (const std::string& path : paths) {
      WEIR_ASSIGN_OR_RETURN(auto lines, evaluate::LineReader::Open(path));
      WEIR_ASSIGN_OR_RETURN(const auto questions, evaluate::ReadQuestions(*lines));
      int64_t taken = 0;
      for (const evaluate::Question& q : questions) {
        if (!q.answerable || (options_.questions > 0 && taken == options_.questions)) continue;
        answerable.push_back(q);
        ++taken;
      }
    }
    return answerable;
  }

  // Retrieves once, and stores every passage, so that no method pays for what another found.
  absl::Status Prepare(const std::vector<evaluate::Question>& questions, Session& session) {
    const answer::AnswerPorts ports = asker_->Ports();
    answer::AnswerOptions packing = options_.ask.answer;
    if (packing.passages == 0) packing.passages = 8;
    packing.max_tokens = std::max<int64_t>(options_.reply_tokens, 256);  // room for the reference
    for (size_t i = 0; i < questions.size(); ++i) {
      const evaluate::Question& q = questions[i];
      WEIR_ASSIGN_OR_RETURN(const auto hits, ports.pipeline.Search(q.question, session.context()));
      WEIR_ASSIGN_OR_RETURN(answer::PackedContext packed,
                            answer::PackPassages(hits, packing, ports));
      std::vector<text::PromptPassage> passages = answer::PromptPassages(packed);
      if (options_.shuffle) Shuffle(session.context().seed * 1000003 + i, passages);
      Prepared prepared;
      prepared.request.messages = answer::Prompt(q.question, packed);
      prepared.request.passages = passages;
      prepared.request.max_tokens = std::max<int64_t>(1, options_.reply_tokens);
      prepared.reference = q.evidence[0];
      WEIR_ASSIGN_OR_RETURN(prepared.prompt, asker_->engine()->PromptOver(
                                                 prepared.request.messages, passages));
      for (const auto& passage : prepared.prompt.passages) {
        WEIR_RETURN_IF_ERROR(
            asker_->engine()->passages()->Fill(passage, session.context()).status());
      }
      prepared_.push_back(std::move(prepared));
    }
    return absl::OkStatus();
  }

  // The same order on every machine: the standard's distributions differ.
  static void Shuffle(uint64_t seed, std::vector<text::PromptPassage>& passages) {
    for (size_t i = passages.size(); i > 1; --i) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      std::swap(passages[i - 1], passages[(seed >> 33) % i]);
    }
  }

  absl::StatusOr<evaluate::PassageOutcome> Answer(size_t q, const evaluate::PassageMethod& method,
                                                  const Context& context) {
    generate::Engine& engine = *asker_->engine();
    const Prepared& prepared = prepared_[q];
    engine.SetPassageOptions({method.name, method.share, method.temperature});
    evaluate::PassageOutcome outcome;
    WEIR_ASSIGN_OR_RETURN(const text::Completion done,
                          engine.Complete(prepared.request, context));
    if (options_.reply_tokens > 0) outcome.text = done.text;
    outcome.first_token_s = done.first_token_s;
    outcome.prompt_tokens = done.prompt_tokens;
    outcome.reused = done.reused_tokens;
    outcome.again = engine.passage_report().again;
    WEIR_ASSIGN_OR_RETURN(outcome.answer_tokens, engine.CountTokens(prepared.reference));
    WEIR_ASSIGN_OR_RETURN(const auto scores,
                          engine.LogLikelihoodOver(prepared.prompt,
                                                   std::span(&prepared.reference, 1), context));
    outcome.log_likelihood = scores[0];
    return outcome;
  }

  EvalPassageCacheOptions options_;
  std::unique_ptr<Asker> asker_;
  std::vector<Prepared> prepared_;
};

}  // namespace

std::unique_ptr<Verb> MakeEvalPassageCacheVerb() {
  return std::make_unique<EvalPassageCacheVerb>();
}

}  // namespace weir::cli
