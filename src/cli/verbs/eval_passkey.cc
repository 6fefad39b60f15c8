// weir eval passkey: a number hidden in a long prompt, found again.

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/verbs.h"
#include "evaluate/passkey.h"

namespace weir::cli {
namespace {

struct PasskeyVerbOptions {
  std::string model;
  int64_t prompts = 100;
  int64_t tokens = 4096;
  std::string kv = "auto";
  template <class V>
  void Visit(V& v) {
    v(model, {.name = "model", .help = "Decoder; a name or a GGUF file."});
    v(prompts, {.name = "prompts", .help = "Prompts to ask.", .min = 1, .max = 100000});
    v(tokens, {.name = "tokens",
               .help = "Length of a prompt with its answer, at most.",
               .unit = "tokens",
               .min = 64,
               .max = 1048576});
    v(kv, {.name = "kv", .help = "How the KV cache is kept, as in ask."});
  }
};

class EvalPasskeyVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "eval passkey",
            .summary = "Share of five-digit keys that a decoder finds again in long prompts.",
            .arguments = "",
            .example = "weir eval passkey --model qwen2.5-coder-0.5b --tokens 4096 --kv kivi2",
            .description = "Keys and places come from --seed; answers are greedy, five digits."};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    generate::GenerateOptions generate;
    generate.context = options_.tokens;
    generate.kv = options_.kv;
    WEIR_ASSIGN_OR_RETURN(auto engine, session.LoadEngine(options_.model, generate));
    WEIR_ASSIGN_OR_RETURN(const evaluate::PasskeyResult result,
                          evaluate::RunPasskey(*engine, {options_.prompts, options_.tokens},
                                               session.context()));
    const double share = static_cast<double>(result.right) / static_cast<double>(result.prompts);
    if (session.json()) {
      session.Print(nlohmann::ordered_json{{"version", 1},
                                           {"prompts", result.prompts},
                                           {"right", result.right},
                                           {"share", share},
                                           {"least_tokens", result.least_tokens},
                                           {"most_tokens", result.most_tokens}}
                        .dump());
    } else {
      session.Print(absl::StrFormat("%d of %d keys found (%.1f%%) in prompts of %d to %d tokens",
                                    result.right, result.prompts, 100 * share,
                                    result.least_tokens, result.most_tokens));
    }
    return kExitDone;
  }

 private:
  PasskeyVerbOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeEvalPasskeyVerb() { return std::make_unique<EvalPasskeyVerb>(); }

}  // namespace weir::cli
