// weir bench encode: encoder speed on the store's own passages.

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/bench_record.h"
#include "cli/bench_texts.h"
#include "cli/peer.h"
#include "cli/verbs.h"
#include "model/catalogue.h"

namespace weir::cli {
namespace {

// Of a dozen tokens: what people ask.
constexpr std::string_view kQuery = "how do I renew the lease of a flat?";
constexpr int kQueryRepeats = 200;

struct BenchEncodeOptions {
  int64_t passages = 256;
  int64_t rounds = 3;
  std::vector<std::string> encoders = {"minilm-l6"};
  std::vector<std::string> peer_models;
  PeerOptions peer{.engine = "onnxruntime", .script = "tests/peers/encode_bench.py"};
  template <class V>
  void Visit(V& v) {
    v(passages, {.name = "passages",
                 .help = "Passages of the store to encode in a round.",
                 .min = 1,
                 .max = 100000});
    v(rounds, {.name = "rounds", .help = "Rounds of each row.", .min = 1, .max = 100});
    v(encoders,
      {.name = "encoder",
       .help = "Encoders; names (see weir model list), with :f32 for exact products instead of "
               "int8."});
    peer.Visit(v);
    v(peer_models,
      {.name = "peer-model",
       .help = "The encoders as ONNX files, in the same order; else those in their own "
               "folders.",
       .fingerprint = false});
  }
};

// minilm-int8 of "minilm-l6", bge-f32 of "bge-small-en:f32".
std::string RowName(std::string_view encoder) {
  const bool exact = encoder.ends_with(":f32");
  return absl::StrCat(std::string(encoder.substr(0, encoder.find_first_of("-:"))),
                      exact ? "-f32" : "-int8");
}

class BenchEncodeVerb : public Verb {
 public:
  VerbInfo Info() const override {
    return {
        .name = "bench encode",
        .summary = "Encoder speed on the store's passages and on a query, against a peer.",
        .arguments = "",
        .example = "weir bench encode --encoder minilm-l6,bge-small-en",
        .description =
            "Rows NAME-int8 (NAME-f32 for an encoder with :f32): passages a second, all at once "
            "against one at a time, or against the peer; -query: microseconds for a query of "
            "twelve tokens."};
  }
  OptionTable Options() override { return BindOptions(options_); }

  absl::StatusOr<int> Run(std::span<const std::string>, Session& session) override {
    WEIR_ASSIGN_OR_RETURN(auto store, session.OpenStore(index::Store::Mode::kRead));
    WEIR_ASSIGN_OR_RETURN(const auto texts, SamplePassages(*store, options_.passages));
    std::vector<BenchRow> rows;
    for (size_t i = 0; i < options_.encoders.size(); ++i)
      WEIR_RETURN_IF_ERROR(Measure(i, texts, session, rows));
    session.Print(session.json() ? BenchToJson(rows) : BenchToText(rows));
    return kExitDone;
  }

 private:
  absl::Status Measure(size_t at, const std::vector<std::string>& texts, Session& session,
                       std::vector<BenchRow>& rows) const {
    WEIR_ASSIGN_OR_RETURN(const auto encoder, session.LoadEncoder(options_.encoders[at]));
    const size_t d = static_cast<size_t>(encoder->dimensions());
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    std::vector<float> out(views.size() * d);
    absl::Status status;
    const auto encode = [&](std::span<const std::string_view> some, text::EncodeAs as) {
      status.Update(
          encoder->Encode(some, as, std::span(out).first(some.size() * d), session.context()));
    };
    const auto rate = [&](size_t batch) {
      const int64_t start = session.context().now_ns();
      for (size_t i = 0; i < views.size(); i += batch) {
        encode(std::span(views).subspan(i, std::min(batch, views.size() - i)),
               text::EncodeAs::kPassage);
      }
      return views.size() / ((session.context().now_ns() - start) * 1e-9);
    };
    const auto query = [&] {
      std::vector<double> micros;
      for (int i = 0; i < kQueryRepeats; ++i) {
        const int64_t start = session.context().now_ns();
        encode({&kQuery, 1}, text::EncodeAs::kPassage);  // without an instruction, as the peer
        micros.push_back((session.context().now_ns() - start) * 1e-3);
      }
      std::nth_element(micros.begin(), micros.begin() + kQueryRepeats / 2, micros.end());
      return micros[kQueryRepeats / 2];
    };
    const std::string name = RowName(options_.encoders[at]);
    WEIR_ASSIGN_OR_RETURN(const auto peer, StartPeer(at, texts, session));
    const auto add = [&](std::string row, std::string unit, bool less, const auto& ours,
                         std::string theirs, const std::function<double()>& their) {
      rows.push_back(Compare(std::move(row), std::move(unit), options_.rounds, less, ours,
                             std::move(theirs), their));
    };
    const auto batched = [&] { return rate(views.size()); };
    if (peer == nullptr) {
      add(name, "passages/s", false, batched, "one at a time", [&] { return rate(1); });
    } else {
      add(name, "passages/s", false, batched, options_.peer.name,
          [&] { return peer->Run(status); });
      add(name + "-query", "us", true, query, options_.peer.name,
          [&] { return peer->Run("query", kQuery, status); });
    }
    return status;
  }

  absl::StatusOr<std::unique_ptr<WorkPeer>> StartPeer(size_t at,
                                                      const std::vector<std::string>& texts,
                                                      Session& session) const {
    if (options_.peer.name.empty()) return nullptr;
    WEIR_ASSIGN_OR_RETURN(const model::EncoderSpec spec,
                          session.FindEncoder(options_.encoders[at]));
    const std::string model =
        at < options_.peer_models.size() ? options_.peer_models[at] : spec.weights;
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
