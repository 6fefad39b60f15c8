// weir bench llm: decode and prefill speed, beside a peer where one is installed.

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/bench_record.h"
#include "cli/peer.h"
#include "cli/verbs.h"
#include "generate/llm_bench.h"
#include "model/catalogue.h"

namespace weir::cli {
namespace {

struct BenchLlmOptions {
  std::string model;
  int64_t rounds = 3;
  int64_t tokens = 64;
  int64_t depth = 2048;
  std::vector<std::string> rows;
  std::string kv = "auto", baseline_kv;
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
      {.name = "rows", .help = "Rows to run: decode, prefill-512, decode-2k; none names all."});
    v(depth, {.name = "depth",
              .help = "Tokens stored before the last row decodes; 4096 makes it decode-4k.",
              .unit = "tokens",
              .min = 1,
              .max = 1048576});
    v(kv, {.name = "kv", .help = "How the KV cache is kept, as in ask."});
    v(baseline_kv, {.name = "baseline-kv",
                    .help = "Another cache to run in turns with, instead of a peer."});
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
    bench.baseline_kv = options_.baseline_kv;
    bench.depth_tokens = options_.depth;
    if (!options_.peer.name.empty()) {
      bench.peer_python = options_.peer.python;
      bench.peer_script = options_.peer.script;
    }
    WEIR_ASSIGN_OR_RETURN(const auto measured, generate::RunLlmBench(bench, session.context(),
                                                                     session.registry()));
    std::vector<BenchRow> rows;
    for (const generate::LlmBenchRow& r : measured) {
      rows.push_back({r.name, r.unit, r.weir, r.baseline, r.baseline_name, r.ratio, r.limit,
                      r.rounds, r.spread});
      std::string note = absl::StrCat(r.name, ": ", generate::TimeSplit(r.times), "; KV cache ",
                                      r.cache_bytes, " bytes");
      if (r.baseline_cache_bytes > 0)
        absl::StrAppend(&note, " beside ", r.baseline_cache_bytes);
      session.Note(note);
    }
    session.Print(session.json() ? BenchToJson(rows) : BenchToText(rows));
    return kExitDone;
  }

 private:
  BenchLlmOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeBenchLlmVerb() { return std::make_unique<BenchLlmVerb>(); }

}  // namespace weir::cli
