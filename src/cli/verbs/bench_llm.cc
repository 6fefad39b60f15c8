// weir bench llm: decode and prefill speed, beside a peer where one is installed.

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/bench_record.h"
#include "cli/peer.h"
#include "cli/verbs.h"
#include "generate/llm_bench.h"
#include "generate/passages/passages_bench.h"
#include "generate/speculate/speculate_bench.h"
#include "generate/streams/streams_bench.h"
#include "model/catalogue.h"
#include "model/gguf.h"
#include "tensor/kernel_bench.h"

namespace weir::cli {
namespace {

struct BenchLlmOptions {
  std::string model;
  int64_t rounds = 3;
  int64_t tokens = 64;
  int64_t depth = 2048;
  std::vector<std::string> rows;
  std::string kv = "auto", baseline_kv;
  bool limit = false;
  std::string prompts = "tests/data/cited/prompts.jsonl";
  int64_t answers = 8;
  generate::SpeculateOptions speculate = {};
  generate::PassageOptions passages = {};
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
       .help =
           "Rows to run; none: decode, prefill-512, decode-2k, decode-cited, decode-cited-gain, "
           "decode-novel, first-token-8-passages. Streams: streams (all of them) or "
           "streams-8, unshared-8, prefix-16x32, prefix-16x1k, prefix-16x4k, prefix-16x8k, "
           "prefix-memory, prefix-tree, prompt-cache, cancel-4k."});
    v(depth, {.name = "depth",
              .help = "Tokens stored before the last row decodes; 4096 makes it decode-4k.",
              .unit = "tokens",
              .min = 1,
              .max = 1048576});
    v(kv, {.name = "kv", .help = "How the KV cache is kept, as in ask."});
    v(baseline_kv, {.name = "baseline-kv",
                    .help = "Another cache to run in turns with, instead of a peer."});
    v(limit, {.name = "limit",
              .help = "Measure the kernels of the model's formats against the machine's limits."});
    v(prompts, {.name = "prompts",
                .help = "Prompts of the cited answers, as lines of weir ask --show-prompt.",
                .fingerprint = false});
    v(answers, {.name = "answers", .help = "Cited answers to write.", .min = 1, .max = 10000});
    speculate.Visit(v);
    passages.Visit(v);
    peer.Visit(v);
  }
};

// What runs when the model's matrices are multiplied, each kernel beside what the machine allows.
absl::Status AddKernels(const std::string& path, Session& session, std::vector<BenchRow>& rows) {
  WEIR_ASSIGN_OR_RETURN(const auto file, model::GgufFile::Open(path));
  tensor::KernelBenchOptions kernels;
  for (const model::GgufTensor& tensor : file->tensors()) {
    auto& types = kernels.types;
    const bool matrix = tensor.shape.size() == 2;
    if (matrix && std::find(types.begin(), types.end(), tensor.type) == types.end()) {
      types.push_back(tensor.type);
    }
  }
  for (const tensor::BenchRow& r : tensor::BenchKernels(kernels, session.context().threads)) {
    rows.push_back({r.name, r.unit, r.weir, r.baseline, r.baseline_name, r.ratio, r.limit, r.rounds,
                    r.spread});
  }
  return absl::OkStatus();
}

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
    std::vector<BenchRow> rows;
    if (options_.limit) WEIR_RETURN_IF_ERROR(AddKernels(record.path, session, rows));
    const auto add = [&rows](const generate::LlmBenchRow& r) {
      rows.push_back({r.name, r.unit, r.weir, r.baseline, r.baseline_name, r.ratio, r.limit,
                      r.rounds, r.spread});
    };
    std::vector<generate::LlmBenchRow> measured;
    if (options_.rows != std::vector<std::string>{generate::kPassagesRow}) {
      WEIR_ASSIGN_OR_RETURN(
          measured, generate::RunLlmBench(bench, session.context(), session.registry()));
    }
    WEIR_ASSIGN_OR_RETURN(const auto together, generate::RunStreamsBench(bench, session.context(),
                                                                         session.registry()));
    measured.insert(measured.end(), together.begin(), together.end());
    for (const generate::LlmBenchRow& r : measured) {
      add(r);
      std::string note = absl::StrCat(r.name, ": ", generate::TimeSplit(r.times), "; KV cache ",
                                      r.cache_bytes, " bytes");
      if (r.baseline_cache_bytes > 0)
        absl::StrAppend(&note, " beside ", r.baseline_cache_bytes);
      session.Note(note);
    }
    WEIR_RETURN_IF_ERROR(AddPassages(bench, session, rows));
    if (generate::WantsSpeculateBench(options_.rows)) {
      WEIR_ASSIGN_OR_RETURN(const auto cited, Cited(bench, session));
      for (const generate::LlmBenchRow& r : cited.rows) add(r);
      for (const std::string& note : cited.notes) session.Note(note);
    }
    session.Print(session.json() ? BenchToJson(rows) : BenchToText(rows));
    return kExitDone;
  }

 private:
  absl::Status AddPassages(const generate::LlmBenchOptions& bench, Session& session,
                           std::vector<BenchRow>& rows) const {
    const auto& only = options_.rows;
    const bool wanted = only.empty() || std::find(only.begin(), only.end(),
                                                  generate::kPassagesRow) != only.end();
    if (!wanted) return absl::OkStatus();
    WEIR_ASSIGN_OR_RETURN(const auto passages,
                          generate::RunPassagesBench(bench, options_.passages, session.context(),
                                                     session.registry()));
    const generate::LlmBenchRow& r = passages.row;
    rows.push_back({r.name, r.unit, r.weir, r.baseline, r.baseline_name, r.ratio, r.limit, r.rounds,
                    r.spread});
    session.Note(absl::StrCat(r.name, ": ", passages.details));
    return absl::OkStatus();
  }

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
                                       session.context(), session.registry());
  }

  BenchLlmOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeBenchLlmVerb() { return std::make_unique<BenchLlmVerb>(); }

}  // namespace weir::cli
