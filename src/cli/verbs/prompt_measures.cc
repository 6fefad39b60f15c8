// weir eval prompt and weir bench prompt: what a saved prompt loses, weighs and saves.

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/files.h"
#include "base/status.h"
#include "cli/bench_record.h"
#include "cli/prompt_setup.h"
#include "cli/verbs.h"
#include "evaluate/questions.h"
#include "generate/prompt_cache/cachegen.h"
#include "generate/prompt_cache/prompt_eval.h"
#include "generate/prompt_cache/saved_prompt.h"
#include "generate/prompt_cache/stream_simulation.h"

namespace weir::cli {
namespace {

using Json = nlohmann::ordered_json;

struct EvalPromptOptions {
  std::string form = "delta", questions;
  int64_t tokens = 3072, following = 256, documents = 8, max_tokens = 24;
  double scale = 1;
  bool centred = false;
  PromptModelOptions model;
  template <class V>
  void Visit(V& v) {
    v(form, {.name = "form",
             .help = "Form of the codec: delta, anchors (the paper's prediction: the anchor's "
                     "value), or repository (its authors' code).",
             .choices = {"delta", "anchors", "repository", "tables"}});
    v(scale, {.name = "steps",
              .help = "Times the steps, or through the bins of the repository's form.",
              .min = 0.1,
              .max = 10});
    v(centred, {.name = "centred", .help = "Repository form: take off the channels' means first."});
    v(tokens, {.name = "tokens",
               .help = "Tokens of a document that are saved.",
               .unit = "tokens",
               .min = 2,
               .max = 1000000});
    v(following, {.name = "following",
                  .help = "Tokens after them that are scored.",
                  .unit = "tokens",
                  .min = 2,
                  .max = 1000000});
    v(documents, {.name = "documents", .help = "Documents at most.", .min = 1, .max = 100000});
    v(questions, {.name = "questions",
                  .help = "Questions (JSON lines) on text files of the folder; compares greedy "
                          "answers instead of perplexity."});
    v(max_tokens, {.name = "max-tokens",
                   .help = "Most tokens of an answer.",
                   .unit = "tokens",
                   .min = 1,
                   .max = 100000});
    model.Visit(v);
  }
};

class EvalPromptVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "eval prompt",
            .summary = "What saved prompts weigh, and what loading them loses, by level.",
            .arguments = "FILE...|DIR",
            .example = "weir eval prompt --model smollm2-135m --documents 8 wiki.test.raw",
            .description =
                "The rest of each document is scored after its keys and values went through the "
                "codec, beside the same cache as it was. Sizes count everything that a file "
                "holds but its text. With --questions the argument is the folder of the texts.",
            .min_arguments = 1,
            .max_arguments = -1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    if (!options_.questions.empty()) return RunQuestions(arguments[0], session);
    PromptModelOptions wanted = options_.model;
    wanted.context = std::max(wanted.context, options_.tokens + options_.following + 1);
    WEIR_ASSIGN_OR_RETURN(const auto model, LoadPromptModel(wanted, session));
    std::vector<std::string> documents;
    for (const std::string& path : arguments) {
      WEIR_ASSIGN_OR_RETURN(documents.emplace_back(), ReadFile(path, kMaxPromptText));
    }
    generate::PromptEvalOptions eval;
    eval.prompt_tokens = options_.tokens;
    eval.following_tokens = options_.following;
    eval.documents = options_.documents;
    eval.fit = [this] { return MakeFit(); };
    if (options_.form == "tables") {
      WEIR_ASSIGN_OR_RETURN(eval.codec, generate::ReadTables(model->identity()));
      if (eval.codec == nullptr) {
        return absl::UnavailableError("tables: none for this model; weir prompt fit makes them");
      }
    }
    WEIR_ASSIGN_OR_RETURN(const auto result, generate::EvaluatePrompts(*model, documents, eval,
                                                                       session.context()));
    Report(result, session);
    return kExitDone;
  }

 private:
  std::unique_ptr<generate::KvCodecFit> MakeFit() const {
    if (options_.form == "repository") {
      return generate::MakeRepositoryFit({.scale = options_.scale, .centred = options_.centred});
    }
    generate::CacheGenSteps steps;
    for (double& level : steps.level) level *= options_.scale;
    if (options_.form == "anchors") {
      steps.group = 10, steps.chain = false, steps.predict = false, steps.depth = {0.5, 1, 1.5};
    }
    return generate::MakeDeltaFit(steps);
  }

