// weir bench encode: encoder speed on the store's own passages.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/bench_record.h"
#include "cli/bench_texts.h"
#include "cli/peer.h"
#include "cli/verbs.h"
#include "model/catalogue.h"

namespace weir::cli {
namespace {

struct BenchEncodeOptions {
  int64_t passages = 256;
  int64_t rounds = 3;
  std::string encoder;
  std::string peer_model;
  PeerOptions peer{.engine = "onnxruntime", .script = "tests/peers/encode_bench.py"};
  template <class V>
  void Visit(V& v) {
    v(passages, {.name = "passages",
                 .help = "Passages of the store to encode in a round.",
                 .min = 1,
                 .max = 100000});
    v(rounds, {.name = "rounds", .help = "Rounds of each row.", .min = 1, .max = 100});
    v(encoder,
      {.name = "encoder",
       .help =
           "Encoder; a name (see weir model list), with :f32 for exact products instead of int8."});
    peer.Visit(v);
    v(peer_model, {.name = "peer-model",
                   .help = "The encoder as an ONNX file; else the one in its own folder.",
                   .fingerprint = false});
  }
};

class BenchEncodeVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {.name = "bench encode",
            .summary = "Encoder speed on the store's passages, batched against one at a time.",
            .arguments = "",
            .example = "weir bench encode --encoder minilm-l6"};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kRead));
    WEIR_ASSIGN_OR_RETURN(const auto texts, SamplePassages(*store, options_.passages));
    WEIR_ASSIGN_OR_RETURN(auto encoder, session.LoadEncoder(options_.encoder));
    const size_t d = encoder->dimensions();
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    std::vector<float> out(views.size() * d);
    absl::Status status;
    auto rate = [&](size_t batch) {
      const int64_t start = session.context().now_ns();
      for (size_t i = 0; i < views.size(); i += batch) {
        const size_t n = std::min(batch, views.size() - i);
        status.Update(encoder->Encode(std::span(views).subspan(i, n), text::EncodeAs::kPassage,
                                      std::span(out).subspan(i * d, n * d), session.context()));
      }
      return views.size() / ((session.context().now_ns() - start) * 1e-9);
    };
    std::vector<BenchRow> rows = {Compare("encode", "passages/s", options_.rounds, false,
                                          [&] { return rate(views.size()); }, "one at a time",
                                          [&] { return rate(1); })};
    WEIR_RETURN_IF_ERROR(status);
    WEIR_ASSIGN_OR_RETURN(const auto peer, StartPeer(texts, session));
    if (peer != nullptr) {
      rows.push_back(Compare(
          "encode-peer", "passages/s", options_.rounds, false, [&] { return rate(views.size()); },
          options_.peer.name, [&] { return peer->Run(status); }));
    }
    WEIR_RETURN_IF_ERROR(status);
    session.Print(session.json() ? BenchToJson(rows) : BenchToText(rows));
    return kExitDone;
  }

 private:
  absl::StatusOr<std::unique_ptr<WorkPeer>> StartPeer(const std::vector<std::string>& texts,
                                                      Session& session) const {
    if (options_.peer.name.empty()) return nullptr;
    WEIR_ASSIGN_OR_RETURN(const model::EncoderSpec spec, session.FindEncoder(options_.encoder));
    const std::string model =
        options_.peer_model.empty() ? spec.weights : options_.peer_model;
    if (!model.ends_with(".onnx")) {
      return absl::InvalidArgumentError(
          absl::StrCat(model, ": the peer reads ONNX; name a file with --peer-model"));
    }
    WEIR_ASSIGN_OR_RETURN(
        auto peer,
        WorkPeer::Start(options_.peer, {model, spec.tokenizer, "--threads",
                                        absl::StrCat(session.context().threads->count()),
                                        "--max-tokens", absl::StrCat(spec.max_tokens)}));
    for (const std::string& text : texts) WEIR_RETURN_IF_ERROR(peer->Send("add", text));
    return peer;
  }

  BenchEncodeOptions options_;
};

}  // namespace

std::unique_ptr<Verb> MakeBenchEncodeVerb() { return std::make_unique<BenchEncodeVerb>(); }

}  // namespace weir::cli
