// weir eval perplexity: of a decoder on a text, counted as llama.cpp's tool does.

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "base/files.h"
#include "base/status.h"
#include "cli/verbs.h"

namespace weir::cli {
namespace {

struct PerplexityOptions {
  std::string model;
  int64_t tokens = 20480;
  int64_t window = 512;
  std::string kv = "auto";
  template <class V>
  void Visit(V& v) {
    v(model, {.name = "model", .help = "Decoder; a name or a GGUF file."});
    v(tokens, {.name = "tokens",
               .help = "Most tokens of the text to use.",
               .unit = "tokens",
               .min = 2,
               .max = 1e9});
    v(window, {.name = "window",
               .help = "Tokens a window; the second half of each is scored.",
               .unit = "tokens",
               .min = 4,
               .max = 1048576});
    v(kv, {.name = "kv", .help = "How the KV cache is kept, as in ask."});
  }
};

class EvalPerplexityVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "eval perplexity",
            .summary = "Perplexity of a decoder on a text.",
            .arguments = "FILE",
            .example = "weir eval perplexity --model smollm2-135m --tokens 20480 wiki.test.raw",
            .description = "Windows are independent; the second half of each is scored.",
            .min_arguments = 1,
            .max_arguments = 1};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string> arguments, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(const std::string text, ReadFile(arguments[0]));
    generate::GenerateOptions generate;
    generate.context = std::max(generate.context, options_.window);
    generate.kv = options_.kv;
    WEIR_ASSIGN_OR_RETURN(auto engine, session.LoadEngine(options_.model, generate));
    WEIR_ASSIGN_OR_RETURN(
        const auto result,
        engine->Perplexity(text, options_.tokens, options_.window, session.context()));
    if (session.json()) {
      session.Print(nlohmann::ordered_json{{"version", 1},
                                           {"perplexity", result.perplexity},
                                           {"tokens", result.tokens},
                                           {"scored", result.scored}}
                        .dump());
    } else {
      session.Print(absl::StrFormat("perplexity %.4f over %d tokens, %d of them scored",
                                    result.perplexity, result.tokens, result.scored));
    }
    return kExitDone;
  }

 private:
  PerplexityOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeEvalPerplexityVerb() { return std::make_unique<EvalPerplexityVerb>(); }

}  // namespace weir::cli
