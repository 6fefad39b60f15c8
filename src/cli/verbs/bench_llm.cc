// weir bench llm: decode and prefill speed, beside a peer where one is installed.

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/bench_record.h"
#include "cli/peer.h"
#include "cli/verbs.h"
#include "generate/llm_bench.h"
#include "generate/speculate/speculate_bench.h"
#include "model/catalogue.h"

namespace weir::cli {
namespace {

struct BenchLlmOptions {
  std::string model;
  int64_t rounds = 3;
  int64_t tokens = 64;
  std::vector<std::string> rows;
  std::string kv = "auto";
  std::string prompts = "tests/data/cited/prompts.jsonl";
  int64_t answers = 8;
  generate::SpeculateOptions speculate = {};
  PeerOptions peer{.engine = "llama.cpp", .script = "tests/peers/llama_bench.py"};
  template <class V>
  void Visit(V& v) {
    v(model, {.name = "model", .help = "Decoder; a name or a GGUF file."});
    v(rounds, {.name = "rounds", .help = "Rounds of each row.", .min = 1, .max = 100});
    v(tokens, {.name = "tokens",
               .help = "Tokens that a decode round times.",
               .unit = "tokens",
               .min = 1,
               .max = 100000});
    v(rows,
      {.name = "rows",
       .help = "Rows to run: decode, prefill-512, decode-2k, decode-cited, decode-cited-gain, "
               "decode-novel; none names all."});
    v(kv, {.name = "kv", .help = "How the KV cache is kept, as in ask."});
    v(prompts, {.name = "prompts",
                .help = "Prompts of the cited answers, as lines of weir ask --show-prompt.",
                .fingerprint = false});
    v(answers, {.name = "answers", .help = "Cited answers to write.", .min = 1, .max = 10000});
    speculate.Visit(v);
    peer.Visit(v);
  }
};

class BenchLlmVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {
        .name = "bench llm",
        .summary = "Speed of the local model: decode, prefill, decode at 2k context.",
        .arguments = "",
        .example =
            "weir bench llm --model smollm2-135m --peer llama.cpp --peer-python ~/peers/bin/python",
        .description =
            "The peer (llama-cpp-python) runs in turns with Weir, so that both see the same "
            "machine."};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    std::string name = options_.model;
    if (name.empty()) {
      WEIR_ASSIGN_OR_RETURN(const auto record, model::DefaultModel(model::ModelKind::kDecoder));
      name = record.name;
    }
    WEIR_ASSIGN_OR_RETURN(const model::ModelRecord record, model::Locate(name));
    generate::LlmBenchOptions bench;
    bench.model_path = record.path;
    bench.rounds = options_.rounds;
    bench.decode_tokens = options_.tokens;
    bench.only = options_.rows;
    bench.kv = options_.kv;
    if (!options_.peer.name.empty()) {
      bench.peer_python = options_.peer.python;
      bench.peer_script = options_.peer.script;
    }
    std::vector<BenchRow> rows;
    const auto add = [&rows](const generate::LlmBenchRow& r) {
      rows.push_back({r.name, r.unit, r.weir, r.baseline, r.baseline_name, r.ratio, r.limit,
                      r.rounds, r.spread});
    };
    WEIR_ASSIGN_OR_RETURN(const auto measured, generate::RunLlmBench(bench, session.context()));
    for (const generate::LlmBenchRow& r : measured) {
      add(r);
      session.Note(absl::StrCat(r.name, ": ", generate::TimeSplit(r.times)));
    }
    if (generate::WantsSpeculateBench(options_.rows)) {
      WEIR_ASSIGN_OR_RETURN(const auto cited, Cited(bench, session));
      for (const generate::LlmBenchRow& r : cited.rows) add(r);
      for (const std::string& note : cited.notes) session.Note(note);
    }
    session.Print(session.json() ? BenchToJson(rows) : BenchToText(rows));
    return kExitDone;
  }

 private:
  absl::StatusOr<generate::SpeculateBench> Cited(const generate::LlmBenchOptions& bench,
                                                 Session& session) const {
    std::error_code error;
    if (options_.rows.empty() && !std::filesystem::exists(options_.prompts, error)) {
      session.Note(absl::StrCat("decode-cited is left out: no ", options_.prompts,
                                " here; name one with --prompts"));
      return generate::SpeculateBench();
    }
    return generate::RunSpeculateBench({.model_path = bench.model_path,
                                        .prompts_path = options_.prompts,
                                        .prompts = options_.answers,
                                        .rounds = bench.rounds,
                                        .speculate = options_.speculate.speculate,
                                        .kv = bench.kv,
                                        .only = bench.only,
                                        .peer_python = bench.peer_python,
                                        .peer_script = bench.peer_script},
                                       session.context());
  }

  BenchLlmOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeBenchLlmVerb() { return std::make_unique<BenchLlmVerb>(); }

}  // namespace weir::cli