  static void Report(const generate::PromptEvalResult& r, Session& session) {
    Json levels = Json::array();
    const auto half = static_cast<double>(r.half_bytes);
    if (!session.json()) {
      session.Print(absl::StrFormat(
          "%d documents, %d tokens kept, %d scored after them; perplexity %.4f after the cache as "
          "it was",
          r.documents, r.tokens, r.scored, r.perplexity));
      session.Print("level  bits  f16 times  int8 times  perplexity  change");
    }
    for (int l = 1; l <= generate::kCodecLevels; ++l) {
      const generate::PromptEvalLevel& level = r.levels[l - 1];
      const auto bytes = static_cast<double>(level.bytes + level.table_bytes);
      const double change = level.perplexity / r.perplexity - 1;
      if (session.json()) {
        levels.push_back({{"level", l},
                          {"bytes", level.bytes},
                          {"table_bytes", level.table_bytes},
                          {"bits", 16 * bytes / half},
                          {"f16_ratio", half / bytes},
                          {"int8_ratio", half / 2 / bytes},
                          {"perplexity", level.perplexity},
                          {"change", change}});
      } else {
        session.Print(absl::StrFormat("%5d  %.3f  %8.2f  %10.2f  %10.4f  %+.2f%%", l,
                                      16 * bytes / half, half / bytes, half / 2 / bytes,
                                      level.perplexity, 100 * change));
      }
    }
    if (!session.json()) return;
    session.Print(Json{{"version", 1},
                       {"documents", r.documents},
                       {"tokens", r.tokens},
                       {"scored", r.scored},
                       {"f16_bytes", r.half_bytes},
                       {"perplexity", r.perplexity},
                       {"levels", std::move(levels)}}
                      .dump());
  }

  absl::StatusOr<int> RunQuestions(const std::string& folder, Session& session) {
    PromptModelOptions wanted = options_.model;
    wanted.context = std::max(wanted.context, options_.tokens + options_.max_tokens + 512);
    WEIR_ASSIGN_OR_RETURN(const auto model, LoadPromptModel(wanted, session));
    WEIR_ASSIGN_OR_RETURN(auto lines, evaluate::LineReader::Open(options_.questions));
    WEIR_ASSIGN_OR_RETURN(const auto questions, evaluate::ReadQuestions(*lines));
    std::vector<generate::PromptQuestions> documents;
    std::vector<std::string> names;
    for (const evaluate::Question& q : questions) {
      if (!q.answerable || !absl::EndsWith(q.file, ".txt")) continue;
      auto at = std::find(names.begin(), names.end(), q.file) - names.begin();
      if (at == static_cast<ptrdiff_t>(names.size())) {
        names.push_back(q.file);
        WEIR_ASSIGN_OR_RETURN(std::string text,
                              ReadFile(absl::StrCat(folder, "/", q.file), kMaxPromptText));
        std::vector<int32_t> tokens = model->tokenizer().Encode(text, {});
        if (static_cast<int64_t>(tokens.size()) > options_.tokens) {
          tokens.resize(options_.tokens);
          text = model->tokenizer().Decode(tokens);
        }
        documents.push_back({std::move(text), {}});
      }
      documents[at].questions.push_back(q.question);
    }
    WEIR_ASSIGN_OR_RETURN(const auto answers,
                          generate::ComparePromptAnswers(*model, documents, options_.max_tokens,
                                                         session.context()));
    if (session.json()) {
      session.Print(Json{{"version", 1}, {"questions", answers.questions}, {"same", answers.same}}
                        .dump());
      return kExitDone;
    }
    for (int l = 1; l <= generate::kCodecLevels; ++l) {
      session.Print(absl::StrFormat("level %d: %d of %d greedy answers identical", l,
                                    answers.same[l - 1], answers.questions));
    }
    return kExitDone;
  }

  EvalPromptOptions options_;
};

struct BenchPromptOptions {
  int64_t tokens = 4096, rounds = 3, traces = 200;
  double slo = 0.5;
  PromptModelOptions model;
  template <class V>
  void Visit(V& v) {
    v(tokens, {.name = "tokens",
               .help = "Tokens of the text that are kept.",
               .unit = "tokens",
               .min = 2,
               .max = 1000000});
    v(rounds, {.name = "rounds", .help = "Rounds of each row.", .min = 1, .max = 100});
    v(traces, {.name = "traces", .help = "Bandwidth traces.", .min = 1, .max = 100000});
    v(slo, {.name = "slo-share",
            .help = "Deadline of the traces as a share of the time that computing takes.",
            .min = 0.01,
            .max = 100});
    model.Visit(v);
  }
};

class BenchPromptVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {
        .name = "bench prompt",
        .summary = "Speed of saved prompts beside computing, and of the streaming controller.",
        .arguments = "FILE",
        .example = "weir bench prompt --model smollm2-135m wiki.test.raw",
        .description =
            "first-token: from the file to the logits of the first token, beside computing "
            "the same tokens. late-loads and level-loss: of loads over random links "
            "of 0.1 to 10 Gbit/s, scaled so that f16 takes 1.5 times the deadline on the median; "
            "the controller beside the fixed level that is late least often. A level's loss "
            "is 4, 2, 1 and 0 for levels 1 to 3 and text.",
        .min_arguments = 1,
        .max_arguments = 1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(const std::string text, ReadFile(arguments[0], kMaxPromptText));
    PromptModelOptions wanted = options_.model;
    wanted.context = std::max(wanted.context, options_.tokens + 16);
    WEIR_ASSIGN_OR_RETURN(const auto model, LoadPromptModel(wanted, session));
    const std::string folder = std::filesystem::temp_directory_path().string();
    WEIR_ASSIGN_OR_RETURN(
        const auto speed,
        generate::MeasurePromptSpeed(*model, text, options_.tokens, options_.rounds, folder,
                                     session.context()));
    std::vector<BenchRow> rows;
    for (int l = 1; l <= generate::kCodecLevels; ++l) {
      rows.push_back({.name = absl::StrCat("decode-level-", l),
                      .unit = "MB/s of f16, one core",
                      .weir = speed.decode_mb_s[l - 1],
                      .rounds = options_.rounds});
      rows.push_back({.name = absl::StrCat("first-token-level-", l),
                      .unit = "s",
                      .weir = speed.load_s[l - 1],
                      .baseline = speed.compute_s,
                      .baseline_name = "computing",
                      .ratio = speed.compute_s / speed.load_s[l - 1],
                      .rounds = options_.rounds});
    }
    AddTraces(speed, *model, session, rows);
    session.Note(absl::StrFormat("%d tokens; levels 1 to 3: %.2f, %.2f, %.2f MB; all three encoded "
                                 "in %.2f s",
                                 speed.tokens, speed.bytes[0] * 1e-6, speed.bytes[1] * 1e-6,
                                 speed.bytes[2] * 1e-6, speed.encode_s));
    session.Print(session.json() ? BenchToJson(rows) : BenchToText(rows));
    return kExitDone;
  }

 private:
  void AddTraces(const generate::PromptSpeed& speed, generate::PromptModel& model,
                 Session& session, std::vector<BenchRow>& rows) const {
    const generate::KvCodecShape shape = model.shape();
    const size_t chunks = speed.chunk_bytes[0].size();
    std::vector<generate::ChunkCost> costs(chunks);
    double half = 0;
    for (size_t i = 0; i < chunks; ++i) {
      const int64_t left = speed.tokens - 1 - static_cast<int64_t>(i) * generate::kCodecTokens;
      const auto n = static_cast<double>(std::min<int64_t>(generate::kCodecTokens, left));
      const double bytes = n * 4 * shape.layers * shape.width();
      half += bytes;
      for (int l = 0; l < generate::kCodecLevels; ++l) {
        costs[i].bytes[l] = speed.chunk_bytes[l][i];
        costs[i].decode_s[l] = speed.load_s[l] / static_cast<double>(chunks);
      }
      // Attention makes later chunks dearer; the mean is what the loader's probe knows, too.
      costs[i].compute_s = speed.compute_s / static_cast<double>(chunks);
    }
    const double deadline = options_.slo * speed.compute_s;
    constexpr double kMedian = 1e9 / 8;  // bytes a second, in the middle of 0.1 to 10 Gbit/s
    const double scale = half / 1.5 / deadline / kMedian;
    const auto c = generate::CompareOnTraces(
        costs, static_cast<int>(options_.traces),
        static_cast<uint64_t>(session.options().seed), scale, {.deadline_s = deadline},
        {0, 4, 2, 1});
    const auto& fixed = c.fixed[c.best_fixed - 1];
    const std::string name = absl::StrCat("level ", c.best_fixed);
    rows.push_back({.name = "late-loads",
                    .unit = absl::StrFormat("of %d, %.2f s", c.traces, deadline),
                    .weir = static_cast<double>(c.controller.violations),
                    .baseline = static_cast<double>(fixed.violations),
                    .baseline_name = name,
                    .ratio = fixed.violations / std::max(1.0, double(c.controller.violations))});
    rows.push_back({.name = "level-loss",
                    .unit = "of 4",
                    .weir = c.controller.loss,
                    .baseline = fixed.loss,
                    .baseline_name = name,
                    .ratio = fixed.loss / std::max(1e-9, c.controller.loss)});
    for (int l = 1; l <= generate::kCodecLevels; ++l) {
      session.Note(absl::StrFormat("fixed level %d: %d of %d late, loss %.2f", l,
                                   c.fixed[l - 1].violations, c.traces, c.fixed[l - 1].loss));
    }
  }

  BenchPromptOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeEvalPromptVerb() { return std::make_unique<EvalPromptVerb>(); }
std::unique_ptr<Verb> MakeBenchPromptVerb() { return std::make_unique<BenchPromptVerb>(); }

}  // namespace weir::cli
